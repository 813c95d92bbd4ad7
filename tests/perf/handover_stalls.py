"""What a handover is to the streams between two real guests: their stalls in windows of time with
one, beside those of equal windows without.

``python -m tests.perf.handover_stalls [HANDOVERS [STREAMS...]]``: so many each way, under load;
each time a fresh region is plugged before and unplugged after the windows. A stream's stall in a
window is the longest time in which nothing of it arrived. The goals: p50 of the other windows + 2
idle round trips of TCP between the same guests, and p99 of those windows + 20. A hundred each way
take two and a half minutes for each number of streams. Nothing here fails.
"""

from __future__ import annotations

import sys

from tests.perf.standing import measure

TOPOLOGY = """
hosts: {h1: {}}
guests: {g1: {host: h1, memory: 256 MiB}, g2: {host: h1, memory: 256 MiB}}
grants: [{between: [g1, g2]}]
"""

if __name__ == "__main__":
    sys.exit(measure("tests.perf.handover_stalls_inside", TOPOLOGY))
