"""What a guest says of its clock and its streams while it runs."""

from __future__ import annotations

from harness import clock
from harness.agent.answers import Hello, OpenStreams
from harness.guests.guest import Guest


def clock_offset_ns(guest: Guest, tries: int = 5) -> int:
    """The guest's monotonic clock minus ours, to within half a round trip: the best of some."""
    samples = []
    for _ in range(tries):
        sent = clock.now_ns()
        theirs = guest.agent.ask(Hello, "hello").monotonic_ns
        back = clock.now_ns()
        samples.append((back - sent, theirs - (sent + back) // 2))
    return min(samples)[1]


def paths_now(guest: Guest) -> set[str]:
    """The paths that the guest's open streams take now."""
    return {stream.path for stream in guest.agent.ask(OpenStreams, "streams").streams}
