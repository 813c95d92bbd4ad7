"""ELF files, the machine's own and broken ones."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from harness.config import REPOSITORY
from harness.images import elf

LS = Path("/bin/ls").read_bytes()


def test_a_dynamic_program_tells_its_loader_and_libraries() -> None:
    found = elf.requirements(LS)
    assert found.interpreter == "/lib64/ld-linux-x86-64.so.2"
    assert "libc.so.6" in found.libraries


def test_a_static_program_needs_nothing() -> None:
    oracle = REPOSITORY / "workloads/build/oracle"
    if not oracle.exists():
        pytest.skip("workloads are not built")
    assert elf.requirements(oracle.read_bytes()) == elf.Requirements("", ())


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(99)])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="ELF"):
        elf.requirements(data)


def test_a_broken_file_never_does_worse_than_be_refused() -> None:
    chance = random.Random(3)
    for _ in range(300):
        broken = bytearray(LS[: chance.randrange(6, len(LS))])
        for _ in range(20):
            broken[chance.randrange(6, min(len(broken), 2000))] = chance.randrange(256)
        try:
            elf.requirements(bytes(broken))
        except ValueError:
            continue
