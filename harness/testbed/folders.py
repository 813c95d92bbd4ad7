"""Where testbeds keep their state: one folder for each, named like the testbed."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness import config
from harness.errors import UsageError
from harness.model import naming

LAB_FOLDER = "lab"


def folder_of(name: str) -> Path:
    """The state folder of the testbed of that name.

    Raises UsageError for what is no name: a path would lead to somebody else's folder.
    """
    if not naming.NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no testbed's name",
            why="a name is up to 15 lower-case letters, digits and hyphens, a letter first",
            fix="testbed ls",
        )
    return config.state_dir() / "testbeds" / name


def lab_folder(name: str) -> Path:
    """The state folder of its lab."""
    return folder_of(name) / LAB_FOLDER


def entries() -> list[str]:
    """Everything in the folder where testbeds keep their state."""
    root = config.state_dir() / "testbeds"
    return sorted(entry.name for entry in root.iterdir()) if root.is_dir() else []


def names() -> list[str]:
    """Every name that has a state folder."""
    return [entry for entry in entries() if naming.NAME.fullmatch(entry)]


def forget(name: str) -> None:
    """Remove the state folder of a testbed that no longer runs."""
    shutil.rmtree(folder_of(name), ignore_errors=True)
