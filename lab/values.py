"""What a lab contributes to `fleet.yaml` and to the stack's configuration: places, addresses, images; values only.

The program in `stacks/` has no branch for the lab: these values are all that makes it run here.
"""

from __future__ import annotations

from typing import Any

from lab.model import Lab
from lab.ports import HOST

#: XSLT for a machine's XML: a network card on QEMU's user network, port 80 forwarded from 127.0.0.1, and the machine's
#: name as its SMBIOS serial number. `{name}` and `{port}` are replaced by the program. The provider's default display
#: goes: each libvirt daemon counts its displays' ports from 5900 by itself, so that two daemons on one machine collide.
OVERLAY = """\
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
  <xsl:output omit-xml-declaration="yes" indent="yes"/>
  <xsl:template match="node()|@*">
    <xsl:copy><xsl:apply-templates select="node()|@*"/></xsl:copy>
  </xsl:template>
  <xsl:template match="/domain/devices/graphics|/domain/devices/video"/>
  <xsl:template match="/domain">
    <xsl:copy>
      <xsl:apply-templates select="node()|@*"/>
      <qemu:commandline>
        <qemu:arg value="-netdev"/>
        <qemu:arg value="user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:80"/>
        <qemu:arg value="-device"/>
        <qemu:arg value="virtio-net-pci,netdev=n0,addr=0x10"/>
        <qemu:arg value="-smbios"/>
        <qemu:arg value="type=1,serial={name}"/>
      </qemu:commandline>
    </xsl:copy>
  </xsl:template>
</xsl:stylesheet>
"""

#: Kernel arguments in the one form that the libvirt provider reads back unchanged: one keyed map, then the bare words.
CMDLINE: tuple[dict[str, str], ...] = ({"console": "ttyS0"}, {"_": "quiet"})


def hypervisor_values(lab: Lab) -> list[dict[str, Any]]:
    """The lab's hypervisors in the form of `stacks.contract.Hypervisor`."""
    return [
        {
            "name": hypervisor.name,
            "uri": hypervisor.uri,
            "cores": hypervisor.cores,
            "memoryMib": hypervisor.memory_mib,
            "host": HOST,
            "basePort": hypervisor.base_port,
        }
        for hypervisor in lab.hypervisors
    ]


def boot_values(lab: Lab) -> dict[str, Any]:
    """The guests' kernel in the form of `stacks.contract.DirectKernel`."""
    return {"kernel": str(lab.kernel), "initrd": str(lab.initrd), "cmdline": [dict(entry) for entry in CMDLINE]}


def aws_config(lab: Lab) -> dict[str, Any]:
    """Values of the `aws:` configuration namespace: the lab's endpoint, and none of the checks that call real AWS."""
    endpoint = lab.cloud_endpoint
    return {
        "aws:region": lab.region,
        "aws:accessKey": "lab",
        "aws:secretKey": "lab",
        "aws:skipCredentialsValidation": True,
        "aws:skipMetadataApiCheck": True,
        "aws:skipRequestingAccountId": True,
        "aws:endpoints": [{"autoscaling": endpoint, "ec2": endpoint, "elbv2": endpoint, "sts": endpoint}],
    }


def stack_values(lab: Lab) -> dict[str, Any]:
    """All of it: `hot` holds keys of `stacks.contract.Metal`, `aws` the provider's configuration."""
    return {
        "hot": {
            "hypervisors": hypervisor_values(lab),
            "boot": boot_values(lab),
            "domainType": lab.domain_type,
            "machine": "pc",
            "overlay": OVERLAY,
        },
        "aws": aws_config(lab),
    }
