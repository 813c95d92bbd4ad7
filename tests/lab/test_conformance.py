"""The truth about AF_VSOCK: what the kernel's own says, in a real guest, over its loopback."""

from __future__ import annotations

from harness.config import REPOSITORY
from tests.lab.support import User

PROGRAM = REPOSITORY / "guest-agent" / "build" / "conformance"
GOLDEN = REPOSITORY / "tests" / "golden" / "conformance.txt"


def test_the_golden_outcome_is_the_kernels(lasting: User) -> None:
    lasting.ok("cp", str(PROGRAM), "g1:/tmp/conformance")
    lasting.ok("exec", "g1", "--", "modprobe", "vsock_loopback")
    said = lasting.ok("exec", "g1", "--", "/tmp/conformance")
    assert said == GOLDEN.read_text()
