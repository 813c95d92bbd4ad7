"""Sockets in real guests: the kernel's own AF_VSOCK over its loopback, which is the truth, and
domsock's between two guests, which has to be the same; and UNIX sockets between them.

Kernels differ from each other, too: `conformance-kernels.txt` has what some say instead.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance import GOLDEN, PROGRAM, apart, expected, expected_by_path, lines
from tests.lab.support import User

UNDER_THE_SHIM = "domsock run "
PATHS = "paths /run/domsock/self/paths /run/domsock/g2/paths"


def test_the_golden_outcome_is_the_kernels(lasting: User) -> None:
    lasting.ok("cp", str(PROGRAM), "g1:/tmp/conformance")
    lasting.ok("exec", "g1", "--", "modprobe", "vsock_loopback")
    said = lasting.ok("exec", "g1", "--", "/tmp/conformance").splitlines()
    golden = (GOLDEN / "conformance.txt").read_text().splitlines()
    instead = (GOLDEN / "conformance-kernels.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in said] == [line.split(":")[0] for line in golden]
    assert [line for line in said if line not in golden and line not in instead] == []


@pytest.fixture(params=["shm", "tcp"])
def path(request: pytest.FixtureRequest, lasting: User) -> Iterator[str]:
    """How bytes go between the guests: by TCP while g1 is on another host."""
    for guest in ("g1", "g2"):
        lasting.ok("cp", str(PROGRAM), f"{guest}:/tmp/conformance")
    if request.param == "tcp":
        lasting.ok("migrate", "g1", "--to", "h2")
    yield request.param
    if request.param == "tcp":
        lasting.ok("migrate", "g1", "--to", "h1")


def between_guests(user: User, shim: str, addresses: str) -> dict[str, str]:
    """The servers' program runs in g2, the clients' one in g1."""
    serve = f"{shim}/tmp/conformance serve 7000 {addresses}"
    join = f"{shim}/tmp/conformance join 10.99.0.4 7000 {addresses}"
    detached = f"setsid {serve} > /tmp/served.out 2>&1 < /dev/null &"
    user.ok("exec", "g2", "--", "sh", "-c", detached)
    return lines(user.ok("exec", "g1", "--", *join.split()))


@pytest.mark.long
def test_between_guests_ports_are_as_the_kernels(lasting: User, path: str) -> None:
    assert apart(between_guests(lasting, UNDER_THE_SHIM, "4")) == apart(expected(path))


@pytest.mark.long
def test_between_guests_paths_are_as_the_kernels(lasting: User, path: str) -> None:
    lasting.ok("exec", "g2", "--", "mkdir", "-p", "/run/domsock/self/paths")
    assert between_guests(lasting, "", PATHS) == expected_by_path(path)
    lasting.ok("exec", "g2", "--", "rm", "-r", "/run/domsock/self/paths")
