"""Puts other memory in the place of a running agent's region, unannounced.

It makes the agent itself call mmap(), as a debugger would: what the agent then sees is what a
pulled device shows, or the private copy that a careless hypervisor leaves behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from agents import Agent, stands_still, wait_until

ATTACH, DETACH, STEP, GET_REGISTERS, SET_REGISTERS = 16, 17, 9, 12, 13
SYSCALL = b"\x0f\x05"
MMAP = 9
READ_WRITE = 3
PRIVATE_ANONYMOUS_FIXED = 0x32
REGISTERS = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx"),
    *("rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base"),
    *("ds", "es", "fs", "gs"),
)


class Registers(ctypes.Structure):
    """The kernel's user_regs_struct on x86-64."""

    _fields_ = [(name, ctypes.c_ulonglong) for name in REGISTERS]


class Tracee:
    """A process that is stopped, and does what it is told."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.argtypes = [*2 * [ctypes.c_long], *2 * [ctypes.c_void_p]]

    def ask(self, request: int, data: object = None) -> None:
        """One ptrace request."""
        if self._libc.ptrace(request, self._pid, None, data) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def await_stop(self) -> None:
        """Wait until the process has stopped."""
        _, status = os.waitpid(self._pid, 0)
        assert os.WIFSTOPPED(status), status

    def registers(self) -> Registers:
        """Return what its registers hold."""
        registers = Registers()
        self.ask(GET_REGISTERS, ctypes.addressof(registers))
        return registers

    def call(self, number: int, *arguments: int) -> int:
        """Let it make a system call; return the result."""
        before, during = self.registers(), self.registers()
        during.rip, during.rax, during.orig_rax = self._a_syscall(), number, 2**64 - 1
        names = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
        for name, argument in zip(names, arguments, strict=True):
            setattr(during, name, argument % 2**64)
        self.ask(SET_REGISTERS, ctypes.addressof(during))
        self.ask(STEP)
        self.await_stop()
        result = int(self.registers().rax)
        self.ask(SET_REGISTERS, ctypes.addressof(before))
        return result

    def _a_syscall(self) -> int:
        for line in Path(f"/proc/{self._pid}/maps").read_text().splitlines():
            where, rights, _ = line.split(maxsplit=2)
            if rights != "r-xp":
                continue
            start, end = (int(part, 16) for part in where.split("-"))
            with Path(f"/proc/{self._pid}/mem").open("rb") as memory:
                memory.seek(start)
                found = memory.read(end - start).find(SYSCALL)
            if found >= 0:
                return start + found
        raise LookupError("the process has no system call in its code")


@contextlib.contextmanager
def _stopped(pid: int) -> Iterator[Tracee]:
    tracee = Tracee(pid)
    tracee.ask(ATTACH)
    try:
        tracee.await_stop()
        yield tracee
    finally:
        tracee.ask(DETACH)


PIDFD_GETFD = 438
BELOW_THE_STACK = 4096  # nobody's: further below than what a function may use unasked


def make_call(agent: Agent, number: int, *arguments: int | bytes) -> int:
    """Let an agent make a system call, with these arguments and zeros; return the result. One of
    them may be a text.
    """
    pid = agent.process.pid
    with _stopped(pid) as tracee, Path(f"/proc/{pid}/mem").open("r+b", buffering=0) as memory:
        place = tracee.registers().rsp - BELOW_THE_STACK
        numbers = [0] * 6
        for index, argument in enumerate(arguments):
            numbers[index] = place if isinstance(argument, bytes) else argument
            if isinstance(argument, bytes):
                memory.seek(place)
                memory.write(argument + b"\0")
        result = tracee.call(number, *numbers)
    return result if result < 2**63 else result - 2**64


def _region_of(pid: int, region: Path) -> tuple[int, int]:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if line.endswith(str(region)):
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            return start, end - start
    raise LookupError(f"{pid} has not mapped {region}")


def _replace(agent: Agent, region: Path, *, keep: bool) -> None:
    pid = agent.process.pid
    with _stopped(pid) as tracee, Path(f"/proc/{pid}/mem").open("r+b", buffering=0) as memory:
        start, size = _region_of(pid, region)
        memory.seek(start)
        content = memory.read(size) if keep else b""
        placed = tracee.call(MMAP, start, size, READ_WRITE, PRIVATE_ANONYMOUS_FIXED, -1, 0)
        assert placed == start, placed
        memory.seek(start)
        memory.write(content)


def pull_device(agent: Agent, region: Path) -> None:
    """From now on the agent reads zeros, and what it writes vanishes."""
    _replace(agent, region, keep=False)


def make_private(agent: Agent, region: Path) -> None:
    """From now on the agent sees the region as it was, and nobody sees what it writes."""
    _replace(agent, region, keep=True)


def take_descriptor(pid: int, number: int) -> int:
    """A copy of another process's descriptor, for who may trace it. Raises OSError."""
    process = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        taken = int(libc.syscall(PIDFD_GETFD, process, number, 0))
        if taken < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        return taken
    finally:
        os.close(process)


def stop(agent: Agent) -> None:
    """Let the agent do nothing at all, until it goes on."""
    agent.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: stands_still(agent.process.pid), f"{agent.name} stands still")


def go_on(agent: Agent) -> None:
    """Let a stopped agent go on."""
    agent.process.send_signal(signal.SIGCONT)
