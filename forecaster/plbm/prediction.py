"""The results of PLBM: a prediction for a user and application, and recommended instances with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from forecaster.demand import LEVELS, DemandForecast, RequestCost
from forecaster.history.history import Floats
from forecaster.series.prior import Prior


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a prediction is for: a user on an application in the step of length `step` that starts at `timestamp` (UTC).

    `cost` is what a request costs; None where nothing was declared or learned.
    """

    user_id: str
    application_id: str
    timestamp: datetime
    step: timedelta
    cost: RequestCost | None


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Demand of one user on one application in one step.

    Attributes:
        user_id, application_id: whose.
        timestamp: start of the step (UTC); `step` its length.
        requests: (levels,) quantiles of offered requests in the step, at `demand.LEVELS`.
        cost: what a request costs; None where nothing was declared or learned, and then the resources are None too.
        model, reason, calibrated: which model, why, and whether its intervals held lately.
    """

    user_id: str
    application_id: str
    timestamp: datetime
    step: timedelta
    requests: Floats
    cost: RequestCost | None
    model: str
    reason: str
    calibrated: bool

    @classmethod
    def of_quantiles(cls, asked: Asked, requests: Floats, model: str, reason: str, calibrated: bool) -> Prediction:
        """A prediction from a forecast's quantiles."""
        return cls(
            user_id=asked.user_id,
            application_id=asked.application_id,
            timestamp=asked.timestamp,
            step=asked.step,
            cost=asked.cost,
            requests=requests,
            model=model,
            reason=reason,
            calibrated=calibrated,
        )

    @classmethod
    def of_prior(cls, asked: Asked, prior: Prior, why: str) -> Prediction:
        """A prediction where nothing but a prior is known."""
        named = f"the prior of {prior.source}" if prior.source.startswith("group") else f"the {prior.source} prior"
        reason = f"{why}: {named} is used, with wide intervals"
        return cls.of_quantiles(asked, prior.quantiles, "prior", reason, False)

    @property
    def vcpu(self) -> Floats | None:
        """(levels,) vCPUs that are busy on average in the step."""
        return None if self.cost is None else self.requests * self.cost.vcpu_seconds / self.step.total_seconds()

    @property
    def memory_mib(self) -> Floats | None:
        """(levels,) MiB resident on average: rate × time in service × MiB of a request (Little's law)."""
        busy = self.vcpu
        return None if self.cost is None or busy is None else busy * self.cost.memory_mib

    @property
    def network_bytes(self) -> Floats | None:
        """(levels,) bytes over the network in the step."""
        return None if self.cost is None else self.requests * self.cost.network_bytes

    def at(self, level: float) -> float:
        """Requests at a quantile level between the grid's ends, linear in between."""
        return float(np.interp(level, LEVELS, self.requests))

    def as_json(self) -> dict[str, Any]:
        """The prediction as JSON-ready values."""
        named = {"requests": self.requests, "vcpu": self.vcpu, "memory_mib": self.memory_mib}
        named["network_bytes"] = self.network_bytes
        return {
            "user_id": self.user_id,
            "application_id": self.application_id,
            "timestamp": self.timestamp.isoformat(),
            "step_seconds": self.step.total_seconds(),
            "levels": list(LEVELS),
            **{name: None if v is None else [round(float(x), 6) for x in v] for name, v in named.items()},
            "cost_source": None if self.cost is None else self.cost.source,
            "model": self.model,
            "reason": self.reason,
            "calibrated": self.calibrated,
        }


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """`count` instances of a type in a tier; `low` and `high` if demand came in at its 5 % or 95 % quantile."""

    tier: str
    instance_type: str
    count: int
    low: int
    high: int


def recommendations(
    forecast: DemandForecast, size: Callable[[DemandForecast], Mapping[tuple[str, str], int]]
) -> tuple[Recommendation, ...]:
    """Counts by tier and type that `size` decides, each with the interval of the same decision at 5 % and 95 %."""
    middle, low, high = size(forecast), size(at_quantile(forecast, 0.05)), size(at_quantile(forecast, 0.95))
    keys = sorted({*middle, *low, *high})
    out = []
    for key in keys:
        counts = [side.get(key, 0) for side in (low, middle, high)]
        out.append(
            Recommendation(tier=key[0], instance_type=key[1], count=counts[1], low=min(counts), high=max(counts))
        )
    return tuple(out)


def at_quantile(forecast: DemandForecast, level: float) -> DemandForecast:
    """The forecast of someone who knows that demand will be at its `level` quantile in every step."""
    column = forecast.quantiles[:, :, [forecast.levels.index(level)]]
    quantiles = np.repeat(column, len(forecast.levels), axis=2)
    return replace(forecast, quantiles=quantiles, paths=np.moveaxis(column, 2, 0))
