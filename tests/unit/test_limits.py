"""What no testbed can do yet, and QEMUs that a lab cannot use."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import run
from harness.errors import UsageError
from harness.model.overrides import Overrides
from harness.model.topology import Topology, lab_topology
from harness.testbed import limits


def with_qemu(path: str) -> Topology:
    return Overrides(qemu={"h2": path}).onto(lab_topology())


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/root/qemu/build/qemu-system-x86_64", "its own /root"),
        ("/no/such/qemu", "/no/such/qemu is no QEMU"),
        ("/bin/true", "/bin/true is no QEMU"),
        ("/bin/cat", "/bin/cat is no QEMU"),
    ],
)
def test_what_is_no_qemu_for_a_lab_is_refused(path: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        limits.check_emulators(with_qemu(path), run.run)
    assert caught.value.where == "hosts.h2.qemu"


def test_a_qemu_without_ivshmem_is_refused_where_memory_is_shared(tmp_path: Path) -> None:
    def says(argv: list[str], **_more: object) -> run.Completed:
        return run.Completed(tuple(argv), 0, "QEMU emulator version 9\npc-q35-9.0  x\n", "")

    with pytest.raises(UsageError, match="no ivshmem-plain"):
        limits.check_emulators(with_qemu("/opt/qemu"), says)
    alone = with_qemu("/opt/qemu").model_copy(update={"grants": ()})
    limits.check_emulators(alone, says)
