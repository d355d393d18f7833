"""A stack file that was edited by hand after the plan: the edits, and their cost and risk. Pure.

A preview shows the figures of the file that would run. For an edited file they are computed again with the same bill and
assessment. An edited file can't be approved: use `tiercast:override` or pins for lasting manual changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.fleet.file import Fleet
from reconciler.observe.stack_state import Observed
from reconciler.plan.draft import class_line
from reconciler.plan.file import OWN_KEYS, PlanFile
from reconciler.prices.bill import hourly
from reconciler.prices.billed_fleet import fleet_of
from reconciler.prices.catalogue import Catalogue
from reconciler.sizing.options import COLD_GROUP, options
from reconciler.slo.assess import assess
from stacks.contract import ContractError, StackConfig, Tier, parse

#: Maximum number of edits that are listed. The rest are counted.
_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One value that differs: its key, the planned value and the value in the file; None if the key is absent."""

    key: str
    planned: Any
    found: Any

    def describe(self) -> str:
        """`tiercast:cold.groups[0].size.max: 8 → 20`. Of a long value only the type is shown."""
        return f"{self.key}: {_short(self.planned)} → {_short(self.found)}"


def edits(plan: PlanFile, config: Mapping[str, Any]) -> tuple[Edit, ...]:
    """The values of tiercast's keys in which the stack file's `config` differs from the plan.

    Encrypted values can't be compared. The digest that an approval is bound to covers them.
    """
    ours = {key: value for key, value in config.items() if key in OWN_KEYS or key in plan.config}
    return tuple(
        edit for key in sorted({*ours, *plan.config}) for edit in _differing(key, plan.config.get(key), ours.get(key))
    )


def as_edited(
    plan: PlanFile, config: Mapping[str, Any], changed: tuple[Edit, ...], fleet: Fleet, catalogue: Catalogue
) -> PlanFile:
    """The plan with the cost and risk of the edited file, and a reason that names each edit.

    If they can't be computed (the contract refuses a value, or a type has no price), the reason says that they are unknown.
    Engine and policies check the file in any case.
    """
    note = _note(changed)
    try:
        held = parse({key.removeprefix("tiercast:"): value for key, value in config.items() if key in OWN_KEYS})
        bill, most = (hourly(fleet_of(held, catalogue, size), catalogue) for size in ("desired", "max"))
        choices = {o.name: o for o in options(fleet, catalogue, Observed())}
    except (ContractError, ValueError, LookupError) as error:
        return without_figures(plan, changed, str(error))
    counts = counts_of(held)
    supply = [choices[name].supply(count) for name, count in counts.items() if name in choices]
    judged = assess(held.demand, supply)
    return plan.model_copy(
        update={
            "edited": True,
            "tiers": tuple(
                line.model_copy(
                    update={
                        "kinds": {n.partition("/")[2]: c for n, c in counts.items() if n.startswith(f"{line.tier}/")},
                        "after": sum(c for n, c in counts.items() if n.startswith(f"{line.tier}/")),
                        "usd_after": bill.of(Tier(line.tier)),
                        "reason": "edited by hand"
                        if any(edit.key.startswith(f"tiercast:{line.tier}") for edit in changed)
                        else line.reason,
                    }
                )
                for line in plan.tiers
            ),
            "classes": tuple(class_line(found, held.demand) for found in judged.classes),
            "usd_per_hour_after": bill.usd_per_hour,
            "reasons": (f"{note}. At its maxima it costs {most.usd_per_hour:.2f} USD/hour", *plan.reasons),
        }
    )


def without_figures(plan: PlanFile, changed: tuple[Edit, ...], why: str) -> PlanFile:
    """The plan marked as edited where the cost and risk of the file can't be computed."""
    text = f"{_note(changed)}. Its cost and risk are unknown: {' '.join(why.split())}"
    return plan.model_copy(update={"edited": True, "reasons": (text, *plan.reasons)})


def _note(changed: tuple[Edit, ...]) -> str:
    names = [edit.describe() for edit in changed[:_SHOWN]]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"edited by hand after the plan: {'; '.join(names)}{more}"


def counts_of(config: StackConfig) -> dict[str, int]:
    """Option → instances of a stack configuration: slots on own hosts, and desired sizes of groups."""
    counts: dict[str, int] = {}
    for tier, metal in ((Tier.HOT, config.hot), (Tier.COLD, config.cold.metal)):
        for slot in metal.slots if metal is not None else ():
            name = f"{tier.value}/{slot.flavour}"
            counts[name] = counts.get(name, 0) + 1
    for group in config.warm.groups:
        name = f"{Tier.WARM.value}/{group.instance_type}"
        counts[name] = counts.get(name, 0) + group.size.desired
    for cold in config.cold.groups:
        counts[f"{Tier.COLD.value}/{COLD_GROUP}"] = counts.get(f"{Tier.COLD.value}/{COLD_GROUP}", 0) + cold.size.desired
    return counts


def _differing(key: str, planned: Any, found: Any) -> Iterator[Edit]:
    if isinstance(found, dict) and set(found) == {"secure"}:
        return
    if isinstance(planned, dict) and isinstance(found, dict):
        for name in sorted({*planned, *found}, key=str):
            yield from _differing(f"{key}.{name}", planned.get(name), found.get(name))
    elif isinstance(planned, list | tuple) and isinstance(found, list | tuple) and len(planned) == len(found):
        for place, (one, other) in enumerate(zip(planned, found, strict=True)):
            yield from _differing(f"{key}[{place}]", one, other)
    elif _plain(planned) != _plain(found):
        yield Edit(key=key, planned=planned, found=found)


def _plain(value: Any) -> Any:
    """The value with times as text and tuples as lists, as a stack file returns them."""
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _short(value: Any) -> str:
    if value is None:
        return "absent"
    text = str(value)
    return text if isinstance(value, int | float | bool) or len(text) <= 40 else f"another {type(value).__name__}"
