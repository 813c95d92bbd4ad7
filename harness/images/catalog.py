"""Our own images by the names that a topology gives them."""

from __future__ import annotations

from harness import config
from harness.events import EventLog
from harness.images.disk.debian import build_debian
from harness.images.image import Image
from harness.model.topology import DEBIAN, Topology


def others(topology: Topology, events: EventLog) -> dict[str, Image]:
    """The images beside `micro` that its guests boot, made or found in the cache."""
    if not any(guest.image == DEBIAN for guest in topology.guests.values()):
        return {}
    return {DEBIAN: build_debian(config.cache_dir(), config.REPOSITORY, events)}
