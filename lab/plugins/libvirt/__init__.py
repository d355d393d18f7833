"""The lab's ``pulumi-resource-libvirt``: what plugin 0.5.4 (upstream 0.8.1) accepts and does, through libvirt's own
bindings."""
