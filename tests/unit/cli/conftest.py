"""A user at the command line whose state, cache and results are in a folder of the test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import run

TESTBED = Path(sys.executable).parent / "testbed"
Command = Callable[..., run.Completed]


@pytest.fixture
def testbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs ``testbed ARGUMENTS`` to its end, with more of an environment when asked for."""
    for place in ("state", "cache", "results"):
        monkeypatch.setenv(f"TESTBED_{place.upper()}", str(tmp_path / place))

    def command(*arguments: str, **env: str) -> run.Completed:
        return run.run(
            [str(TESTBED), *arguments],
            env={**os.environ, "COLUMNS": "80", **env},
            cwd=tmp_path,
            check=False,
        )

    return command
