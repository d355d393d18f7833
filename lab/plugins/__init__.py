"""The lab's provider plugins: gRPC servers that stand where the engine can't download the real ones.

``lab.plugins.aws`` speaks boto3 to the endpoints the stack configures, ``lab.plugins.libvirt`` speaks libvirt. Both
take their property names, types and required arguments from the installed SDKs, and their replacement rules from
the upstream providers. Modules here are the machinery (wire format, schema, check, diff, server); one file per
resource type sits in each package.
"""
