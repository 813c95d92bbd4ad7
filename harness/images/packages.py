"""Getting a recipe's packages onto the disk: chosen, fetched, unpacked, mended when damaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.errors import CommandFailed, TestbedError
from harness.images.apt import Apt, Package, Runner

UNPACK_SECONDS = 120.0


class Packages:
    """The packages of one recipe. `files` is where their files are kept."""

    def __init__(self, apt: Apt, run: Runner, files: Path, roots: Sequence[str]) -> None:
        self._apt, self._run, self._files, self._roots = apt, run, files, tuple(roots)

    def fetch(self, *, refresh: bool) -> list[Package]:
        """Choose and download. The machine's own package lists serve, unless they are too old
        or missing, or `refresh` asks for new ones."""
        if not refresh:
            try:
                return self._choose_and_download()
            except TestbedError:
                pass  # whatever was wrong with these lists: new ones may know better
        try:
            self._apt.refresh()
            return self._choose_and_download()
        except TestbedError as error:
            raise TestbedError(
                "the image's packages cannot be had",
                where=", ".join(self._roots),
                why=_last_lines(error),
                fix="see that apt-get reaches its mirror (network, proxy), then try again",
            ) from error

    def unpack(self, packages: Sequence[Package], to: Path) -> None:
        """Unpack them all; files that prove damaged are fetched once more."""
        try:
            self._unpack(packages, to)
        except CommandFailed:
            for file in self._of(packages):
                file.unlink()
            self._apt.download(packages, self._files)
            self._unpack(packages, to)

    def _choose_and_download(self) -> list[Package]:
        packages = self._apt.resolve(self._roots)
        self._apt.download(packages, self._files)
        return packages

    def _unpack(self, packages: Sequence[Package], to: Path) -> None:
        for file in self._of(packages):
            self._run(["dpkg-deb", "-x", str(file), str(to)], within=UNPACK_SECONDS)

    def _of(self, packages: Sequence[Package]) -> list[Path]:
        return [file for package in packages for file in self._files.glob(package.pattern)]


def _last_lines(error: TestbedError) -> str:
    """apt explains itself at great length; what counts stands at the end."""
    return " | ".join((error.why or error.what).strip().splitlines()[-3:])
