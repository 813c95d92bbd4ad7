"""What a handover is to the streams between two real guests: their stalls in windows of time with
one, beside those of equal windows without.

``python -m tests.perf.handover_stalls [HANDOVERS [STREAMS...]]``: so many each way, under load;
each time a fresh region is plugged and unplugged. A stream's stall in a window is the longest time
in which nothing of it arrived. The goals: p50 of the other windows + 2 idle round trips of TCP
between the same guests, and p99 of the other windows + 20. Nothing here fails.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from harness import config, run
from harness.hosts.lab.lab import Lab

NAME = "stalls"
TOPOLOGY = f"""
name: {NAME}
hosts: {{h1: {{}}}}
guests:
  g1: {{host: h1, memory: 256 MiB}}
  g2: {{host: h1, memory: 256 MiB}}
grants: [{{between: [g1, g2]}}]
"""
TESTBED = Path(sys.executable).parent / "testbed"
UP_SECONDS, MEASURE_SECONDS = 300.0, 6 * 3600.0


def main() -> None:
    """Measure in a testbed of its own."""
    cache = str(config.cache_dir())
    with tempfile.TemporaryDirectory() as home:
        places = {"TESTBED_STATE": f"{home}/state", "TESTBED_RESULTS": f"{home}/results"}
        env = {**os.environ, **places, "TESTBED_CACHE": cache}
        topology = Path(home, "stalls.yaml")
        topology.write_text(TOPOLOGY)
        run.run([str(TESTBED), "up", str(topology)], within=UP_SECONDS, env=env)
        try:
            lab = Lab.load(Path(home, "state/testbeds", NAME, "lab"))
            assert lab is not None
            inside = [sys.executable, "-m", "tests.perf.handover_stalls_inside", *sys.argv[1:]]
            process = run.spawn(lab.enter_argv(inside), env=env)
            run.wait(process, MEASURE_SECONDS)
        finally:
            run.run([str(TESTBED), "down", NAME], within=UP_SECONDS, env=env)


if __name__ == "__main__":
    main()
