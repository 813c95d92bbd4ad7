"""A host that is this machine, as far as a test lets it: commands run here, by the real shell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness import run
from harness.errors import CommandFailed
from harness.hosts.fake import FakeHost
from harness.run import Completed


class LocalHost(FakeHost):
    """Runs commands here."""

    def run(
        self,
        argv: Sequence[str],
        *,
        within: float = 30.0,
        input: str | None = None,  # noqa: A002 - subprocess's own word
        check: bool = True,
    ) -> Completed:
        return run.run(argv, within=within, input=input, check=check)

    @contextmanager
    def holding(self, argv: Sequence[str], *, within: float = 10.0) -> Iterator[None]:
        """Like SshHost's: while the block lasts, or until we are killed."""
        process = run.spawn(argv, stdin=run.PIPE, stdout=run.PIPE, stderr=run.DEVNULL)
        assert process.stdout and process.stdin
        try:
            if not process.stdout.readline():
                raise CommandFailed(argv, process.wait(), "", "")
            yield
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait()
