"""The agent as a Debian package: built without root, and the same bytes from the same files."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.errors import TestbedError
from harness.images import content
from harness.images.apt import Runner
from harness.images.recipe import Part, Source, read

RECIPE = "guest-agent/packaging/recipe.yaml"
BUILD_SECONDS = 60.0
VERSION = re.compile(r'#define AGENT_VERSION "([0-9][0-9A-Za-z.+~]*)"')
EPOCH = "1704067200"  # of every file in it: 2024-01-01, for want of a time that means something


class DebRecipe(Part):
    """What the package is made of. `files` have the machine's paths as keys."""

    name: str
    version_from: str
    fields: dict[str, str]
    files: dict[str, Source]
    scripts: dict[str, str]


def control(recipe: DebRecipe, version: str) -> str:
    """The package's control file."""
    named = {"Package": recipe.name, "Version": version, **recipe.fields}
    return "".join(f"{field}: {value}\n" for field, value in named.items())


def file_name(recipe: DebRecipe, version: str) -> str:
    """The package's name as apt writes it."""
    return f"{recipe.name}_{version}_{recipe.fields['Architecture']}.deb"


def build_deb(repository: Path, to: Path, run: Runner) -> Path:
    """Build the package into the folder `to`. Raises TestbedError saying what is missing."""
    recipe = read(repository / RECIPE, DebRecipe)
    version = _version(repository, recipe)
    to.mkdir(parents=True, exist_ok=True)
    made = to / file_name(recipe, version)
    with tempfile.TemporaryDirectory(dir=to) as place:
        _lay_out(_contents(recipe, repository, version), Path(place))
        options = ("--root-owner-group", "-Zgzip")
        argv = ["dpkg-deb", *options, "--build", place, str(made)]
        run(argv, within=BUILD_SECONDS, env={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": EPOCH})
    return made


def _version(repository: Path, recipe: DebRecipe) -> str:
    """What the agent itself says when it is asked."""
    header = content.read_source(repository, Source(path=recipe.version_from)).decode()
    found = VERSION.search(header)
    if found is None:
        raise TestbedError(
            "the agent's version is not known",
            where=recipe.version_from,
            why="no line of it defines AGENT_VERSION",
            fix=f"correct version_from in {RECIPE}",
        )
    return found[1]


def _contents(
    recipe: DebRecipe, repository: Path, version: str
) -> Mapping[str, tuple[bytes, bool]]:
    """Every file of the package: what is in it, and whether it is a program."""
    files = {
        path: (content.read_source(repository, source), source.executable)
        for path, source in recipe.files.items()
    }
    scripts = {
        f"DEBIAN/{name}": (content.read_source(repository, Source(path=path)), True)
        for name, path in recipe.scripts.items()
    }
    return {**files, **scripts, "DEBIAN/control": (control(recipe, version).encode(), False)}


def _lay_out(files: Mapping[str, tuple[bytes, bool]], root: Path) -> None:
    """Write them below `root`, with modes that no umask changes."""
    for path, (data, executable) in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o755 if executable else 0o644)
    for folder in (root, *filter(Path.is_dir, root.rglob("*"))):
        folder.chmod(0o755)
