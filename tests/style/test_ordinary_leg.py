"""The leg that an ordinary user runs: it exists, and it cannot be skipped unseen."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.config import REPOSITORY
from harness.run import run
from tests.style import tree

SKIPPING = """
import pytest

@pytest.mark.ordinary_user
def test_leg():
    pytest.skip("not today")
"""


def outcome(folder: Path, environment: Mapping[str, str]) -> str:
    """What pytest says of one skipping test of the leg, under this project's conftest."""
    (folder / "tests").mkdir()
    shutil.copy(REPOSITORY / "tests/conftest.py", folder / "tests/conftest.py")
    (folder / "tests/test_leg.py").write_text(SKIPPING)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  ordinary_user: the leg\n")
    own = {key: value for key, value in os.environ.items() if key != "TESTBED_ORDINARY_USER"}
    argv = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider"]
    return run(argv, cwd=folder, env={**own, **environment}, check=False).stdout


def test_without_the_user_the_leg_is_skipped(tmp_path: Path) -> None:
    said = outcome(tmp_path, {})
    assert "1 skipped" in said
    assert "needs TESTBED_ORDINARY_USER" in said


def test_with_the_user_a_skip_is_a_failure(tmp_path: Path) -> None:
    said = outcome(tmp_path, {"TESTBED_ORDINARY_USER": "somebody"})
    assert "1 failed" in said
    assert "skipped although" in said


@pytest.mark.parametrize("folder", ["tests/lab"])
def test_the_leg_exists(folder: str) -> None:
    assert any("ordinary_user" in tree.text(path) for path in tree.files(".py", below=folder))
