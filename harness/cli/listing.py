"""testbed ls: every testbed here. One that somebody works on is named, and left in peace."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from harness.cli import inside, reach, show
from harness.errors import TestbedError, UsageError
from harness.hosts.lab.lab import Lab
from harness.model import duration
from harness.testbed import folders, record
from harness.testbed import inspect as inspection
from harness.testbed.lock import exclusive
from harness.testbed.record import TestbedRecord

GLANCE_SECONDS = 2.0  # another look takes no longer


def ls(as_json: bool) -> None:
    """One row or one JSON object for each testbed."""
    rows = [_row(name) for name in folders.names()]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        _print_table(rows)
    else:
        Console().print("no testbed runs; testbed up starts one")


def _row(name: str) -> dict[str, Any]:
    """What `testbed inspect` says of it, and its state."""
    found = record.read(name)
    if found is None:
        return {"name": name, "state": "unknown", "note": "its record cannot be read"}
    try:
        answer = _ask_machines(found) if found.machines else _ask_lab(name)
    except UsageError:
        return {"name": name, "state": "in use", "note": "another command is working on it"}
    except TestbedError as error:
        return {"name": name, "state": "broken", "note": str(error)}
    return {"name": name, "state": found.state, **answer}


def _ask_lab(name: str) -> dict[str, Any]:
    with exclusive(name, patience=GLANCE_SECONDS):
        lab = Lab.load(folders.lab_folder(name))
    if lab is None:
        return {"state": "gone", "note": "testbed gc sweeps it"}
    asked = ["inspect", name, "--json", "--patience", str(GLANCE_SECONDS)]
    answer: dict[str, Any] = json.loads(inside.ask_inside(lab, asked))
    return {"seconds_left": lab.seconds_left, **answer}


def _ask_machines(found: TestbedRecord) -> dict[str, Any]:
    if found.state != "up":
        return {"note": "not up yet; or testbed gc sweeps it, when nobody works on it"}
    return reach.answered(found.name, GLANCE_SECONDS, inspection.inspect)


def _print_table(rows: list[dict[str, Any]]) -> None:
    made = show.table("Testbeds", "testbed", "state", "accelerator", "guests")
    for row in rows:
        guests = ", ".join(f"{g['name']} on {g['host'] or '?'}" for g in row.get("guests", ()))
        note = row.get("note", guests or "none")
        show.add(made, row["name"], _state(row), row.get("accelerator", ""), note)
    Console().print(made)


def _state(row: dict[str, Any]) -> str:
    """The state, and how long it lasts if the testbed ends itself."""
    left = row.get("seconds_left")
    return str(row["state"]) if left is None else f"{row['state']}, {duration.short(left)} left"
