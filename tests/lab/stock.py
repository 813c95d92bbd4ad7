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
from harness.images.apt import Apt, parse_depends
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


# ---- Python: compiled beforehand, for under emulation that takes minutes; without TLS ----

# Prints the files of the modules that a program has when it begins.
USED = "import sys, {}\nfor m in [*sys.modules.values()]: print(getattr(m, '__file__', None) or '')"
UNUSED = ("_ssl.*.so", "_hashlib.*.so")  # large libraries that no program here needs


def python_packages() -> tuple[str, ...]:
    """The interpreter that the distribution calls python3, and its library."""
    said = run.run(["apt-cache", "depends", "--important", "python3-minimal"], within=60).stdout
    minimal = next(name for name in parse_depends(said)["python3-minimal"] if "python3." in name)
    return minimal, f"lib{minimal.replace('minimal', 'stdlib')}", "zlib1g"


def bundle_python(root: Path, modules: Sequence[str], archive: Path) -> None:
    """Make an archive of the interpreter below `root` and of what these modules import."""
    interpreter = next((root / "usr/bin").glob("python3.*"))
    library = root / "usr/lib" / interpreter.name
    for extension in [file for name in UNUSED for file in library.glob(f"lib-dynload/{name}")]:
        extension.unlink()
    own = {"PYTHONHOME": str(root / "usr"), "PYTHONDONTWRITEBYTECODE": "1"}
    said = run.run([str(interpreter), "-c", USED.format(", ".join(modules))], within=60, env=own)
    files = [Path(line) for line in said.stdout.splitlines() if line]
    sources = [str(file) for file in files if file.suffix == ".py"]
    run.run([str(interpreter), "-m", "compileall", "-qb", *sources], within=120, env=own)
    with tarfile.open(archive, "w:gz") as made:
        made.add(interpreter, f"{PREFIX}/bin/python3")
        for file in files:
            there = file.with_suffix(".pyc") if file.suffix == ".py" else file
            made.add(there, f"{PREFIX}/lib/{interpreter.name}/{there.relative_to(library)}")
        extensions = [file for file in files if file.suffix == ".so"]
        for needed in libraries(root, [interpreter, *extensions]):
            made.add(needed.resolve(), f"{PREFIX}/lib/{needed.name}")
