"""Live migrations in a row under many streams, every byte checked.

``python -m tests.perf.migrations [MIGRATIONS [STREAMS]]`` moves a guest to and fro and prints what
each took, as distributions. The goal for our own time is printed beside it; nothing here fails but
a byte that is lost, repeated, reordered or damaged, and memory, descriptors, region files or
interfaces that grow.
"""

from __future__ import annotations

import sys

from tests.perf.standing import measure

TOPOLOGY = """
hosts: {h1: {}, h2: {}}
guests: {g1: {host: h1, memory: 256 MiB}, g2: {host: h1, memory: 256 MiB}}
grants: [{between: [g1, g2]}]
"""

if __name__ == "__main__":
    sys.exit(measure("tests.perf.migrations_inside", TOPOLOGY))
