"""The backtest files of DESIGN.md as frames: A (ready counts) and F (quantiles). Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from reconciler.backtest.replay import FleetReplay

STAMP = "%Y-%m-%dT%H:%M:%SZ"


def allocation_rows(walked: FleetReplay, start: datetime, step: timedelta) -> pd.DataFrame:
    """timestamp, tier, instance_type, count: what is ready in the step that starts at the timestamp."""
    rows = [
        ((start + k * step).strftime(STAMP), o.tier.value, o.instance_type, one.ready[o.name])
        for k, one in enumerate(walked.steps)
        for o in walked.options
    ]
    return pd.DataFrame(rows, columns=["timestamp", "tier", "instance_type", "count"])


def forecast_rows(walked: FleetReplay, until: datetime, window: int) -> pd.DataFrame:
    """timestamp, application_id, cutoff, quantile, value: the steps that each plan was for, before `until`.

    A plan made in step k knows the steps to k − 1 and is for k + 1 on: horizons 2 to 1 + `window`, and the horizon's last.
    """
    parts = []
    for seen in walked.outlooks:
        made = seen.forecast
        for h in sorted({*range(2, min(1 + window, made.horizon) + 1), made.horizon}):
            at = made.cutoff + h * made.step
            if at >= until:
                continue
            count, levels = len(made.applications), len(made.levels)
            parts.append(
                pd.DataFrame(
                    {
                        "timestamp": at.strftime(STAMP),
                        "application_id": np.repeat(np.asarray(made.applications, dtype=object), levels),
                        "cutoff": made.cutoff.strftime(STAMP),
                        "quantile": np.tile(np.asarray(made.levels), count),
                        "value": made.quantiles[:, h - 1].ravel(),
                    }
                )
            )
    columns = ["timestamp", "application_id", "cutoff", "quantile", "value"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
