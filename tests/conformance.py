"""What the conformance program (guest-agent/tests/conformance) has to say, case by case.

`golden/conformance.txt` is what it said over the kernel's own AF_VSOCK in a real guest
(tests/lab/test_conformance.py proves it true). `golden/conformance-differences.txt` has, for each
case where the shim is different on purpose, what it says instead (`case@path`: on one path only);
docs/sockets.md says why.

Over paths the truth is what the program says of plain UNIX sockets on this machine.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from harness import config, run

PROGRAM = config.REPOSITORY / "guest-agent" / "build" / "conformance"
IN_TURN = re.compile(r"one=[1-7] two=[1-7]")
GOLDEN = Path(__file__).parent / "golden"


def lines(text: str) -> dict[str, str]:
    """The outcome of each case."""
    return dict(line.split(":", 1) for line in text.splitlines())


def expected(path: str) -> dict[str, str]:
    """What the kernel says, but for the differences."""
    kernel = lines((GOLDEN / "conformance.txt").read_text())
    return differing(kernel, "conformance-differences.txt", path)


def differing(kernel: dict[str, str], differences: str, path: str) -> dict[str, str]:
    """What the kernel says, but for what stands in a file."""
    every = lines((GOLDEN / differences).read_text())
    ours = {
        case.removesuffix(f"@{path}"): said
        for case, said in every.items()
        if "@" not in case or case.endswith(f"@{path}")
    }
    assert set(ours) <= set(kernel), "a difference from a case that is not there"
    assert not [case for case in ours if ours[case] == kernel[case]], "no difference any more"
    return {**kernel, **ours}


def apart(said: dict[str, str]) -> dict[str, str]:
    """The same, for two programs: how often each of two streams is told of depends on when the
    agent takes the ring of one back, which stands still meanwhile; neither may be forgotten.
    """
    return {case: IN_TURN.sub("one=some two=some", told) for case, told in said.items()}


def expected_by_path(path: str) -> dict[str, str]:
    """What this machine's kernel says of UNIX sockets, but for the differences."""
    with tempfile.TemporaryDirectory() as folder:
        done = run.run([str(PROGRAM), "paths", folder, folder], within=120)
    return differing(lines(done.stdout), "conformance-paths-differences.txt", path)
