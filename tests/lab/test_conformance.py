"""The truth about AF_VSOCK: what the kernel's own says, in a real guest, over its loopback.

Kernels differ from each other, too: `conformance-kernels.txt` has what some say instead.
"""

from __future__ import annotations

from harness.config import REPOSITORY
from tests.lab.support import User

PROGRAM = REPOSITORY / "guest-agent" / "build" / "conformance"
GOLDEN = REPOSITORY / "tests" / "golden"


def test_the_golden_outcome_is_the_kernels(lasting: User) -> None:
    lasting.ok("cp", str(PROGRAM), "g1:/tmp/conformance")
    lasting.ok("exec", "g1", "--", "modprobe", "vsock_loopback")
    said = lasting.ok("exec", "g1", "--", "/tmp/conformance").splitlines()
    golden = (GOLDEN / "conformance.txt").read_text().splitlines()
    instead = (GOLDEN / "conformance-kernels.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in said] == [line.split(":")[0] for line in golden]
    assert [line for line in said if line not in golden and line not in instead] == []
