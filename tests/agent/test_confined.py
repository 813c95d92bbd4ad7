"""What an agent at work has given up; that it can do all it has to, every other test shows."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from agents import BUILD, Pair
from remapped import make_call

# As x86-64 numbers them.
REFUSED = {
    "execve": 59,
    "execveat": 322,
    "fork": 57,
    "clone3": 435,
    "kill": 62,
    "ptrace": 101,
    "process_vm_writev": 311,
    "mount": 165,
    "unshare": 272,
    "setns": 308,
    "pivot_root": 155,
    "init_module": 175,
    "finit_module": 313,
    "bpf": 321,
    "io_uring_setup": 425,
    "keyctl": 250,
    "reboot": 169,
    "prctl": 157,
    "a call of 32 bits' (x32)": 0x40000000,
}
GETPID = 39


@pytest.fixture(autouse=True)
def confined() -> None:
    if b"__asan_init" in (BUILD / "domsockd").read_bytes():
        pytest.skip("sanitizers make calls of their own")


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_agent_has_no_business_with_is_refused(pair: Pair, name: str) -> None:
    assert make_call(pair.g1, REFUSED[name]) == -errno.ENOSYS
    assert make_call(pair.g1, GETPID) == pair.g1.process.pid
    assert pair.g1.call("ping")["ok"]


def test_nothing_gives_it_back(pair: Pair) -> None:
    status = Path(f"/proc/{pair.g1.process.pid}/status").read_text()
    assert "\nNoNewPrivs:\t1\n" in status
    assert "\nSeccomp:\t2\n" in status
