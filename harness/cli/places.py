"""Can our folders be written, and are they the same ones inside a lab? Asked before anything is
made, and without making anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from harness import config
from harness.errors import UsageError
from harness.testbed.files import HIDDEN

PLACES: dict[str, Callable[[], Path]] = {
    "TESTBED_STATE": config.state_dir,
    "TESTBED_CACHE": config.cache_dir,
    "TESTBED_RESULTS": config.results_dir,
}


def check(*variables: str) -> None:
    """Raises UsageError for the first of these places that cannot serve."""
    for variable in variables:
        try:
            folder = PLACES[variable]().resolve()
        except OSError as error:  # the current folder is gone, or links lead in circles
            raise _refusal(variable, ".", error.strerror or str(error)) from None
        why = _why_not(folder)
        if why:
            raise _refusal(variable, str(folder), why)


def _refusal(variable: str, where: str, why: str) -> UsageError:
    name = variable.removeprefix("TESTBED_").lower()
    fix = f"set {variable} to a folder of yours"
    return UsageError(f"the {name} folder cannot be written", where=where, why=why, fix=fix)


def _why_not(folder: Path) -> str:
    """Why this folder cannot be used; empty when it can."""
    for hidden in HIDDEN:
        if folder.is_relative_to(hidden):
            return f"inside a lab {hidden} is another one"
    there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not there.is_dir():
        return f"{there} is no folder"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"{there} lets nobody like us write"
