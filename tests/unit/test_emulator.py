"""What a QEMU binary says of itself, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.errors import UsageError
from harness.run import Completed
from harness.virt.emulator import Emulator, ask, in_common

SAYS = """\
QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)
Supported machines are:
pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)
pc-i440fx-7.2        Standard PC (i440FX + PIIX, 1996) (default)
pc-i440fx-10.0       Standard PC (i440FX + PIIX, 1996)
pc-q35-6.1           Standard PC (Q35 + ICH9, 2009)
name "ivshmem-plain", bus PCI, desc "Inter-VM shared memory"
"""


def answer(said: str, error: str = "") -> Any:
    return lambda argv, **_more: Completed(tuple(argv), 0, said, error)


def test_a_qemu_tells_its_version_machines_and_devices() -> None:
    found = ask(answer(SAYS), "/q", "h1")
    assert (found.version, found.ivshmem) == ("7.2.22", True)
    assert found.machines == ("pc-i440fx-10.0", "pc-i440fx-7.2", "pc-q35-6.1")
    assert (found.machine("pc"), found.machine("q35")) == ("pc-i440fx-10.0", "pc-q35-6.1")
    assert not ask(answer(SAYS.replace("ivshmem-plain", "x")), "/q", "h1").ivshmem


@pytest.mark.parametrize(
    ("said", "error", "expected"),
    [
        ("", "sh: 1: /q: not found", "/q is no QEMU .*/q: not found"),
        ("GNU bash, version 5", "", "/q is no QEMU .*GNU bash"),
        ("", "", "/q is no QEMU .*it says nothing"),
        ("QEMU emulator version 8.0\nvirt-8.0   QEMU ARM\n", "", "emulates no PC"),
    ],
)
def test_what_cannot_run_our_guests_is_refused(said: str, error: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        ask(answer(said, error), "/q", "h1")
    assert re.search(expected, str(caught.value))


def test_guests_get_the_newest_machine_type_that_all_hosts_have() -> None:
    old = Emulator("/old", "7.2", ("pc-i440fx-7.2", "pc-i440fx-7.1"))
    new = Emulator("/new", "8.0", ("pc-i440fx-8.0", "pc-i440fx-7.2"))
    assert [e.machine("pc") for e in in_common((new, old))] == ["pc-i440fx-7.2"] * 2


def test_a_qemu_that_was_not_asked_has_its_own_alias() -> None:
    assert Emulator().machine("q35") == "q35"
