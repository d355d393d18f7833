"""The examples that run tiercast outside of CI: their units, jobs, rules and dashboard."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Where the units and the job expect the checkout.
CHECKOUT = "/srv/capacity"


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    """Section → key → values of a systemd unit."""

    class Repeated(dict[str, Any]):
        """Keeps the values of a key that stands several times."""

        def __setitem__(self, key: str, value: Any) -> None:
            if isinstance(value, list) and key in self:
                value = [*self[key], *value]
            super().__setitem__(key, value)

    parser = configparser.RawConfigParser(strict=False, dict_type=Repeated)
    parser.optionxform = lambda optionstr: optionstr  # type: ignore[method-assign]
    parser.read_string((EXAMPLES / "systemd" / name).read_text(encoding="utf-8"))
    return {section: {key: value.splitlines() for key, value in parser.items(section)} for section in parser.sections()}


def command_of(name: str) -> list[str]:
    """The words of a unit's ExecStart after the program."""
    (line,) = unit(name)["Service"]["ExecStart"]
    program, *words = shlex.split(line)
    assert program == f"{CHECKOUT}/.venv/bin/tiercast"
    return words


def cronjob() -> dict[str, Any]:
    """The Kubernetes CronJob."""
    found = next(yaml.safe_load_all((EXAMPLES / "kubernetes" / "cronjob.yaml").read_text(encoding="utf-8")))
    assert isinstance(found, dict)
    return found


def container() -> dict[str, Any]:
    """The container of the CronJob."""
    (found,) = cronjob()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def alerts() -> list[dict[str, Any]]:
    """The alert rules."""
    (group,) = yaml.safe_load((EXAMPLES / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


def dashboard() -> dict[str, Any]:
    """The Grafana dashboard."""
    found = json.loads((EXAMPLES / "grafana" / "tiercast.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def expressions() -> dict[str, str]:
    """Name → PromQL expression, of alert rules and panels."""
    found = {rule["alert"]: rule["expr"] for rule in alerts()}
    for panel in dashboard()["panels"]:
        found |= {f"{panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    return found


def metrics_in(expression: str) -> set[str]:
    """Names of our metrics in a PromQL expression."""
    return set(re.findall(r"\btiercast_\w+", expression))
