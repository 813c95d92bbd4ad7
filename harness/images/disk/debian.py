"""The images `debian` and `cloud`: a guest with systemd, ssh and Python; and the same disk without
anything that makes it a guest of ours, as a stand-in for the cloud image that somebody brings."""

from __future__ import annotations

from pathlib import Path

from harness import run
from harness.events import EventLog
from harness.images.disk.builder import DiskBuilder
from harness.images.image import Image

RECIPE = "images/debian/recipe.yaml"


def build_debian(
    cache: Path, repository: Path, events: EventLog, *, refresh: bool = False, bare: bool = False
) -> Image:
    """The image, made or found in `cache`; a `bare` one is the image `cloud`."""
    builder = DiskBuilder(repository / RECIPE, repository, cache, events, run.run, bare=bare)
    return builder.build(refresh=refresh)
