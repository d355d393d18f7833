"""What the lab's AWS is told to suffer: a clock, boot delays, scarce capacity, throttling. One per server process.

By default nothing is scarce and nothing takes time. Tests and demonstrations change it over `POST /lab/faults` and
`POST /lab/clock`; nobody else reads the machine's clock here.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class Throttle(BaseModel):
    """Refuse the next `count` calls with "Rate exceeded"; only those of `actions`, where given."""

    model_config = ConfigDict(extra="forbid")
    count: Count
    actions: tuple[str, ...] = ()


class Faults(BaseModel):
    """The body of `POST /lab/faults`. What is left out stays as it is; `DELETE /lab/faults` takes all of it back."""

    model_config = ConfigDict(extra="forbid")
    throttle: Throttle | None = None
    failing: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="Share of calls that are answered with HTTP 500, evenly spread."
    )
    capacity: dict[str, Count] | None = Field(
        None, description="Instances of a type that can still be had, '*' for every other type; absent: no limit."
    )
    spot_capacity: dict[str, Count] | None = Field(
        None, description="The same for spot instances alone, in addition to `capacity`."
    )
    boot_seconds: dict[str, Seconds] | None = Field(
        None, description="Time from launch to InService by instance type, '*' for every other type."
    )
    pool_start_seconds: Seconds | None = Field(None, description="Time to start a stopped instance of a warm pool.")


@dataclass
class CloudWorld:
    """The state behind the faults; `activities` holds what each group tried, newest first."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    faults: Faults = field(default_factory=Faults)
    offset: float = 0.0
    activities: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    due: float = 0.0

    def now(self) -> datetime:
        """Lab time: the machine's clock plus what the clock was moved on by."""
        return datetime.fromtimestamp(time.time() + self.offset, tz=UTC)

    def change(self, faults: Faults) -> None:
        """Take over those faults that are given."""
        given = {name: getattr(faults, name) for name in faults.model_fields_set}
        self.faults = self.faults.model_copy(update=given)

    def boot(self, instance_type: str) -> timedelta:
        """How long an instance of this type is Pending."""
        delays = self.faults.boot_seconds or {}
        return timedelta(seconds=delays.get(instance_type, delays.get("*", 0.0)))

    def pool_start(self) -> timedelta:
        """How long an instance from a warm pool is Pending."""
        return timedelta(seconds=self.faults.pool_start_seconds or 0.0)

    def take_capacity(self, instance_type: str, *, spot: bool = False) -> bool:
        """Take one instance of this type out of what can still be had at its market; False where there is none."""
        limits = [self.faults.capacity, self.faults.spot_capacity if spot else None]
        taken = []
        for limit in filter(None, limits):
            key = instance_type if instance_type in limit else "*"
            if limit.get(key) == 0:
                return False
            if key in limit:
                taken.append((limit, key))
        for limit, key in taken:
            limit[key] -= 1
        return True

    def fails(self) -> bool:
        """True where this call is to be answered with HTTP 500."""
        self.due += self.faults.failing
        if self.due < 1:
            return False
        self.due -= 1
        return True

    def throttles(self, action: str) -> bool:
        """True where this call is to be refused; counts it."""
        self.calls[action] = self.calls.get(action, 0) + 1
        throttle = self.faults.throttle
        if throttle is None or throttle.count == 0 or (throttle.actions and action not in throttle.actions):
            return False
        throttle.count -= 1
        return True


WORLD = CloudWorld()
