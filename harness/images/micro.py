"""The image `micro`: the distribution's kernel, busybox and the agent; boots in seconds."""

from __future__ import annotations

from pathlib import Path

from harness import run
from harness.events import EventLog
from harness.images.builder import Builder
from harness.images.image import Image

RECIPE = "images/micro/recipe.yaml"


def build_micro(cache: Path, repository: Path, events: EventLog, *, refresh: bool = False) -> Image:
    """The image, made or found in `cache`. `refresh` asks for the newest packages."""
    builder = Builder(repository / RECIPE, repository, cache, events, run.run)
    return builder.build(refresh=refresh)
