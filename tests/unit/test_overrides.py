"""Options of the command line, laid over a topology."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.model.overrides import Overrides, parse_qemu
from harness.model.topology import lab_topology


def test_nothing_given_changes_nothing() -> None:
    assert Overrides().onto(lab_topology()) == lab_topology()


def test_a_kernel_is_for_all_guests_and_brings_all_that_belongs_to_it() -> None:
    first = Overrides(kernel="/k", modules="/m").onto(lab_topology())
    assert {(g.kernel, g.modules) for g in first.guests.values()} == {("/k", "/m")}
    second = Overrides(kernel="/other", append="debug").onto(first)
    assert {(g.kernel, g.modules, g.append) for g in second.guests.values()} == {
        ("/other", None, "debug")
    }


def test_a_qemu_of_one_host_goes_before_that_of_all() -> None:
    hosts = Overrides(qemu=parse_qemu(["/all", "h2=/its"])).onto(lab_topology()).hosts
    assert (hosts["h1"].qemu, hosts["h2"].qemu) == ("/all", "/its")


def test_an_equals_sign_in_a_path_is_no_host() -> None:
    assert parse_qemu(["/opt/a=b/qemu"]) == {"": "/opt/a=b/qemu"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["qemu"], "no place of a QEMU"),
        (["h1="], "no place of a QEMU"),
        (["/a", "/b"], "every host is given two"),
        (["h1=/a", "h1=/b"], "h1 is given two"),
    ],
)
def test_what_is_no_qemu_is_refused(values: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_qemu(values)


def test_an_unknown_host_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no host 'h3': did you mean 'h2'"):
        Overrides(qemu={"h3": "/q"}).onto(lab_topology())


def test_an_initrd_without_a_kernel_is_refused() -> None:
    with pytest.raises(UsageError, match="goes with a kernel of your own"):
        Overrides(initrd="/i").onto(lab_topology())
