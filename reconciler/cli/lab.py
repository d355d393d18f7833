"""`tiercast lab …`: the embedded lab of this checkout. The work is done by the package `lab`."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Literal

import click

from lab import env, paths, up
from lab.model import Lab
from lab.progress import silent, to_stderr

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def _directory() -> Path:
    return paths.lab_directory(paths.repository_root())


@click.group()
def lab() -> None:
    """Run the embedded lab: engine, cloud and hypervisors on this machine."""


@lab.command("up")
@click.option(
    "--base-port", type=int, help="First of 100 ports to use on 127.0.0.1. [default: derived from the checkout]"
)
@click.option(
    "--domain-type",
    type=click.Choice(["auto", "kvm", "qemu"]),
    default="auto",
    show_default=True,
    help="Hypervisor type of the VMs. auto starts a test guest with KVM and falls back to qemu.",
)
@as_json
def up_command(base_port: int | None, domain_type: Literal["auto", "kvm", "qemu"], as_json: bool) -> None:
    """Start the parts of the lab that do not run yet, and report each."""
    chosen = None if domain_type == "auto" else domain_type
    made = up.up(base_port=base_port, domain_type=chosen, say=silent if as_json else to_stderr)
    if as_json:
        click.echo(json.dumps(up.as_json(made), indent=2, default=str))
    else:
        _describe(made)
        click.echo('\nUse it with: eval "$(.venv/bin/tiercast lab env)"')


@lab.command("status")
@as_json
def status_command(as_json: bool) -> None:
    """Show which parts run.

    Exit code: 0 everything answers, 1 something does not.
    """
    found = up.status(_directory())
    if as_json:
        body = {"made": found.made, "up": found.up, "parts": found.parts, "machines": found.machines}
        click.echo(json.dumps(body, indent=2))
    elif not found.made:
        click.echo("There is no lab. `tiercast lab up` starts one.")
    else:
        for part, answers in found.parts.items():
            click.echo(f"{part:<8} {'answers' if answers else 'does not answer'}")
        for host, machines in found.machines.items():
            for name, runs in sorted(machines.items()):
                click.echo(f"{host:<8} {name} {'runs' if runs else 'is stopped'}")
    raise SystemExit(0 if found.up else 1)


@lab.command("down")
@as_json
def down_command(as_json: bool) -> None:
    """Stop every process and VM of the lab and delete its state."""
    ended = up.down(_directory())
    if as_json:
        click.echo(json.dumps({"ended": ended}, indent=2))
    else:
        click.echo(f"Stopped {len(ended)} process(es)" + (f": {', '.join(ended)}." if ended else "."))


@lab.command("env")
@as_json
def env_command(as_json: bool) -> None:
    """Print shell exports that point the plain `pulumi` CLI at the lab."""
    variables = env.environment(up.existing())
    click.echo(json.dumps(variables, indent=2, sort_keys=True) if as_json else env.shell_exports(variables), nl=as_json)


@lab.command("demo")
@click.option(
    "--history", type=click.Path(exists=True, path_type=Path), help="History to use instead of the built-in one."
)
def demo_command(history: Path | None) -> None:
    """Run the whole pipeline end to end on the lab."""
    demo = importlib.import_module("lab.demo")
    made = up.up(say=to_stderr)
    raise SystemExit(demo.run(made, history=history, say=click.echo))


def _describe(made: Lab) -> None:
    click.echo(f"cloud    {made.cloud_endpoint}")
    for hypervisor in made.hypervisors:
        click.echo(f"{hypervisor.name:<8} {hypervisor.uri} ({hypervisor.domain_type})")
