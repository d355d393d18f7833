"""A trained PLBM as named files of bytes and back: JSON for what has structure, NumPy archives for numbers, no pickle.

The rule: equal states give equal bytes. `FORMAT` counts up whenever a file's meaning changes; others are refused by name.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.demand import RequestCost
from forecaster.errors import ModelStoreError
from forecaster.hierarchy.nodes import NodeForecast, NodeSummary
from forecaster.hierarchy.settings import PlbmSettings
from forecaster.hierarchy.warm_start import Net
from forecaster.history.history import History
from forecaster.history.quality import Quality
from forecaster.models.lstm import dump, parse
from forecaster.plbm.plain import from_plain, to_plain
from forecaster.plbm.state import Fitted, PlbmState
from forecaster.series.tail import TailShape
from forecaster.workload.costs import Workload

#: Version of the files' meaning.
FORMAT = 5
STATE, HISTORY, FRESH = "state.json", "history.npz", "forecasts.npz"
#: Kept only where the net was trained on the panel.
NET = "net.npz"
#: What to do about any model that can't be read.
REMEDY = "run `tiercast train` to fit and keep a new one"


@dataclass(frozen=True, kw_only=True)
class _HistoryHead:
    step: timedelta
    start: datetime
    length: int
    users: tuple[str, ...]
    applications: tuple[str, ...]
    utilisation: tuple[str, ...]
    quality: Quality


@dataclass(frozen=True, kw_only=True)
class _Head:
    format: int
    settings: PlbmSettings
    history: _HistoryHead
    fitted: Mapping[str, Fitted]
    fresh: tuple[NodeSummary, ...]
    workload: Workload | None
    declared: Mapping[str, RequestCost]
    net_said: str
    net_until: datetime | None
    tail: TailShape
    origin: Mapping[str, str]


def to_files(state: PlbmState) -> dict[str, bytes]:
    """File name → content."""
    history = state.history
    names = tuple(sorted(history.utilisation))
    fresh = [state.fresh[name] for name in sorted(state.fresh)]
    head = _Head(
        format=FORMAT,
        settings=state.settings,
        history=_HistoryHead(
            step=history.step,
            start=history.start,
            length=history.length,
            users=tuple(user for user, _ in history.pairs),
            applications=tuple(application for _, application in history.pairs),
            utilisation=names,
            quality=history.quality,
        ),
        fitted=state.fitted,
        fresh=tuple(NodeSummary(**_shared(one)) for one in fresh),
        workload=state.workload,
        declared=state.declared,
        net_said=state.net.said,
        net_until=state.net.until,
        tail=state.tail,
        origin=state.origin,
    )
    cells: dict[str, NDArray[Any]] = {
        "offsets": history.offsets,
        "position": history.position.astype(np.int32),
        "requests": history.requests,
        "censored": history.censored,
        "zero_absent": history.zero_absent,
        "unrecorded": history.unrecorded,
    }
    cells |= {f"utilisation-{k}": history.utilisation[name] for k, name in enumerate(names)}
    numbers: dict[str, NDArray[Any]] = {f"quantiles-{k}": one.quantiles for k, one in enumerate(fresh)}
    numbers |= {f"errors-{k}": one.errors for k, one in enumerate(fresh)}
    text = json.dumps(to_plain(head), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    files = {STATE: text.encode(), HISTORY: _archive(cells), FRESH: _archive(numbers)}
    return files if state.net.net is None else files | {NET: dump(state.net.net)}


def from_files(files: Mapping[str, bytes]) -> PlbmState:
    """The state in `files`; raises `ModelStoreError` for another version or files that are cut short."""
    for name in (STATE, HISTORY, FRESH):
        if name not in files:
            raise ModelStoreError(f"the kept model has no {name}; {REMEDY}.")
    try:
        document = json.loads(files[STATE])
    except ValueError:
        raise ModelStoreError(f"the kept model's {STATE} is cut short or damaged; {REMEDY}.") from None
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise ModelStoreError(f"the kept model has format {found}, but this version reads format {FORMAT}; {REMEDY}.")
    try:
        head: _Head = from_plain(_Head, document)
        cells, numbers = _arrays(files[HISTORY]), _arrays(files[FRESH])
        if (head.net_until is not None) != (NET in files):
            raise ValueError(f"{NET} is missing or unexpected")
        net = parse(files[NET], source=NET) if NET in files else None
        return _state(head, cells, numbers, Net(net=net, said=head.net_said, until=head.net_until))
    except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as problem:
        raise ModelStoreError(f"the kept model is cut short or damaged ({problem}); {REMEDY}.") from None


def _state(head: _Head, cells: Mapping[str, NDArray[Any]], numbers: Mapping[str, NDArray[Any]], net: Net) -> PlbmState:
    top = head.history
    history = History(
        step=top.step,
        start=top.start,
        length=top.length,
        pairs=tuple(zip(top.users, top.applications, strict=True)),
        offsets=cells["offsets"].astype(np.int64),
        position=cells["position"].astype(np.int64),
        requests=cells["requests"],
        censored=cells["censored"],
        zero_absent=cells["zero_absent"],
        unrecorded=cells["unrecorded"],
        utilisation={name: cells[f"utilisation-{k}"] for k, name in enumerate(top.utilisation)},
        quality=top.quality,
    )
    if len(history.offsets) != len(history.pairs) + 1 or len(history.position) != len(history.requests):
        raise ValueError("the parts of its history differ in length")
    fresh = {
        one.name: NodeForecast(**_shared(one), quantiles=numbers[f"quantiles-{k}"], errors=numbers[f"errors-{k}"])
        for k, one in enumerate(head.fresh)
    }
    return PlbmState(
        settings=head.settings,
        history=history,
        fitted=head.fitted,
        fresh=fresh,
        workload=head.workload,
        declared=head.declared,
        net=net,
        tail=head.tail,
        origin=head.origin,
    )


def _shared(one: NodeSummary) -> dict[str, Any]:
    """What a forecast and its summary have in common."""
    return {field.name: getattr(one, field.name) for field in fields(NodeSummary)}


def _archive(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _arrays(content: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
