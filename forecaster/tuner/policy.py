"""The shipped policy of the tuner, which `benchmarks.tuner.run` learned and judged.

It ships with the package as JSON with its provenance and the table it was judged by, and says for which classes of
series the agent is on. What is learned in operation is kept with each series (`online.Choice`).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from forecaster.errors import ModelStoreError
from forecaster.tuner.agent import ClassMode, Tuner, Weights
from forecaster.tuner.settings import ACTIONS
from forecaster.tuner.state import FEATURES

#: Format of the policy; another one is refused.
FORMAT = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClassFile(_Strict):
    """One class of series: who decides, and the log loss against the default of each contender on unseen series."""

    mode: Literal["agent", "rule", "default"]
    rule: str
    series: int = Field(ge=0)
    log_loss: dict[str, float]


class PolicyFile(_Strict):
    """The policy as it is stored."""

    format: int
    provenance: dict[str, Any]
    features: list[str]
    actions: list[str]
    coefficients: list[list[float]]
    covariance: list[list[list[float]]]
    classes: dict[str, ClassFile]


def parse_policy(text: str, *, source: str = "the tuner's policy") -> Tuner:
    """A tuner without memory. Raises ModelStoreError for a damaged file or one of other actions or features."""
    try:
        read = PolicyFile.model_validate_json(text)
    except ValidationError as error:
        raise ModelStoreError(f"{source} can't be read ({_first(error)}); run benchmarks.tuner.run again") from error
    if read.format != FORMAT or read.features != list(FEATURES) or read.actions != [a.name for a in ACTIONS]:
        raise ModelStoreError(f"{source} is of another version of the tuner; run benchmarks.tuner.run again")
    weights = Weights(
        coefficients=np.asarray(read.coefficients, dtype=float), covariance=np.asarray(read.covariance, dtype=float)
    )
    if weights.covariance.shape != (len(ACTIONS), len(FEATURES), len(FEATURES)):
        raise ModelStoreError(f"{source} has a covariance of another shape; run benchmarks.tuner.run again")
    return Tuner(weights, {name: ClassMode(mode=c.mode, rule=c.rule) for name, c in read.classes.items()})


@cache
def shipped_tuner() -> Tuner:
    """The tuner of the package's policy, without memory. It is shared: learn on what `Tuner.remembering` returns."""
    return parse_policy(
        files("forecaster.tuner").joinpath("policy.json").read_text(encoding="utf-8"), source="policy.json"
    )


def _first(error: ValidationError) -> str:
    one = error.errors()[0]
    return f"{'.'.join(str(x) for x in one['loc']) or 'file'}: {one['msg']}"
