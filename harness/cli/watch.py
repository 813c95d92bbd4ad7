"""testbed watch: a controller in the foreground, that says what it sees and does."""

from __future__ import annotations

import getpass
import os
import socket

import typer
from rich.console import Console
from rich.text import Text

from harness import clock
from harness.cli import inside, reach
from harness.cli.printable import printable
from harness.cli.signals import stop_at_first_signal
from harness.errors import INTERRUPTED, DeadlineExceeded, TestbedError, UsageError
from harness.events import Event, EventLog
from harness.hosts.lab.lab import Lab
from harness.testbed import folders, record
from harness.watch.watcher import Watcher

HOLDER = "TESTBED_WATCHER"  # who we are outside: inside a lab a process has another number

GONE_SECONDS = 5.0  # the kernel ends what is inside a lab before the lab itself

STATES = {
    "running": "runs on {host}",
    "busy": "is on its way, or being saved, on {host}",
    "paused": "is suspended on {host}",
    "silent": "runs on {host}, but its agent does not answer",
    "gone": "runs on no host",
    "unknown": "cannot be looked at now",
}
STEPS = {
    "note": "look after {0} from here on",
    "renew": "end the streams of {0}",
    "introduce": "introduce {0}-{1}",
    "share": "share memory: {0}-{1}",
    "part": "stop sharing: {0}-{1}",
    "forget": "let {0} and {1} forget each other",
    "forsake": "take {1}'s memory out of {0}",
    "tidy": "remove files of {0}-{1}",
}
SENTENCES = {
    "host.reached": "{host}: connected",
    "host.lost": "{host}: does not answer {error}",
    "path": "{grant} is on {path}",
    "watch.settled": "all is well",
    "watch.held": "{holder} watches {testbed}; waiting for its end",
    "watch.taken": "taken over from {holder}",
    "watch.ended": "{testbed} was taken down",
    "watch.stopped": "{testbed} is not watched any more; it runs on",
    "watch.trouble": "this look failed: {error}",
    "degraded": "{grant} stays on TCP: {error}",
    "cleanup.failed": "something is left behind: {error}",
}


def watch(name: str, as_json: bool, wait: bool) -> None:
    """Watch until Ctrl-C, or until the testbed is taken down."""
    os.environ.setdefault(HOLDER, f"{getpass.getuser()}@{socket.gethostname()}, pid {os.getpid()}")
    stop_at_first_signal()
    if inside.is_inside() or reach.on_machines(name):
        _watch_here(name, as_json, wait)
    else:
        options = [*(["--json"] if as_json else []), *([] if wait else ["--no-wait"])]
        _watch_from_outside(name, ["watch", name, *options])


def _watch_from_outside(name: str, arguments: list[str]) -> None:
    """A lab that is taken down takes whoever is in it along: that is told out here."""
    lab = inside.running_lab(name)
    try:
        code = inside.run_inside(lab, arguments, bound=True)
    except TestbedError as error:
        _expect_gone(name, error)
        Console(stderr=True).print(f"{name} was taken down: there is nothing to watch any more")
        return
    if code != INTERRUPTED:
        raise typer.Exit(code)


def _expect_gone(name: str, error: TestbedError) -> None:
    """Raises that error when the lab lives on: then something else ended what ran inside."""
    try:
        clock.wait_until(
            lambda: Lab.load(folders.lab_folder(name)) is None, within=GONE_SECONDS, what="its end"
        )
    except DeadlineExceeded:
        raise error from None


def _watch_here(name: str, as_json: bool, wait: bool) -> None:
    found = record.read(name)
    if found is None:
        raise TestbedError(f"the record of {name} cannot be read", fix="testbed gc")
    if found.state != "up":
        raise UsageError(f"{name} is not up yet", fix="wait for testbed up, or testbed down")
    events = EventLog(wanted=_wanted, keep=False)
    events.subscribe(_print_json if as_json else _print_plain)
    try:
        Watcher(found, reach.hosts_of(name), events, os.environ[HOLDER]).run(wait=wait)
    except KeyboardInterrupt:
        events.emit("watch.stopped", testbed=name)


def _wanted(name: str, _fields: dict[str, object]) -> bool:
    """Not what agents say of single streams."""
    return name != "agent"


def _print_json(event: Event) -> None:
    print(event.as_json(), flush=True)


def _print_plain(event: Event) -> None:
    sentence = sentence_of(event)
    if sentence:
        clock_time = event.utc[11:19]
        Console().print(Text(f"{clock_time} {printable(sentence)}"), soft_wrap=True)


def sentence_of(event: Event) -> str:
    """What it says to a person; empty for what is part of something else."""
    fields = {key: "" if value is None else value for key, value in event.fields.items()}
    if event.name == "libvirt":
        why = f", {fields['why']}" if fields["why"] else ""
        return f"{fields['host']}: {fields['guest']} {fields['what']}{why}"
    if event.name == "guest":
        return f"{fields['guest']} {STATES[str(fields['state'])].format_map(fields)}"
    if event.name == "path" and fields["path"] == "none":
        return f"{fields['grant']} has no link any more"
    if event.name.startswith("act."):
        return _act(event.name.removeprefix("act."), fields)
    if event.name in SENTENCES:
        return SENTENCES[event.name].format_map({"error": "", **fields}).strip()
    return ""


def _act(edge: str, fields: dict[str, object]) -> str:
    step = STEPS[str(fields["verb"])].format(*list(fields["guests"]))  # type: ignore[call-overload]
    if edge == "begin":
        return f"→ {step}: {fields['why']}"
    took = f"{float(str(fields['seconds'])):.2f} s"
    return f"✓ {step}, {took}" if edge == "end" else f"✗ {step}, {took}: {fields['error']}"
