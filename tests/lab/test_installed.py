"""From a wheel, in an environment of its own and far from the sources: as a user has it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import run
from harness.config import REPOSITORY
from tests.lab.support import User, nothing_left
from tests.wheel import make_wheel

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
INSTALL_SECONDS = 500.0


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The programs of a fresh environment with the wheel and pytest in it, and nothing else."""
    place = tmp_path_factory.mktemp("installed")
    wheel = make_wheel(place / "tree")
    base = getattr(sys, "_base_executable", sys.executable)
    run.run([base, "-m", "venv", str(place / "venv")], within=120)
    python = place / "venv/bin/python"
    argv = [str(python), "-m", "pip", "install", "--quiet", str(wheel), "pytest"]
    run.run(argv, within=INSTALL_SECONDS)
    shutil.rmtree(place / "tree")
    yield python.parent
    shutil.rmtree(place)


def test_a_suite_of_the_user_s_own_has_its_testbed(programs: Path, root: User) -> None:
    for example in (REPOSITORY / "examples" / "pytest").glob("*.py"):
        shutil.copy(example, root.home)
    user = User(root.home, testbed=programs / "pytest")
    with nothing_left():
        done = user.run("-ra", "--testbed-lacking=error")
    assert "5 passed" in done.stdout, done.stdout + done.stderr


def test_the_command_makes_the_agent_s_package(programs: Path, root: User) -> None:
    user = User(root.home, testbed=programs / "testbed")
    made = Path(user.ok("image", "deb", "--to", str(root.home)).strip())
    assert made.suffix == ".deb" and made.stat().st_size > 100_000
