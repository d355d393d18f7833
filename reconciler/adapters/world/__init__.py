"""What runs on the hypervisors and in the cloud, read within a time limit per host and region. Changes nothing.

- `read`: all of it, as one `World`
- `domains`: the domains of hypervisors, by libvirt's client
- `groups`: auto scaling groups with their instances and target health, by AWS's APIs
- `health`: the health checks of VMs, over HTTP
"""
