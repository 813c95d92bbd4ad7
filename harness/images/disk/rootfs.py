"""The part of a disk that the distribution gives: its packages, installed, as an archive."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.errors import CommandFailed, TestbedError
from harness.images.apt import Runner
from harness.images.disk import namespace, sources

BOOTSTRAP = "images/debian/bootstrap"
BOOTSTRAP_SECONDS = 1800.0
ETC_APT = Path("/etc/apt")


def bootstrap(
    repository: Path, codename: str, packages: Sequence[str], to: Path, run: Runner
) -> None:
    """Install the packages; `to` becomes the archive. Raises TestbedError when that fails."""
    with tempfile.TemporaryDirectory(dir=to.parent) as place:
        _write_sources(Path(place), codename, run)
        argv = [str(repository / BOOTSTRAP), place, codename, ",".join(packages), str(to)]
        try:
            run(namespace.inside(argv), within=BOOTSTRAP_SECONDS, env=namespace.environment())
        except CommandFailed as error:
            raise TestbedError(
                "the image's packages cannot be installed",
                where=", ".join(packages),
                why=_last_lines(error.why),
                fix="see that apt-get update reaches its mirror (network, proxy), then try again",
            ) from error


def _write_sources(work: Path, codename: str, run: Runner) -> None:
    (work / "sources").mkdir()
    for name, text in sources.machines_own(ETC_APT, codename).items():
        (work / "sources" / name).write_text(text)
    (work / "apt.conf").write_text(sources.settings(run(["apt-config", "dump"]).stdout))


def _last_lines(said: str) -> str:
    """apt explains itself at great length; what counts stands at the end."""
    return " | ".join(said.strip().splitlines()[-4:])
