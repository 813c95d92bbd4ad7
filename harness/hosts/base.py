"""What every host can do, however it is reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.run import Completed


@dataclass(frozen=True)
class SshTarget:
    """How a host is reached: everything that SSH, Ansible and libvirt need to know.

    `key` None means: whatever the user's own SSH agent and configuration offer. A `user` who is
    not root works by sudo. `peer_uri` is how other hosts reach its libvirtd; empty: like we do.
    """

    name: str
    address: str
    libvirt_uri: str
    known_hosts: Path
    key: Path | None = None
    port: int = 22
    user: str = "root"
    peer_uri: str = ""


class Host(Protocol):
    """A machine that runs guests."""

    @property
    def name(self) -> str:
        """The host's name in the topology."""

    @property
    def address(self) -> str:
        """Its address on the management network."""

    @property
    def libvirt_uri(self) -> str:
        """What to open to reach its libvirtd."""

    @property
    def peer_uri(self) -> str:
        """What another host opens to reach its libvirtd."""

    def run(
        self,
        argv: Sequence[str],
        *,
        within: float = 30.0,
        input: str | None = None,  # noqa: A002 - subprocess's own word
        check: bool = True,
    ) -> Completed:
        """Run a program there to its end.

        Raises CommandFailed on a non-zero exit code (unless `check` is false), DeadlineExceeded
        after `within` seconds, TestbedError when the host cannot be reached.
        """

    def put(self, local: Path, remote: str, *, mode: int = 0o644) -> None:
        """Copy a file there; `remote` is the old file or the whole new one, never a part."""

    def get(self, remote: str, local: Path) -> None:
        """Copy a file from there."""

    def close(self) -> None:
        """Give the connection back."""
