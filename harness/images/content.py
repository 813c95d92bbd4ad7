"""From unpacked packages and a recipe to the entries of the archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import TestbedError
from harness.images import cpio, elf, modules
from harness.images.apt import Runner
from harness.images.recipe import Recipe, Source

LIBRARY_FOLDER = "usr/lib/x86_64-linux-gnu"


class Unpacked:
    """A folder into which packages were unpacked, merged (usr/bin) or not (bin)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, path: str) -> Path:
        """A file by its name in the packages. Raises TestbedError when no package has it."""
        bare = path.removeprefix("usr/")
        for candidate in (self.root / "usr" / bare, self.root / bare):
            if candidate.is_file():
                return candidate
        raise TestbedError(
            f"no package has the file {path}",
            why="its name may be another one in this release of the distribution",
            fix="correct the recipe",
        )

    @property
    def kernel_release(self) -> str:
        """The release of the one kernel among the packages."""
        return self.find_modules().name

    def find_modules(self) -> Path:
        """lib/modules/RELEASE, or usr/lib/modules/RELEASE."""
        for folder in (self.root / "usr/lib/modules", self.root / "lib/modules"):
            for release in sorted(folder.glob("*")):
                return release
        raise TestbedError("the kernel package has no modules", fix="correct the recipe")


def from_packages(recipe: Recipe, unpacked: Unpacked, run: Runner) -> Iterator[cpio.Entry]:
    """What the distribution's packages give: modules, programs, their libraries, applets."""
    folder, release = unpacked.find_modules(), unpacked.kernel_release
    yield from modules_of(folder, release, recipe.kernel.modules, recipe.kernel.spare_modules)
    programs = {target: unpacked.find(path) for target, path in recipe.programs.items()}
    for target, path in programs.items():
        yield cpio.file(target, path.read_bytes(), 0o755)
    yield from _libraries(programs.values(), unpacked)
    for program, left_out in recipe.applets.items():
        yield from _applets(program, programs[program], left_out, run)
    yield from (cpio.symlink(path, target) for path, target in recipe.links.items())
    yield from (cpio.directory(path) for path in recipe.directories)


def from_repository(files: dict[str, Source], repository: Path) -> Iterator[cpio.Entry]:
    """What the project itself gives: its programs and scripts."""
    for target, source in files.items():
        mode = 0o755 if source.executable else 0o644
        yield cpio.file(target, read_source(repository, source), mode)


def read_source(repository: Path, source: Source) -> bytes:
    """A file of the repository. Raises TestbedError saying how to make one that is missing."""
    try:
        return (repository / source.path).read_bytes()
    except OSError as error:
        raise TestbedError(
            f"the image needs {source.path}",
            where=str(repository),
            why=error.strerror or str(error),
            fix=source.made_by or f"restore it: git checkout -- {source.path}",
        ) from None


def modules_of(
    folder: Path, release: str, names: Iterable[str], spare: Iterable[str] = ()
) -> Iterator[cpio.Entry]:
    """A kernel's modules of these names with all they need, from its lib/modules/RELEASE.

    The spare ones lie beside them and are not loaded at boot.
    """
    loaded = modules.needed(folder, names)
    found = modules.needed(folder, [*(module.name for module in loaded), *spare])
    target = f"usr/lib/modules/{release}"
    for module in found:
        yield cpio.file(f"{target}/{module.name}.ko", module.data)
    yield cpio.file(f"{target}/modules.dep", modules.dependency_file(found).encode())
    yield cpio.file("etc/modules", " ".join(module.name for module in loaded).encode() + b"\n")


@dataclass(frozen=True)
class Needed:
    """What programs load: libraries by name, loaders among them; and the loaders' own paths."""

    files: dict[str, bytes]
    loaders: frozenset[str]


def libraries_of(programs: Iterable[Path], unpacked: Unpacked) -> Needed:
    """Every library that the programs need, and that those need, and the dynamic loader."""
    loaders: set[str] = set()
    libraries: dict[str, bytes] = {}
    queue = [path.read_bytes() for path in programs]
    for data in queue:
        required = elf.requirements(data)
        loaders |= {required.interpreter} - {""}
        for name in required.libraries:
            if name not in libraries:
                libraries[name] = unpacked.find(f"{LIBRARY_FOLDER}/{name}").read_bytes()
                queue.append(libraries[name])
    for name in {PurePosixPath(path).name for path in loaders} - libraries.keys():
        libraries[name] = unpacked.find(f"{LIBRARY_FOLDER}/{name}").read_bytes()
    return Needed(libraries, frozenset(loaders))


def _libraries(programs: Iterable[Path], unpacked: Unpacked) -> Iterator[cpio.Entry]:
    """Them in their usual places."""
    needed = libraries_of(programs, unpacked)
    for name, data in needed.files.items():
        yield cpio.file(f"{LIBRARY_FOLDER}/{name}", data, 0o755)
    for path in needed.loaders:
        target = f"/{LIBRARY_FOLDER}/{PurePosixPath(path).name}"
        yield cpio.symlink(f"usr{path}", target)


def _applets(
    program: str, path: Path, left_out: Iterable[str], run: Runner
) -> Iterator[cpio.Entry]:
    folder, own = PurePosixPath(program).parent, PurePosixPath(program).name
    listed = run([str(path), "--list"]).stdout.split()
    for name in sorted({*listed} - {*left_out, own}):
        yield cpio.symlink(f"{folder}/{name}", own)


def kernel_file(unpacked: Unpacked) -> Path:
    """The kernel to boot."""
    return unpacked.find(f"boot/vmlinuz-{unpacked.kernel_release}")
