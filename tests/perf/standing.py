"""A testbed that stands while a module of this folder measures inside its lab."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from harness import config, run
from harness.events import EventLog
from harness.hosts.lab.lab import Lab
from harness.hosts.ssh import SshHost
from harness.testbed import folders, record
from harness.testbed.testbed import Testbed
from tests.lab.support import User

NAME = "measured"
MEASURE_SECONDS = 6 * 3600.0


def measure(module: str, topology: str) -> int:
    """Bring it up, run the module inside with our arguments, take it down; gives its exit code.

    `topology` is a topology file's text without its name.
    """
    with tempfile.TemporaryDirectory() as home:
        user = User(Path(home), extra={"TESTBED_CACHE": str(config.cache_dir())})
        with user.standing(NAME, f"name: {NAME}\n{topology}"):
            process = run.spawn(user.inside_argv(NAME, module, *sys.argv[1:]), env=user.env)
            code = run.wait(process, MEASURE_SECONDS)
            return 1 if code is None else code


def connect() -> Testbed:
    """Inside: the testbed that was brought up."""
    found, lab = record.read(NAME), Lab.load(folders.lab_folder(NAME))
    assert found is not None and lab is not None
    return Testbed.connect(found, [SshHost(target) for target in lab.hosts], EventLog())
