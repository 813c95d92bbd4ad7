"""testbed ls, inspect, streams, grants: looking, changing nothing."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from harness.cli import inside, show
from harness.cli.main import app
from harness.hosts.lab.lab import Lab
from harness.testbed import inspect as inspection
from harness.testbed import record

Testbed = Annotated[str, typer.Option("--testbed", "-t", help="Testbed.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def ls(as_json: Json = False) -> None:
    """Every testbed here, and where its guests are."""
    if not inside.is_inside():
        names = [name for name in record.names() if Lab.load(record.lab_folder(name))]
        dead = sorted(set(record.names()) - set(names))
        for name in dead:
            Console(stderr=True).print(f"{name}: not running; testbed gc sweeps it")
        if not names:
            Console().print("[]" if as_json else "no testbed runs; testbed up starts one")
            return
        for name in names[:-1]:
            inside.run_inside(inside.running_lab(name), _ls_arguments(name, as_json))
        inside.run_inside(inside.running_lab(names[-1]), _ls_arguments(names[-1], as_json))


def _ls_arguments(name: str, as_json: bool) -> list[str]:
    return ["inspect", name, *(["--json"] if as_json else [])]


@app.command()
def inspect(
    name: Annotated[str, typer.Argument(help="Testbed.")] = "lab", as_json: Json = False
) -> None:
    """Hosts, guests, grants, links and streams of a testbed."""
    with inside.connected(name) as testbed:
        found = inspection.inspect(testbed)
    if as_json:
        _print_json(found)
        return
    made = show.table(f"{name} ({found['accelerator']})", "guest", "host", "state", "address")
    for guest in found["guests"]:
        made.add_row(guest["name"], guest["host"], guest["state"], guest["address"])
    Console().print(made)


@app.command()
def streams(testbed: Testbed = "lab", as_json: Json = False) -> None:
    """Every open stream: its path, its bytes, its longest stall."""
    with inside.connected(testbed) as running:
        rows = inspection.streams(running)
    if as_json:
        _print_json(rows)
        return
    made = show.table(
        "Streams",
        *("guest", "peer", "name", "role", "path", ">sent", ">received", ">longest stall"),
    )
    for row in rows:
        stall = f"{row.get('longest_stall_ms', 0):.0f} ms"
        made.add_row(
            *(row["guest"], row["peer"], row["name"], row["role"], row["path"]),
            *(show.amount(row["sent"]), show.amount(row["received"]), stall),
        )
    Console().print(made)


@app.command()
def grants(testbed: Testbed = "lab", as_json: Json = False) -> None:
    """Who shares memory with whom, where, and which path each link takes."""
    with inside.connected(testbed) as running:
        rows = inspection.grants(running)
    if as_json:
        _print_json(rows)
        return
    made = show.table("Grants", "between", "path", ">size", "region", "host", ">generation")
    for row in rows:
        made.add_row(
            *("-".join(row["between"]), row["path"], show.amount(row["size"])),
            *(row["region"] or "none: apart, on TCP", row["host"] or ""),
            str(row["generation"]),
        )
    Console().print(made)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))
