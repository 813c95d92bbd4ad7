"""Which accelerator the hosts share."""

from __future__ import annotations

from typing import Literal

from harness.events import EventLog
from harness.guests.place import Place
from harness.images.image import Image


def choose_accelerator(
    places: dict[str, Place], image: Image, events: EventLog
) -> Literal["kvm", "tcg"]:
    return "tcg"
