"""The scenario that started it all, in real guests: a management daemon in one, its client in the
other, over a path, by stock Python; and both guests are moved in turn while calls go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import config
from tests.lab.guests import Guests
from tests.lab.stock import PREFIX, bundle_python, python_packages, unpacked
from tests.lab.support import User

PROGRAMS = config.REPOSITORY / "examples/xmlrpc"
IMPORTS = ("pathlib", "signal", "socketserver", "xmlrpc.client", "xmlrpc.server")


@pytest.fixture
def guests(lasting: User, tmp_path: Path) -> Iterator[Guests]:
    found = Guests(lasting, "lab")
    archive = tmp_path / "python.tar.gz"
    with unpacked(python_packages(), config.cache_dir()) as files:
        bundle_python(files, IMPORTS, archive)
    try:
        for guest in ("g1", "g2"):
            found.carry(guest, archive)
        yield found
    finally:
        for guest in ("g1", "g2"):
            found.do(guest, f"rm -r {PREFIX}")


@pytest.mark.long
def test_calls_go_on_while_both_guests_are_moved(guests: Guests) -> None:
    guests.write("g2", "daemon.py", (PROGRAMS / "daemon.py").read_text())
    guests.write("g1", "client.py", (PROGRAMS / "client.py").read_text())
    guests.start("g2", {"daemon": "exec python3 daemon.py /run/domsock/self/manager"})
    guests.await_paths(["manager"])
    guests.start("g1", {"client": "exec python3 client.py /run/domsock/g2/manager"})
    guests.go_on(["client"])
    guests.move_both(["client"])
    said = guests.end("g1", "client")  # which asks how many calls the daemon has had
    assert said[-1].endswith("calls over 1 connection"), said
    guests.end("g2", "daemon")
    guests.do("g2", "rm /run/domsock/self/manager")
