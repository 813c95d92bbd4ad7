"""A testbed, its guests and hosts, as a test sees them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from harness import clock
from harness.errors import SubjectFailed, TestbedError, UsageError
from harness.pytest_plugin.invariants import Watch
from harness.pytest_plugin.traffic import Traffic

if TYPE_CHECKING:
    from harness.model.result import Migration
    from harness.pytest_plugin.contract import Standing, Steward
    from harness.run import Completed

__tracebackhide__ = True  # a failure shows the test, not us
POLL_SECONDS = 0.2
LAST_CHARACTERS = 2000


class ExpectationFailed(SubjectFailed, AssertionError):
    """A command in a guest or on a host ended otherwise than the test expects."""


class _Commands:
    """The verbs that a guest and a host share. Commands are shell commands, as root."""

    name: str

    def exec(self, argv: Sequence[str], *, within: float = 30.0) -> Completed:
        """Run a program to its end, without a shell; any exit code is fine."""
        raise NotImplementedError

    def succeed(self, command: str, *, within: float = 30.0) -> str:
        """Run it; gives what it printed. Raises ExpectationFailed when its exit code is not 0."""
        done = self.exec(["sh", "-c", command], within=within)
        if done.returncode:
            raise _unexpected(self.name, command, done, "exit code 0")
        return done.stdout

    def fail(self, command: str, *, within: float = 30.0) -> str:
        """Run it; gives what it printed. Raises ExpectationFailed when its exit code is 0."""
        done = self.exec(["sh", "-c", command], within=within)
        if not done.returncode:
            raise _unexpected(self.name, command, done, "a failure")
        return done.stdout + done.stderr

    def wait_until_succeeds(self, command: str, *, within: float = 60.0) -> str:
        """Run it again and again until its exit code is 0; gives what it printed then.

        Raises ExpectationFailed with its last words after `within` seconds.
        """
        deadline = clock.Deadline(within)
        while True:
            late = deadline.expired
            done = self.exec(["sh", "-c", command], within=max(deadline.left(), 1.0))
            if not done.returncode:
                return done.stdout
            if late:
                raise _unexpected(self.name, command, done, f"success within {within:g} s")
            clock.sleep(min(POLL_SECONDS, deadline.left()))


class Guest(_Commands):
    """A virtual machine."""

    def __init__(self, testbed: Testbed, name: str) -> None:
        self._testbed, self.name = testbed, name

    def __repr__(self) -> str:
        return f"<guest {self.name}>"

    @property
    def host(self) -> str:
        """The name of the host it runs on now. Raises TestbedError when it runs nowhere."""
        place = self._testbed.places.get(self.name)
        if place is None:
            raise TestbedError(f"{self.name} no longer runs on any host")
        return place

    def exec(self, argv: Sequence[str], *, within: float = 30.0) -> Completed:
        """Run a program in it to its end, without a shell; any exit code is fine."""
        done = self._testbed.steward.run_in_guest(self.name, list(argv), within)
        self._testbed.check()
        return done

    def start(self, argv: Sequence[str]) -> int:
        """Start a program in it and leave it running; gives its pid."""
        self._testbed.check()
        return self._testbed.steward.start_in_guest(self.name, list(argv))

    def migrate(self, *, to: str, bandwidth_mib: int = 0) -> Migration:
        """Move it to the host `to` with its streams open, at most so many MiB/s (0: no limit).

        Raises UsageError when it cannot go there, TestbedError when the move failed; either way it
        runs and its streams are open.
        """
        self._testbed.host(to)
        moved = self._testbed.steward.migrate(self.name, to, bandwidth_mib)
        self._testbed.check()
        return moved


class Host(_Commands):
    """A machine that runs guests."""

    def __init__(self, testbed: Testbed, name: str) -> None:
        self._testbed, self.name = testbed, name

    def __repr__(self) -> str:
        return f"<host {self.name}>"

    def exec(self, argv: Sequence[str], *, within: float = 30.0) -> Completed:
        """Run a program on it to its end, without a shell; any exit code is fine."""
        return self._testbed.steward.run_on_host(self.name, list(argv), within)

    @property
    def guests(self) -> list[Guest]:
        """The guests that run on it now."""
        places = self._testbed.places
        return [self._testbed.guest(name) for name, host in places.items() if host == self.name]


class Testbed:
    """Hosts and guests that stand for the whole session."""

    __test__ = False

    def __init__(self, steward: Steward, standing: Standing, seed: int) -> None:
        self.steward, self._standing = steward, standing
        self._seed, self._random = seed, random.Random(seed)
        self._watches: list[Watch] = []
        self._traffics = 0

    def __repr__(self) -> str:
        return f"<testbed {self.name}>"

    @property
    def name(self) -> str:
        """What `testbed ls` and the other commands call it."""
        return self._standing.name

    @property
    def accelerator(self) -> str:
        """How its guests run: "kvm", or emulated by "tcg"."""
        return self._standing.accelerator

    @property
    def versions(self) -> dict[str, str]:
        """libvirt, QEMU, kernels, CPU."""
        return dict(self._standing.versions)

    @property
    def facts(self) -> dict[str, str]:
        """What a report says about it."""
        return {"name": self.name, "accelerator": self.accelerator, **self.versions}

    @property
    def guests(self) -> list[Guest]:
        """All its guests, as the topology orders them."""
        return [Guest(self, name) for name in self._standing.homes]

    @property
    def hosts(self) -> list[Host]:
        """All its hosts, as the topology orders them."""
        return [Host(self, name) for name in self._standing.hosts]

    @property
    def places(self) -> dict[str, str]:
        """The host of each guest that runs."""
        return self.steward.places()

    def guest(self, name: str) -> Guest:
        """The guest of that name. Raises UsageError naming those there are."""
        _known("guest", name, self._standing.homes)
        return Guest(self, name)

    def host(self, name: str) -> Host:
        """The host of that name. Raises UsageError naming those there are."""
        _known("host", name, self._standing.hosts)
        return Host(self, name)

    def traffic(
        self, first: Guest, second: Guest, *, streams: int = 2, seed: int | None = None
    ) -> Traffic:
        """Verified streams between two guests that share a grant; they run while its block does.

        The seed follows from the session's and the test's name, so a test repeats its bytes.
        """
        self._traffics += 1
        return Traffic(
            self.steward,
            f"t{self._traffics}",
            (first.name, second.name),
            seed=self._random.getrandbits(31) if seed is None else seed,
            streams=streams,
            watches=self._watches,
        )

    def begin(self, test: str) -> None:
        """A test begins: its seeds follow from its name, whatever ran before it."""
        self._random = random.Random(f"{self._seed} {test}")

    def check(self) -> None:
        """Raises PromiseBroken when a promise that is being watched did not hold."""
        for watch in self._watches:
            watch.check()


def _known(kind: str, name: str, valid: Iterable[str]) -> None:
    if name not in valid:
        raise UsageError(f"there is no {kind} {name!r}", fix=f"choose one of {', '.join(valid)}")


def _unexpected(where: str, command: str, done: Completed, wanted: str) -> ExpectationFailed:
    said = (done.stderr.strip() or done.stdout.strip() or "it printed nothing")[-LAST_CHARACTERS:]
    what = f"`{command}` ended with exit code {done.returncode}, expected {wanted}"
    return ExpectationFailed(what, where=where, why=said)
