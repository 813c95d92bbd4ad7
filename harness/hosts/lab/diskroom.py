"""Room for guests' disks: folders of the lab's state, because a host's own /var is memory.

Each host has one of its own, and all see one that they share, as if it were exported by a server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import run
from harness.model import naming

FOLDER = "disks"
SHARED = ".shared"  # no host has such a name


@contextmanager
def opened(state_dir: Path, host: str) -> Iterator[dict[str, int]]:
    """Descriptors of the folders by where they belong; made when they are missing."""
    places = {
        naming.DISKS: state_dir / FOLDER / host,
        naming.SHARED_DISKS: state_dir / FOLDER / SHARED,
    }
    for folder in places.values():
        folder.mkdir(parents=True, exist_ok=True)
    held = {target: os.open(folder, os.O_PATH) for target, folder in places.items()}
    try:
        yield held
    finally:
        for descriptor in held.values():
            os.close(descriptor)


def mount(rooms: dict[str, int]) -> None:
    """Put each folder in its place. By descriptor: its name may lead elsewhere by now."""
    for target, descriptor in rooms.items():
        Path(target).mkdir(parents=True)
        source = f"/proc/{os.getpid()}/fd/{descriptor}"
        run.run(["mount", "--no-canonicalize", "--bind", source, target])
