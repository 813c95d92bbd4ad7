"""testbed inspect, streams, grants: looking, changing nothing."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from harness.cli import reach, show
from harness.testbed import inspect as inspection


def inspect(name: str, as_json: bool, patience: float) -> None:
    """Hosts, guests, grants, links and streams of a testbed."""
    found = reach.answered(name, patience, inspection.inspect)
    if as_json:
        _print_json(found)
        return
    made = show.table(f"{name} ({found['accelerator']})", "guest", "host", "state", "address")
    for guest in found["guests"]:
        show.add(made, guest["name"], guest["host"], guest["state"], guest["address"])
    Console().print(made)
    for part in (show.grants(found["grants"]), show.open_streams(found["streams"])):
        if part.row_count:
            Console().print("", part)


def streams(testbed: str, as_json: bool, patience: float) -> None:
    """Every open stream: its path, its bytes, its longest stall."""
    rows = reach.answered(testbed, patience, inspection.streams)
    _print_json(rows) if as_json else Console().print(show.open_streams(rows))


def grants(testbed: str, as_json: bool, patience: float) -> None:
    """Who shares memory with whom, where, and which path each link takes."""
    rows = reach.answered(testbed, patience, inspection.grants)
    _print_json(rows) if as_json else Console().print(show.grants(rows))


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))
