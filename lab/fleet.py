"""The lab's fleet file: `lab/fleet.yaml` with the lab's addresses, images and ports filled in."""

from __future__ import annotations

import io
from importlib.resources import files
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from lab.model import Lab
from lab.values import stack_values
from reconciler.adapters.files import write_text


def fleet_path(lab: Lab) -> Path:
    """Where the lab's fleet file lies."""
    return lab.directory / "fleet.yaml"


def write_fleet(lab: Lab, *, history: Path | None = None, requests_per_event: float | None = None) -> Path:
    """Write the lab's fleet file and return its path; comments of the template stay.

    `history` replaces the built-in demand by a file or folder in the format that `docs/` describes;
    `requests_per_event` the declared number, to show what more demand would take.
    """
    yaml = YAML()
    yaml.width = 10_000
    fleet: Any = yaml.load(files("lab").joinpath("fleet.yaml").read_text(encoding="utf-8"))
    values = stack_values(lab)
    hot = values["hot"]
    fleet["tiers"]["hot"].update(
        {
            "hypervisors": hot["hypervisors"],
            "boot": hot["boot"],
            "domain_type": hot["domainType"],
            "machine": hot["machine"],
            "overlay": LiteralScalarString(hot["overlay"]),
        }
    )
    fleet["config"] = values["aws"]
    if history is not None:
        fleet["history"].update({"source": "files", "paths": [str(history.resolve())], "requests_per_event": 1})
        fleet["applications"].append({"match": "*", "qos": "bronze"})
    if requests_per_event is not None:
        fleet["history"]["requests_per_event"] = requests_per_event
    text = io.StringIO()
    yaml.dump(fleet, text)
    path = fleet_path(lab)
    write_text(path, text.getvalue())
    return path
