"""Stock programs for guests that have none: taken from the distribution's packages, as they are.

What a program needs comes with it, and lies in a folder of its own in the guest: `PREFIX/bin` and
`PREFIX/lib`.
"""

from __future__ import annotations

import contextlib
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness import run
from harness.images.apt import Apt
from harness.images.elf import requirements
from harness.images.packages import Packages

PREFIX = "/opt/stock"
LIBRARIES = ("lib", "usr/lib")


@contextlib.contextmanager
def unpacked(packages: Sequence[str], cache: Path) -> Iterator[Path]:
    """A folder with the files of these packages and of their libraries. `cache` keeps packages."""
    fetched = Packages(Apt(run.run, cache / "apt"), run.run, cache / "stock-packages", packages)
    with tempfile.TemporaryDirectory() as folder:
        fetched.unpack(fetched.fetch(refresh=False), Path(folder))
        yield Path(folder)


def bundle(root: Path, programs: Sequence[str], archive: Path) -> None:
    """Make an archive to unpack at a guest's root, of programs by their paths below `root`."""
    with tarfile.open(archive, "w:gz") as made:
        for program in programs:
            made.add((root / program).resolve(), f"{PREFIX}/bin/{Path(program).name}")
        for library in libraries(root, [root / program for program in programs]):
            made.add(library.resolve(), f"{PREFIX}/lib/{library.name}")


def libraries(root: Path, programs: Sequence[Path]) -> Iterator[Path]:
    """Every library that one of them loads, directly or through another."""
    there = {file.name: file for part in LIBRARIES for file in (root / part).glob("**/*.so*")}
    seen: set[str] = set()
    queue = list(programs)
    for file in queue:
        for name in requirements(file.resolve().read_bytes()).libraries:
            if name in there and name not in seen:
                seen.add(name)
                queue.append(there[name])
                yield there[name]
