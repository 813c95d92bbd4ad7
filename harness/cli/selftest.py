"""testbed selftest: is this machine, its KVM and its QEMU good enough? With figures."""

from __future__ import annotations

import json
import mmap
import os
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness import clock
from harness.cli import demo, outside, show
from harness.demo import fitness
from harness.errors import SubjectFailed, UsageError
from harness.model.topology import lab_topology

SECONDS = 1.5  # on each path
REGION = 32 << 20
ROUNDS = 8


def selftest() -> int:
    """Run a short lab, show what it measured, and judge. Gives the exit code.

    Raises SubjectFailed when the machine is not good enough: here it is what is tested.
    """
    try:
        outside.check_machine(lab_topology())
    except UsageError as lack:
        raise SubjectFailed(lack.what, where=lack.where, why=lack.why, fix=lack.fix) from None
    mapping = mapping_rate()
    ended = demo.run_job("selftest", demo.Asked(seconds=SECONDS))
    found = list(fitness.figures(ended.summary, mapping))
    console = Console()
    _show(console, found, _accelerator(ended.run.folder))
    for finding in ended.summary.findings:
        console.print(Text(f"✗ {finding}", style="red"), soft_wrap=True)
    console.print(f"evidence: {ended.run.folder}", highlight=False, soft_wrap=True)
    if ended.ending.error is not None:
        raise ended.ending.error
    bad = [figure.name for figure in found if not figure.good]
    if bad or ended.summary.verdict != "pass":
        raise SubjectFailed("this machine is not good enough", why=", ".join(bad) or "see above")
    console.print(Text("verdict: good enough", style="bold green"))
    return ended.ending.code


def mapping_rate() -> float:
    """MiB/s at which memory like a region's is filled through a mapping; the median round."""
    descriptor = os.memfd_create("selftest")
    try:
        os.ftruncate(descriptor, REGION)
        with mmap.mmap(descriptor, REGION) as mapped:
            rates = sorted(_fill(mapped) for _ in range(ROUNDS))
    finally:
        os.close(descriptor)
    return rates[ROUNDS // 2]


def _fill(mapped: mmap.mmap) -> float:
    chunk = b"\x5a" * (1 << 20)
    begun = clock.now()
    for start in range(0, REGION, len(chunk)):
        mapped[start : start + len(chunk)] = chunk
    return REGION / (1 << 20) / max(clock.now() - begun, 1e-9)


def _accelerator(folder: Path) -> list[str]:
    """What runs the guests, and why, host by host."""
    for line in (folder / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "accelerator.end":
            return [event["name"], *(f"{host}: {why}" for host, why in event["why"].items())]
    return ["none: the run ended before it was chosen"]


def _show(console: Console, found: list[fitness.Figure], accelerator: list[str]) -> None:
    made = show.table("Is this machine good enough?", "", "figure", ">here", ">wanted")
    for figure in found:
        mark = Text("✓", "green") if figure.good else Text("✗", "red")
        show.add(made, mark, figure.name, figure.found, figure.wanted)
    console.print("", made)
    name, *reasons = accelerator
    console.print(Text(f"accelerator: {name}"))
    for reason in dict.fromkeys(why.partition(": ")[2] or why for why in reasons):
        console.print(Text(f"  {reason}"), soft_wrap=True)
