"""A testbed that stands while a module of this folder measures inside its lab."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from harness import config, run
from harness.events import EventLog
from harness.hosts.lab.lab import Lab
from harness.hosts.ssh import SshHost
from harness.testbed import folders, record
from harness.testbed.testbed import Testbed

NAME = "measured"
TESTBED = Path(sys.executable).parent / "testbed"
UP_SECONDS, MEASURE_SECONDS = 300.0, 6 * 3600.0


def measure(module: str, topology: str, arguments: list[str]) -> int:
    """Bring it up, run the module's `main` inside, take it down; gives the module's exit code.

    `topology` is a topology file's text without its name.
    """
    with tempfile.TemporaryDirectory() as home:
        places = {"TESTBED_STATE": f"{home}/state", "TESTBED_RESULTS": f"{home}/results"}
        env = {**os.environ, **places, "TESTBED_CACHE": str(config.cache_dir())}
        file = Path(home, "topology.yaml")
        file.write_text(f"name: {NAME}\n{topology}")
        run.run([str(TESTBED), "up", str(file)], within=UP_SECONDS, env=env)
        try:
            lab = Lab.load(Path(home, "state/testbeds", NAME, "lab"))
            assert lab is not None
            inside = lab.enter_argv([sys.executable, "-m", module, *arguments])
            code = run.wait(run.spawn(inside, env=env), MEASURE_SECONDS)
            return 1 if code is None else code
        finally:
            run.run([str(TESTBED), "down", NAME], within=UP_SECONDS, env=env)


def connect() -> Testbed:
    """Inside: the testbed that was brought up."""
    found, lab = record.read(NAME), Lab.load(folders.lab_folder(NAME))
    assert found is not None and lab is not None
    return Testbed.connect(found, [SshHost(target) for target in lab.hosts], EventLog())
