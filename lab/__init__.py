"""The embedded default: everything a real run needs where no cloud, hypervisor or official engine can be had.

A *lab* belongs to one checkout. Its state is under `.tiercast/lab-state/`, its sockets under a short run directory (a
socket's path must stay below 108 characters), its ports on 127.0.0.1 in one block. All its parts are the real ones:
libvirtd and QEMU, the Pulumi engine, AWS calls over HTTP. `lab.processes` and `lab.stop` use nothing but the standard
library, so that `make clean` works where nothing else does.
"""
