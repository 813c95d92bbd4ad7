"""Stock programs for guests that have none: taken from the distribution's packages, as they are.

What a program needs comes with it, and lies in a folder of its own in the guest: `PREFIX/bin` and
`PREFIX/lib`.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import run
from harness.images.apt import Apt
from harness.images.elf import requirements
from harness.images.packages import Packages

PREFIX = "/opt/stock"
LIBRARIES = ("lib", "usr/lib")


@dataclass(frozen=True)
class Stock:
    """Programs by their paths in `packages`."""

    packages: Sequence[str]
    programs: Sequence[str]


def bundle(stock: Stock, cache: Path, archive: Path) -> None:
    """Make an archive to unpack at a guest's root. `cache` keeps the packages."""
    fetched = Packages(
        Apt(run.run, cache / "apt"), run.run, cache / "stock-packages", stock.packages
    )
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive, "w:gz") as made:
        root = Path(folder)
        fetched.unpack(fetched.fetch(refresh=False), root)
        for program in stock.programs:
            made.add((root / program).resolve(), f"{PREFIX}/bin/{Path(program).name}")
        for library in libraries(root, [root / program for program in stock.programs]):
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
