"""Parts of the contract for groups and VMs that existed before the stack and were adopted by it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from stacks.contract_base import ContractModel, Count, Positive

Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class AdoptedGroup(ContractModel):
    """An auto scaling group with its launch template. Both keep their names, and the engine deletes neither."""

    group: Name = Field(description="Name of the group in the cloud.")
    template: Name = Field(description="Name of its launch template.")
    template_id: Annotated[str, StringConstraints(pattern=r"^lt-[0-9a-zA-Z]+$")]
    desired: Count = Field(
        description="Instances when it was adopted: what runs, as long as the state does not hold it."
    )
    instance_types: tuple[str, ...] = Field((), description="Types of a mixed group.")


class AdoptedMachine(ContractModel):
    """A VM of a hypervisor in a slot. It keeps its definition, and the engine neither changes nor deletes it."""

    domain: Name = Field(description="Name of the domain on its hypervisor.")
    uuid: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    vcpu: Positive
    memory_mib: Positive


class Adopted(ContractModel):
    """What was adopted, by the name of its resource: `warm-c6i-large`, `cold-burst`, `hot-rack1-001`."""

    groups: dict[str, AdoptedGroup] = Field(default_factory=dict)
    machines: dict[str, AdoptedMachine] = Field(default_factory=dict)


#: A stack that adopted nothing.
NOTHING_ADOPTED = Adopted()
