"""The results folder kept small: one run's logs, and the number of runs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness import clock
from harness.cli import show
from harness.errors import UsageError
from harness.events import EventLog
from harness.testbed import folders
from harness.testbed.lock import exclusive

LOGS = (".log", ".jsonl", ".txt")
LEAST = 4096  # of a log that is cut; less tells nothing
YOUNG_SECONDS = 60.0  # a run makes its folder before anything else says that it runs
RUN = re.compile(r"\d{8}-\d{6}-(?P<name>(?P<command>[a-z]+)-[0-9a-f]+)")


@dataclass(frozen=True)
class Cut:
    """A log that lost its middle: bytes before and after."""

    file: str
    before: int
    after: int


def tidy(console: Console, run: Path, limit: int, keep: int | None) -> None:
    """Do what the user asked for after a run, and say what was done."""
    for cut in cap(run, limit):
        console.print(
            f"cut {cut.file}: {show.amount(cut.before)} → {show.amount(cut.after)}",
            highlight=False,
        )
    found = RUN.fullmatch(run.name)
    if keep is not None and found:
        for name in prune(run.parent, found["command"], keep):
            console.print(f"removed {name}", highlight=False)


def cap(folder: Path, limit: int) -> list[Cut]:
    """Cut the middle out of the largest logs until the run takes no more than `limit` bytes.

    The evidence says so: a mark where each cut is, and an event for each in events.jsonl.
    """
    sizes = {file: file.stat().st_size for file in folder.rglob("*") if _is_file(file)}
    logs = {file: size for file, size in sizes.items() if file.suffix in LOGS}
    room = limit - (sum(sizes.values()) - sum(logs.values()))
    most = _level(sorted(logs.values()), room)
    cuts = []
    for file, size in logs.items():
        if size > most:
            _cut(file, most)
            cuts.append(Cut(str(file.relative_to(folder)), size, file.stat().st_size))
    _tell(folder, cuts)
    return cuts


def prune(results: Path, command: str, keep: int) -> list[str]:
    """Remove all but the `keep` newest runs of a command; gives the names of those removed.

    `latest` stays, and so does a run that is going on or whose testbed stays up.
    """
    latest = (results / "latest").resolve().name
    removed = []
    for run in sorted(_runs(results, command), reverse=True)[keep:]:
        if run.name != latest and not _goes_on(run):
            shutil.rmtree(run, ignore_errors=True)
            removed.append(run.name)
    return removed


def _is_file(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()


def _level(sizes: list[int], room: int) -> int:
    """The size to which the largest must come down so that all fit into `room`."""
    for index, size in enumerate(sizes):
        larger = len(sizes) - index
        if size * larger > room:
            return max(LEAST, room // larger)
        room -= size
    return sizes[-1] if sizes else 0


def _cut(file: Path, most: int) -> None:
    """Keep the first and the last whole lines, and say what is missing between them."""
    size = file.stat().st_size
    mark = _mark(file, size - most)
    half = max(0, most - len(mark)) // 2
    with file.open("rb") as source:
        head = source.read(half)
        source.seek(size - half)
        tail = source.read(half)
    fresh = file.with_name(file.name + ".cut")
    fresh.write_bytes(head[: head.rfind(b"\n") + 1] + mark + tail[tail.find(b"\n") + 1 :])
    fresh.replace(file)


def _mark(file: Path, missing: int) -> bytes:
    if file.suffix == ".jsonl":
        return json.dumps({"event": "results.cut", "bytes": missing}).encode() + b"\n"
    return f"[... about {missing:,} bytes are left out here: --results-cap ...]\n".encode()


def _tell(folder: Path, cuts: list[Cut]) -> None:
    if cuts:
        events = EventLog(folder / "events.jsonl")
        for cut in cuts:
            events.emit("results.capped", file=cut.file, before=cut.before, after=cut.after)
        events.close()


def _runs(results: Path, command: str) -> Iterator[Path]:
    for entry in results.iterdir() if results.is_dir() else ():
        found = RUN.fullmatch(entry.name)
        if found and found["command"] == command and entry.is_dir() and not entry.is_symlink():
            yield entry


def _goes_on(run: Path) -> bool:
    """Whether somebody works on it or keeps its testbed, or may be just beginning."""
    found = RUN.fullmatch(run.name)
    name = found["name"] if found else ""
    try:
        with exclusive(name):
            young = clock.utc().timestamp() - run.stat().st_mtime < YOUNG_SECONDS
            concluded = (run / "summary.json").exists()
            return folders.folder_of(name).exists() or (young and not concluded)
    except (UsageError, OSError):
        return True
