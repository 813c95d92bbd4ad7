from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from agents import BUILD, Pair, agents_folder


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    missing = [name for name in ("domsockd", "domsock") if not (BUILD / name).exists()]
    assert not missing, f"{missing} not built in {BUILD}: run make -C guest-agent"


@pytest.fixture
def folder() -> Iterator[Path]:
    with agents_folder() as path:
        yield path


@pytest.fixture
def unlinked(folder: Path) -> Iterator[Pair]:
    pair = Pair(folder, "--grace", "3000")
    yield pair
    pair.stop()


@pytest.fixture
def pair(unlinked: Pair) -> Pair:
    unlinked.connect()
    return unlinked


@pytest.fixture
def on_shm(pair: Pair) -> Pair:
    """Their link is on shared memory."""
    pair.share_memory()
    return pair


@pytest.fixture(params=["tcp", "shm"])
def somewhere(request: pytest.FixtureRequest, pair: Pair) -> Pair:
    """Their link is on TCP, or on shared memory."""
    if request.param == "shm":
        pair.share_memory()
    return pair
