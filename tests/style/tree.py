"""Which files are the project's own: all but what is fetched, built or left behind by a run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from harness.config import REPOSITORY

NOT_OURS = (".git", ".venv", "results", "build", "dist", "__pycache__", "node_modules")
NOT_OURS_SUFFIXES = ("_cache", ".egg-info")
SHELL = ("#!/bin/sh", "#!/bin/bash", "#!/usr/bin/env bash")


def is_ours(folder: str) -> bool:
    """Whether a folder of this name holds sources."""
    built = folder.startswith("build-") or folder in NOT_OURS or folder.endswith(NOT_OURS_SUFFIXES)
    return not (built or folder in (".hypothesis", ".cache"))


def walk(top: Path) -> Iterator[Path]:
    """Every file of the project below `top`."""
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if is_ours(name))
        yield from (Path(folder, name) for name in sorted(names))


@cache
def files(*suffixes: str, below: str = ".") -> tuple[Path, ...]:
    """The project's files with one of these suffixes, relative to the repository."""
    found = (path.relative_to(REPOSITORY) for path in walk(REPOSITORY / below))
    return tuple(path for path in found if path.suffix in suffixes or not suffixes)


@cache
def text(path: Path) -> str:
    """What is in a file of the project; nothing for a file that is no text."""
    try:
        return (REPOSITORY / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@cache
def shell_scripts() -> tuple[Path, ...]:
    """Shell scripts, by suffix or by their first line."""
    return tuple(
        path for path in files() if path.suffix in ("", ".sh") and text(path).startswith(SHELL)
    )


def expect_none(violations: Iterable[str]) -> None:
    """Fail with one violation a line."""
    found = sorted(violations)
    if found:
        pytest.fail("\n".join(found), pytrace=False)
