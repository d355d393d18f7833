"""Forecasts as tables, JSON and the fixed CSV of backtests (timestamp, application_id, cutoff, quantile, value)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from rich.table import Table

from forecaster.demand import DemandForecast
from forecaster.plbm import PLBM
from forecaster.plbm.prediction import Prediction
from reconciler.report.text import shown

#: Most rows in a terminal table; JSON and CSV have all rows.
SHOWN = 20


def iso(moment: datetime) -> str:
    """A UTC time in whole seconds, in the format of all files."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def forecast_table(forecast: DemandForecast, level: str) -> Table:
    """A table of the largest rows: the next step and the peak step of the horizon, in requests, with 90 % intervals."""
    low, middle, high = (forecast.levels.index(q) for q in (0.05, 0.5, 0.95))
    q = forecast.quantiles
    order = np.argsort(-q[:, :, middle].sum(axis=1), kind="stable")
    hours = forecast.horizon * forecast.step.total_seconds() / 3600
    title = f"requests per {forecast.step.total_seconds():g} s by {level}, from {iso(forecast.cutoff + forecast.step)}"
    table = Table(title=title, title_justify="left")
    for name, justify in ((level, "left"), ("next step", "right"), (f"peak in {hours:g} h", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left")
    table.add_column("model")
    for k in order[:SHOWN]:
        peak = int(np.argmax(q[k, :, middle]))
        cells = [f"{q[k, h, middle]:,.1f} [{q[k, h, low]:,.1f}, {q[k, h, high]:,.1f}]" for h in (0, peak)]
        ready = "" if not forecast.calibrated or forecast.calibrated[k] else " (not calibrated)"
        table.add_row(shown(forecast.applications[k]), *cells, forecast.models[k] + ready)
    if len(order) > SHOWN:
        table.caption = f"{len(order) - SHOWN} more rows: use --json or --out"
    return table


def forecast_json(forecast: DemandForecast, level: str) -> dict[str, Any]:
    """The whole forecast as JSON-ready values."""
    ready = forecast.calibrated or (True,) * len(forecast.applications)
    return {
        "level": level,
        "cutoff": iso(forecast.cutoff),
        "step_seconds": forecast.step.total_seconds(),
        "digest": forecast.digest(),
        "levels": list(forecast.levels),
        "timestamps": [iso(forecast.cutoff + (h + 1) * forecast.step) for h in range(forecast.horizon)],
        "rows": [
            {
                "name": name,
                "model": forecast.models[k],
                "reason": forecast.reasons[k],
                "calibrated": ready[k],
                "quantiles": np.round(forecast.quantiles[k], 6).tolist(),
            }
            for k, name in enumerate(forecast.applications)
        ],
    }


def forecast_rows(forecast: DemandForecast) -> Iterator[str]:
    """Lines of the backtest's forecast file, header first."""
    yield "timestamp,application_id,cutoff,quantile,value"
    cutoff = iso(forecast.cutoff)
    for k, name in enumerate(forecast.applications):
        for h in range(forecast.horizon):
            moment = iso(forecast.cutoff + (h + 1) * forecast.step)
            for level, value in zip(forecast.levels, forecast.quantiles[k, h], strict=True):
                yield f"{moment},{field(name)},{cutoff},{level:g},{value:.6g}"


def pair_rows(plbm: PLBM) -> Iterator[str]:
    """CSV lines for every pair of user and application. Only one node's pairs are in memory at a time."""
    joint, history = plbm.joint_forecast(), plbm.state.history
    yield "timestamp,user_id,application_id,cutoff,quantile,value"
    levels = plbm.forecast(level="total").levels
    cutoff = iso(history.cutoff)
    for node in range(len(joint.structure.nodes)):
        pairs, quantiles = joint.pair_quantiles(node)
        for place, rows in zip(pairs, quantiles, strict=True):
            user, application = history.pairs[int(place)]
            name = f"{field(user)},{field(application)}"
            for h, row in enumerate(rows):
                moment = iso(history.end + h * history.step)
                yield from (f"{moment},{name},{cutoff},{q:g},{v:.6g}" for q, v in zip(levels, row, strict=True))


def field(text: str) -> str:
    """A CSV field, quoted if necessary."""
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\n\r') else text


def prediction_text(one: Prediction) -> str:
    """A prediction for the terminal."""
    lines = [f"{one.user_id} on {one.application_id}, step from {iso(one.timestamp)}"]
    named: Sequence[tuple[str, Any]] = (
        ("requests", one.requests),
        ("vCPU", one.vcpu),
        ("memory MiB", one.memory_mib),
        ("network bytes", one.network_bytes),
    )
    for name, values in named:
        if values is None:
            lines.append(f"  {name:14} unknown: no cost is declared or learned")
        else:
            low, middle, high = values[1], values[10], values[19]
            lines.append(f"  {name:14} {middle:,.4g}  90 % within [{low:,.4g}, {high:,.4g}]")
    source = "" if one.cost is None else f"; cost from {one.cost.source}"
    return "\n".join([*lines, f"  by {one.model}: {one.reason}{source}"])
