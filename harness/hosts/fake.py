"""A host in memory, for tests of what stands on top of hosts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import CommandFailed, TestbedError
from harness.run import Completed

Answer = Callable[[Sequence[str], str | None], Completed | None]


class FakeHost:
    """Answers commands by `answer`, keeps files in `files`, and remembers every call.

    A command that `answer` does not know (it returns None) fails like one that is not installed.
    `reachable` false makes every call fail like a host whose cable is pulled.
    """

    def __init__(self, name: str, answer: Answer | None = None) -> None:
        self.name, self.address = name, f"fake-{name}"
        self.libvirt_uri = self.peer_uri = "test:///default"
        self.reachable = True
        self.calls: list[tuple[str, ...]] = []
        self.files: dict[str, tuple[bytes, int]] = {}
        self._answer = answer

    def run(
        self,
        argv: Sequence[str],
        *,
        within: float = 30.0,  # noqa: ARG002 - a fake answers at once
        input: str | None = None,  # noqa: A002 - subprocess's own word
        check: bool = True,
    ) -> Completed:
        """Remember the call and answer it."""
        self._reach()
        self.calls.append(tuple(argv))
        done = self._answer(argv, input) if self._answer else None
        if done is None:
            done = Completed(tuple(argv), 127, "", f"{argv[0]}: command not found")
        if check and done.returncode:
            raise CommandFailed(argv, done.returncode, done.stdout, done.stderr, where=self.name)
        return done

    def put(self, local: Path, remote: str, *, mode: int = 0o644) -> None:
        """Keep the file's content."""
        self._reach()
        self.files[remote] = (local.read_bytes(), mode)

    def get(self, remote: str, local: Path) -> None:
        """Write what is kept."""
        self._reach()
        if remote not in self.files:
            raise TestbedError(f"copying {remote} failed", where=self.name, why="no such file")
        local.write_bytes(self.files[remote][0])

    def close(self) -> None:
        """Nothing to give back."""

    def _reach(self) -> None:
        if not self.reachable:
            raise TestbedError("the host cannot be reached over SSH", where=self.name)
