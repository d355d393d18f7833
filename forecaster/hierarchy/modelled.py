"""Everything that is modelled of a history, by name: series, big pairs, wholes of labels; with values and priors."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from forecaster.demand import LEVELS
from forecaster.hierarchy.nodes import on_one_thread
from forecaster.hierarchy.pooled_tail import pooled_tail
from forecaster.hierarchy.settings import PlbmSettings
from forecaster.hierarchy.structure import Structure, pair_values, series_values, whole_values
from forecaster.hierarchy.warm_start import Net, warmed
from forecaster.history.history import Floats, History
from forecaster.series.prior import Prior, priors
from forecaster.series.tail import TailShape


@dataclass(frozen=True, kw_only=True)
class Modelled:
    """One of them: `values` (n,) offered requests, NaN where unknown; `prior` (levels,) for too short a history."""

    name: str
    values: Floats
    prior: Floats


def big_names(history: History, structure: Structure) -> tuple[str, ...]:
    """Names of the big pairs."""
    return tuple(f"{user} × {application}" for user, application in (history.pairs[k] for k in structure.big))


def whole_names(structure: Structure) -> tuple[str, ...]:
    """Names of the wholes."""
    return tuple(f"all of {label}" for label in structure.wholes)


def names_of(history: History, structure: Structure) -> tuple[str, ...]:
    """Names of all that is modelled: series, big pairs, wholes."""
    return (*structure.series, *big_names(history, structure), *whole_names(structure))


def prior_of(history: History, structure: Structure, settings: PlbmSettings, label: str) -> Prior:
    """What to expect of a series of the label that has no history."""
    found = _priors(series_values(history, structure, settings.calendar), structure, settings)
    return found.get(label, found[""])


def modelled(
    history: History,
    structure: Structure,
    settings: PlbmSettings,
    names: Container[str],
    values: Floats | None = None,
) -> list[Modelled]:
    """Those in `names`, in the order of `names_of`; `values` are the series' where already read."""
    rows = series_values(history, structure, settings.calendar) if values is None else values
    prior = _priors(rows, structure, settings)
    out = [
        Modelled(name=name, values=rows[k], prior=prior[structure.label_of(k)].quantiles)
        for k, name in enumerate(structure.series)
        if name in names
    ]
    big = [(k, n) for k, n in zip(structure.big, big_names(history, structure), strict=True) if n in names]
    own = pair_values(history, [k for k, _ in big], settings.calendar)
    out += [Modelled(name=n, values=own[k], prior=prior[""].quantiles) for k, (_, n) in enumerate(big)]
    wholes = [(k, n) for k, n in enumerate(whole_names(structure)) if n in names]
    sums = whole_values(history, structure, settings.calendar) if wholes else rows[:0]
    for k, name in wholes:
        label = structure.wholes[k]
        # As if all parts moved together: the widest that their sum can be.
        together = prior[label].quantiles * len(structure.parts_of(label))
        out.append(Modelled(name=name, values=sums[k], prior=together))
    return out


def net_of(known: Net, history: History, structure: Structure, settings: PlbmSettings, values: Floats) -> Net:
    """The global net after a look at all that is modelled, by the settings' rules; `values` are the series'."""
    if not settings.lstm or settings.warm is None:
        return known
    panel = [one.values for one in modelled(history, structure, settings, names_of(history, structure), values)]
    return warmed(
        known,
        panel,
        start=history.start,
        step=history.step,
        timezone=settings.calendar.timezone,
        rules=settings.warm,
        seed=settings.seed,
    )


def tail_of(known: TailShape, history: History, settings: PlbmSettings, values: Floats) -> TailShape:
    """The shape that far tails are shrunk to, read anew off the series' `values` where it is older than a fit may be."""
    if known.until is not None and history.end - known.until < settings.refit.every:
        return known
    with on_one_thread():
        return pooled_tail(list(values), start=history.start, step=history.step)


def _priors(rows: Floats, structure: Structure, settings: PlbmSettings) -> dict[str, Prior]:
    labels = [structure.label_of(k) for k in range(len(structure.series))]
    return priors(rows, labels, LEVELS, level=settings.default_level)
