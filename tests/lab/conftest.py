"""Users and testbeds for tests with real guests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import config
from tests.lab.support import User, nothing_left

ORDINARY_TREE = "TESTBED_ORDINARY_TREE"


def _shared_cache(home: Path) -> None:
    """Tests use the machine's image cache: an image is built once, not once per test."""
    (home / "cache").symlink_to(config.cache_dir())


@pytest.fixture
def root(tmp_path: Path) -> User:
    """Whoever runs the tests."""
    config.cache_dir().mkdir(parents=True, exist_ok=True)
    _shared_cache(tmp_path)
    return User(tmp_path)


@pytest.fixture
def ordinary(ordinary_user: str) -> Iterator[User]:
    """An ordinary user of this machine, with a home of his own for the test."""
    home = Path(f"/var/tmp/domsock-{ordinary_user}-{os.getpid()}")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    shutil.chown(home, ordinary_user)
    tree = os.environ.get(ORDINARY_TREE)
    testbed = Path(tree) / ".venv/bin/testbed" if tree else User.testbed
    yield User(home, ordinary_user, testbed)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """A testbed that stays up for the tests of several modules, which come last."""
    home = tmp_path_factory.mktemp("lasting")
    config.cache_dir().mkdir(parents=True, exist_ok=True)
    _shared_cache(home)
    user = User(home)
    with nothing_left():
        user.ok("up")
        try:
            yield user
        finally:
            user.ok("down")
