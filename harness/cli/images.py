"""testbed image: what `up` makes by itself, made beforehand or for use elsewhere."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from harness import config, run
from harness.cli import places
from harness.cli.progress import Progress
from harness.cli.signals import stop_at_first_signal
from harness.errors import UsageError
from harness.events import EventLog
from harness.images.disk.deb import build_deb
from harness.images.disk.debian import build_debian
from harness.images.image import Image
from harness.images.micro import build_micro
from harness.model.words import hint

CLOUD = "cloud"
NAMES = ("micro", "debian", CLOUD)


def build(name: str, refresh: bool) -> None:
    """Build or find that image, and print its files, one a line."""
    if name not in NAMES:
        raise UsageError(f"there is no image {name!r}: {hint(name, NAMES, 'images')}")
    places.check("TESTBED_CACHE")
    stop_at_first_signal()
    events, progress = EventLog(), Progress(Console(stderr=True))
    progress.watch(events)
    try:
        with events.span("image"):
            image = _built(name, events, refresh)
    finally:
        progress.stop()
    for file in filter(None, (image.kernel, image.initrd, image.disk)):
        print(file)


def _built(name: str, events: EventLog, refresh: bool) -> Image:
    cache, repository = config.cache_dir(), config.REPOSITORY
    if name == "micro":
        return build_micro(cache, repository, events, refresh=refresh)
    return build_debian(cache, repository, events, refresh=refresh, bare=name == CLOUD)


def deb(to: Path) -> None:
    """Build the package, and print where it lies."""
    print(build_deb(config.REPOSITORY, to, run.run))
