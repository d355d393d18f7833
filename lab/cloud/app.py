"""The server's WSGI application: the lab's own calls under `/lab/`, everything else to moto with our classes in place.

GET    /lab/state       groups, pools, reservations, faults, calls so far
POST   /lab/faults      see `world.Faults`; DELETE takes all faults back
POST   /lab/clock       {"advance_seconds": 60} moves lab time on
POST   /lab/interrupt   {"group": "name", "count": 1} reclaims spot instances, as AWS does
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import moto.autoscaling.models
import moto.autoscaling.urls
import moto.ec2.urls
from moto.autoscaling.models import autoscaling_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from werkzeug.wrappers import Request, Response

from lab.cloud.group import LabGroup
from lab.cloud.reservations import RESERVATIONS, LabEC2
from lab.cloud.scaling import LabAutoScaling
from lab.cloud.world import WORLD, Faults

#: Version of EC2's API, by which a request is told from those of the other services.
EC2_VERSION = "2016-11-15"

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Clock(BaseModel):
    """The body of `POST /lab/clock`."""

    model_config = ConfigDict(extra="forbid")
    advance_seconds: float = Field(ge=0)


class Interrupt(BaseModel):
    """The body of `POST /lab/interrupt`."""

    model_config = ConfigDict(extra="forbid")
    group: str
    count: int = Field(1, ge=1)


def application() -> Application:
    """The lab's AWS. Calls are answered one at a time: moto keeps its state in plain dictionaries."""
    moto.autoscaling.models.FakeAutoScalingGroup = LabGroup
    moto.autoscaling.urls.url_paths = {"{0}/$": LabAutoScaling.dispatch}
    moto.ec2.urls.url_paths = {"{0}/": LabEC2.dispatch}
    cloud: Application = DomainDispatcherApplication(create_backend_app)

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        with WORLD.lock:
            if environ["PATH_INFO"].startswith("/lab/"):
                response = control(Request(environ))
                return response(environ, start_response)
            if WORLD.fails():
                return failure(Request(environ))(environ, start_response)
            return list(cloud(environ, start_response))

    return answer


def failure(request: Request) -> Response:
    """HTTP 500 as AWS answers it: EC2 has a form of its own."""
    error = "<Error><Code>InternalFailure</Code><Message>The request failed for an unknown reason.</Message></Error>"
    whole = f"<ErrorResponse>{error}<RequestId>lab</RequestId></ErrorResponse>"
    if request.form.get("Version") == EC2_VERSION:
        whole = f"<Response><Errors>{error}</Errors><RequestID>lab</RequestID></Response>"
    return Response(whole, status=500, mimetype="application/xml")


def control(request: Request) -> Response:
    """Answer one of the lab's own calls."""
    try:
        match request.method, request.path:
            case "GET", "/lab/state":
                return _json(state())
            case "POST", "/lab/faults":
                WORLD.change(Faults.model_validate_json(request.get_data()))
            case "DELETE", "/lab/faults":
                WORLD.faults = Faults()
            case "POST", "/lab/clock":
                WORLD.offset += Clock.model_validate_json(request.get_data()).advance_seconds
            case "POST", "/lab/interrupt":
                wanted = Interrupt.model_validate_json(request.get_data())
                return _json({"interrupted": interrupt(wanted.group, wanted.count)})
            case _:
                return _json({"error": f"There is no {request.method} {request.path}."}, status=404)
    except ValidationError as error:
        faults = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
        return _json({"error": "; ".join(faults)}, status=400)
    return _json({"now": WORLD.now().isoformat(), "faults": WORLD.faults.model_dump()})


def state() -> dict[str, Any]:
    """The account as tests look at it."""
    found = groups()
    for group in found:
        group.settle()
    return {
        "now": WORLD.now().isoformat(),
        "groups": {group.name: _group(group) for group in found},
        "reservations": [asdict(r) for held in RESERVATIONS.values() for r in held.values()],
        "faults": WORLD.faults.model_dump(),
        "calls": WORLD.calls,
    }


def groups() -> list[LabGroup]:
    """All groups of all accounts and regions."""
    return [
        group
        for regions in autoscaling_backends.values()
        for backend in regions.values()
        for group in backend.autoscaling_groups.values()
    ]


def interrupt(name: str, count: int) -> list[str]:
    """Reclaim up to `count` spot instances of a group, oldest first; the group then replaces them if it can."""
    ended = []
    for group in [group for group in groups() if group.name == name]:
        spot = [s for s in group.active_instances() if group.is_spot(s)]
        doomed = sorted(spot, key=lambda s: s.instance.launch_time)[:count]
        group.instance_states = [s for s in group.instance_states if s not in doomed]
        ended += [s.instance_id for s in doomed]
        if doomed:
            group.ec2_backend.terminate_instances([s.instance_id for s in doomed])
        group.settle()
    return ended


def _group(group: LabGroup) -> dict[str, Any]:
    return {
        "min": group.min_size,
        "desired": group.desired_capacity,
        "max": group.max_size,
        "instances": [_instance(group, state) for state in group.instance_states],
        "pool": [_instance(group, state) for state in group.pool],
    }


def _instance(group: LabGroup, state: Any) -> dict[str, Any]:
    return {
        "id": state.instance_id,
        "type": state.instance_type,
        "zone": state.availability_zone,
        "spot": group.is_spot(state),
        "state": state.lifecycle_state,
        "launched_at": state.instance.launch_time.isoformat(),
    }


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body, default=str), status=status, mimetype="application/json")
