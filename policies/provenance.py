"""provenance: the configuration comes from a plan that was made with the prices that the pack pins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field, TypeAdapter

from policies.rule import SKEW, Facts, Misconfigured, Rule, Violation
from policies.trusted import DemandSettings
from stacks.contract import KEYS, NAMESPACE, PERSONAL_KEYS, ContractError, from_engine, parse, plan_id

_PLAN = TypeAdapter(dict[str, Any])


class Provenance(DemandSettings):
    """The required plan and prices. Its pins apply to every policy that sets none of its own."""

    plan_id: str = Field(default="", description="ID of the only plan that may be applied; empty: any.")
    plan_file: str = Field(
        default="",
        description="Plan file of the planning job. The policy computes its id again and compares its values with the stack's.",
    )
    same_prices: bool = Field(default=True, description="Whether the plan must be made with the pack's catalogue.")


def decide(facts: Facts, settings: Provenance) -> Iterator[Violation]:
    """One violation per way in which the plan differs from the required one."""
    plan = facts.require_config().plan
    catalogue = facts.catalogue(settings)
    if settings.plan_id and plan.id != settings.plan_id:
        yield Violation(
            message=(
                f"The configuration holds plan {plan.id}; plan {settings.plan_id} was approved. Preview and approve the new "
                "plan, or check out the configuration that was approved."
            )
        )
    if settings.plan_file:
        yield from _not_the_file(facts, settings.plan_file)
    if settings.same_prices and plan.catalogue_digest != catalogue.digest():
        yield Violation(
            message=(
                f"The plan was made with prices of digest {plan.catalogue_digest[:12]}…; the policy pack pins "
                f"{catalogue.digest()[:12]}… ({catalogue.source}). Plan again with that catalogue (prices.catalogue in "
                "fleet.yaml), or pin the plan's with catalogueFile (prices of AWS: .tiercast/<stack>/prices.<region>.json) and "
                "catalogueDigest."
            )
        )
    if plan.created_at > facts.now + SKEW:
        yield Violation(
            message=(
                f"The plan's creation time {plan.created_at.isoformat()} is in the future (it is "
                f"{facts.now.isoformat()}). Correct the clock and plan again."
            )
        )


def _not_the_file(facts: Facts, path: str) -> Iterator[Violation]:
    """Where the configuration is not that of the plan in a file."""
    kept = facts.json(path, _PLAN, "a plan file")
    config = kept.get("config")
    if not isinstance(config, dict):
        raise Misconfigured(f"The file '{path}' must hold a plan file with `config`.")
    stack = facts.require_config()
    named, found = stack.plan.id, plan_id(kept)
    if not found == named == kept.get("id"):
        yield Violation(
            message=(
                f"The configuration names plan {named}; the content of {path} has the id {found}. Run `tiercast plan`, and "
                "preview what it wrote."
            )
        )
    try:
        planned = parse(from_engine(config)).model_dump(mode="json", by_alias=True)
    except ContractError as error:
        raise Misconfigured(f"The file '{path}' must hold a plan whose `config` is valid. {error}.") from None
    ours = stack.model_dump(mode="json", by_alias=True)
    for key in KEYS:
        full = f"{NAMESPACE}:{key}"
        agree = _holds if stack.plan.phase and key in _SIZED else _agree
        if key not in _NOT_PLANNED and not agree(planned[key], ours[key], encrypted=full not in facts.plain):
            yield Violation(
                message=(
                    f"{full} is not what plan {named} holds. Run `tiercast plan` instead of editing the stack file, or "
                    "revert the edit."
                )
            )


#: Keys that no plan decides: its own provenance, and what people set.
_NOT_PLANNED = {"plan"} | PERSONAL_KEYS


def _agree(planned: Any, ours: Any, *, encrypted: bool) -> bool:
    """Whether a section is the plan's. One that holds encrypted values, which no plan knows, may differ in texts only."""
    if isinstance(planned, dict) and isinstance(ours, dict):
        return planned.keys() == ours.keys() and all(
            _agree(planned[key], ours[key], encrypted=encrypted) for key in planned
        )
    if isinstance(planned, list) and isinstance(ours, list):
        pairs = zip(planned, ours, strict=False)
        return len(planned) == len(ours) and all(_agree(a, b, encrypted=encrypted) for a, b in pairs)
    return bool(planned == ours) or (encrypted and isinstance(planned, str) and isinstance(ours, str))


#: Sections in which a phase of an update may hold more than the plan.
_SIZED = {"hot", "warm", "cold"}


def _holds(planned: Any, ours: Any, *, encrypted: bool) -> bool:
    """Whether a section of a phase is the plan's, beside what goes later: further entries of lists, and larger sizes."""
    if isinstance(planned, dict) and isinstance(ours, dict):
        return planned.keys() == ours.keys() and all(
            ours[key] >= value
            if _is_count(value) and _is_count(ours[key])
            else _holds(value, ours[key], encrypted=encrypted)
            for key, value in planned.items()
        )
    if isinstance(planned, list) and isinstance(ours, list):
        return all(any(_holds(a, b, encrypted=encrypted) for b in ours) for a in planned)
    return planned is None or _agree(planned, ours, encrypted=encrypted)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


RULE = Rule(
    name="provenance",
    description="Sizes come from the required plan, which is not from the future and was made with the pinned prices.",
    severity="high",
    remedy="Run `tiercast plan` with the catalogue that the policy pack pins.",
    settings=Provenance,
    decide=decide,
)
