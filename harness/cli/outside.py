"""What has to be done outside a lab, around whatever runs inside it."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

from harness import config, run
from harness.cli.signals import ignore_signals
from harness.errors import UsageError
from harness.events import EventLog
from harness.testbed import labs
from harness.testbed.labs import check_machine, refuse_if_taken, start

__all__ = [
    "check_machine",
    "commit",
    "point_latest",
    "refuse_if_taken",
    "results_folder",
    "start",
    "stop",
]


def stop(name: str, events: EventLog) -> None:
    """End the testbed and forget its record (`labs.stop`).

    Ctrl-C does not stop it half way: it takes a moment, and is what Ctrl-C is for.
    """
    ignore_signals()
    labs.stop(name, events)


def results_folder(run_id: str) -> Path:
    """A new folder for a run's evidence. Raises UsageError when it cannot be written."""
    folder = config.results_dir() / run_id
    try:
        folder.mkdir(parents=True)
        (folder / ".probe").write_text("")
        (folder / ".probe").unlink()
    except OSError as error:
        raise UsageError(
            "the results folder cannot be written",
            where=str(folder),
            why=error.strerror or str(error),
            fix="set TESTBED_RESULTS to a folder of yours",
        ) from None
    return folder


def point_latest(folder: Path) -> None:
    """results/latest → this run."""
    fresh = folder.parent / f".latest.{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name)
    fresh.replace(folder.parent / "latest")


def commit() -> str:
    """The commit of this tree, with a + when it was changed since; without a tree the version."""
    if config.INSTALLED:
        return version(config.DISTRIBUTION)
    git = ["git", "-C", str(config.REPOSITORY)]
    head = run.run([*git, "rev-parse", "--short", "HEAD"], check=False)
    if head.returncode:
        return "unknown"
    changed = run.run([*git, "status", "--porcelain"], check=False).stdout
    return head.stdout.strip() + ("+" if changed else "")
