"""Kernel modules: which files a list of names needs, and in which order they load."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import zstandard

from harness.errors import TestbedError

DEPENDS = re.compile(rb"(?:^|\0)depends=([a-zA-Z0-9_,-]*)\0")


@dataclass(frozen=True)
class Module:
    """A module's canonical name, its uncompressed content, and the modules it needs."""

    name: str
    data: bytes
    depends: tuple[str, ...]


def canonical(name: str) -> str:
    """The kernel's own spelling: file names may have a hyphen instead."""
    return name.replace("-", "_")


def depends_of(data: bytes) -> tuple[str, ...]:
    """What the module says it needs, from its .modinfo section."""
    found = DEPENDS.search(data)
    names = found[1].decode().split(",") if found else []
    return tuple(canonical(name) for name in names if name)


def read(path: Path) -> bytes:
    """A module file's content, whichever way the distribution compresses it."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".zst":
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return data


def needed(folder: Path, names: Iterable[str]) -> list[Module]:
    """The modules, each behind all that it needs. What is built into the kernel is left out.

    `folder` is lib/modules/RELEASE as the kernel package has it. Raises TestbedError for a
    name that this kernel does not have.
    """
    files = {canonical(path.name.split(".ko")[0]): path for path in folder.rglob("*.ko*")}
    builtin = _builtin(folder)
    found: dict[str, Module] = {}
    for name in names:
        _add(canonical(name), files, builtin, found)
    return list(found.values())


def dependency_file(modules: Iterable[Module]) -> str:
    """modules.dep, as modprobe reads it: every module with all that must be loaded before."""
    by_name = {module.name: module for module in modules}
    return "".join(
        f"{_file(name)}: {' '.join(map(_file, _all_below(name, by_name)))}".rstrip() + "\n"
        for name in by_name
    )


def _file(name: str) -> str:
    return f"{name}.ko"


def _builtin(folder: Path) -> frozenset[str]:
    listed = folder / "modules.builtin"
    lines = listed.read_text().split() if listed.exists() else []
    return frozenset(canonical(Path(line).name.removesuffix(".ko")) for line in lines)


def _add(
    name: str, files: Mapping[str, Path], builtin: frozenset[str], found: dict[str, Module]
) -> None:
    if name in builtin or name in found:
        return
    if name not in files:
        raise TestbedError(
            f"the kernel has no module {name}",
            why="it is neither a file of the kernel package nor built in",
            fix="correct `modules` in the recipe",
        )
    data = read(files[name])
    module = Module(name, data, depends_of(data))
    for other in module.depends:
        _add(other, files, builtin, found)
    found[name] = module


def _all_below(name: str, by_name: Mapping[str, Module]) -> Iterator[str]:
    """Everything it needs, the nearest first: modprobe loads such a line from its end."""
    seen: dict[str, None] = {}
    queue = [other for other in by_name[name].depends if other in by_name]
    for other in queue:
        seen.pop(other, None)
        seen[other] = None
        queue.extend(below for below in by_name[other].depends if below in by_name)
    return iter(seen)
