"""The lab: everything that a real run needs if no cloud, hypervisor or official engine is available.

- A *lab* belongs to one checkout. Its state is under `.tiercast/lab-state/`.
- Its sockets are under a short run directory, because a socket's path must stay below 108 characters.
- Its ports are one block on 127.0.0.1.
- Its parts are real: libvirtd and QEMU, the Pulumi engine, AWS calls over HTTP.
- `lab.processes` and `lab.stop` use only the standard library, so `make clean` works without a virtualenv.
"""
