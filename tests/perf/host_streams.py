"""Streams between a guest and its host beside those between two guests, all on one machine.

``python -m tests.perf.host_streams [ROUNDS [SECONDS]]``: a round trip of 64 bytes and the rate of
64 KiB one way, by port (`domsock run`) and by path, on shared memory and by relay; no guest has a
network card. Everything is measured in turn in each round, that long, and every ratio is to the two
guests' in the same round. Nothing here fails.
"""

from __future__ import annotations

import sys

from tests.perf.standing import measure

TOPOLOGY = """
hosts: {h1: {}}
guests: {g1: {host: h1, networks: []}, g2: {host: h1, networks: []}}
grants: [{between: [g1, g2]}, {between: [g1, h1]}]
"""

if __name__ == "__main__":
    sys.exit(measure("tests.perf.host_streams_inside", TOPOLOGY))
