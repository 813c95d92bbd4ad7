"""What a testbed is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.events import EventLog
from harness.hosts.ssh import SshHost
from harness.images.image import Image
from harness.testbed.record import TestbedRecord


@dataclass(frozen=True)
class Makings:
    """A record that says what is wanted, hosts that answer SSH, and the image `micro`; `events`
    is where everybody tells what is going on.
    """

    record: TestbedRecord
    hosts: Sequence[SshHost]
    image: Image
    events: EventLog
