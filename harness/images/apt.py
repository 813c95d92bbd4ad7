"""Packages of this machine's distribution, fetched with its own apt and without root.

The machine's package lists serve when they are there. When they are missing or too old (a
version they name is gone from the mirror), lists of our own are fetched into the cache.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import TestbedError
from harness.images.store import UNFINISHED
from harness.run import Completed

Runner = Callable[..., Completed]

# A library a program may load, or the part of the kernel that a kernel package stands for.
FOLLOWED = re.compile(r"lib(?!.*-perl$)[a-z0-9+.-]+|linux-(image|modules)-[0-9][a-z0-9+.-]*")
UPDATE_SECONDS, DOWNLOAD_SECONDS, QUERY_SECONDS = 180.0, 600.0, 60.0


@dataclass(frozen=True, order=True)
class Package:
    """A package in the version that was chosen."""

    name: str
    version: str

    @property
    def pattern(self) -> str:
        """Matches the file name that apt gives it; only the architecture is left open."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_*.deb"


def parse_depends(text: str) -> dict[str, list[str]]:
    """The output of ``apt-cache depends``: each package with what it depends on."""
    graph: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if line and not line[0].isspace():
            current = graph.setdefault(line.strip(), [])
        elif match := re.fullmatch(r"[ |]+(?:Pre)?Depends: (\S+)", line):
            current.append(match[1])
    return graph


def closure(graph: Mapping[str, Sequence[str]], roots: Iterable[str]) -> list[str]:
    """The roots, and all that they depend on as far as it is FOLLOWED."""
    found: dict[str, None] = dict.fromkeys(roots)
    for name in (queue := list(found)):
        for needed in graph.get(name, ()):
            if needed not in found and FOLLOWED.fullmatch(needed):
                found[needed] = None
                queue.append(needed)
    return list(found)


def parse_candidates(text: str) -> dict[str, str]:
    """The output of ``apt-cache policy``: the version that an installation would choose."""
    found = re.findall(r"^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)$", text, re.MULTILINE)
    return {name: version for name, version in found if version != "(none)"}


class Apt:
    """Queries and downloads; `lists` is where lists of our own are kept."""

    def __init__(self, run: Runner, lists: Path) -> None:
        self._run, self._lists = run, lists
        self._options: tuple[str, ...] = ("-o", "APT::Sandbox::User=root")

    def refresh(self) -> None:
        """Fetch lists of our own, and use them from now on."""
        for folder in ("lists/partial", "cache/archives/partial"):
            (self._lists / folder).mkdir(parents=True, exist_ok=True)
        self._options = (
            *("-o", "APT::Sandbox::User=root"),
            *("-o", f"Dir::State::lists={self._lists}/lists"),
            *("-o", f"Dir::Cache={self._lists}/cache"),
        )
        # An update that reached no mirror only warns, unless it is told to fail.
        strict = ("-o", "APT::Update::Error-Mode=any")
        self._run(["apt-get", *self._options, *strict, "update"], within=UPDATE_SECONDS)

    def resolve(self, roots: Sequence[str]) -> list[Package]:
        """The packages and all the libraries they may need, in the versions to be had now."""
        depends = self._query("depends", "--recurse", "--important", *roots)
        names = closure(parse_depends(depends), roots)
        versions = parse_candidates(self._query("policy", *names))
        if missing := [name for name in roots if name not in versions]:
            raise TestbedError(f"apt knows no package {', '.join(missing)}")
        return sorted(Package(name, versions[name]) for name in names if name in versions)

    def download(self, packages: Sequence[Package], to: Path) -> None:
        """Put the packages' files there; one that is there already is not fetched again."""
        to.mkdir(parents=True, exist_ok=True)
        wanted = [package for package in packages if not any(to.glob(package.pattern))]
        if not wanted:
            return
        with tempfile.TemporaryDirectory(dir=to, prefix=UNFINISHED) as folder:
            names = [f"{package.name}={package.version}" for package in wanted]
            argv = ["apt-get", *self._options, "download", *names]
            self._run(argv, cwd=Path(folder), within=DOWNLOAD_SECONDS)
            for file in Path(folder).glob("*.deb"):
                file.replace(to / file.name)

    def _query(self, *arguments: str) -> str:
        return self._run(["apt-cache", *self._options, *arguments], within=QUERY_SECONDS).stdout
