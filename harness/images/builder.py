"""Builds an image in two steps, each kept until what it was made from changes.

::

    recipe, distribution's packages ──► base    the kernel, and an archive of what they give
    base, the project's own files   ──► image   the kernel, and that archive with ours behind it

The kernel unpacks archives that simply follow each other, so a new agent costs one small
archive. Package versions are chosen when a base is made and stay until somebody asks for newer
ones: a warm build runs no program at all.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.events import EventLog
from harness.images import content, cpio, recipe
from harness.images.apt import Apt, Runner
from harness.images.content import Unpacked
from harness.images.image import INITRD, KERNEL, Image
from harness.images.packages import Packages
from harness.images.store import Store, digest_of

LOCK_SECONDS = 600.0
BASES_KEPT, IMAGES_KEPT = 2, 8
BASE_ROOM, IMAGE_ROOM = 512 << 20, 64 << 20  # bytes; packages are unpacked for a base
ARCHIVE = "archive"


class Builder:
    """Builds the image of one recipe, which names its files relative to `repository`."""

    def __init__(
        self, recipe_file: Path, repository: Path, cache: Path, events: EventLog, run: Runner
    ) -> None:
        self._recipe = recipe.load(recipe_file)
        self._recipe_text = recipe_file.read_bytes()
        self._repository, self._events, self._run = repository, events, run
        self._store = Store(cache / "images")
        system = platform.freedesktop_os_release()
        self._distribution = system["ID"]
        self._release = f"{system['ID']} {system.get('VERSION_ID', '')}"

    def build(self, *, refresh: bool = False) -> Image:
        """The image, made or found. `refresh` asks for the newest packages."""
        base = f"base-{digest_of((self._recipe_text, self._release.encode(), *_sources()))}"
        with self._store.lock(LOCK_SECONDS):
            if refresh:
                self._store.drop(base)
            if self._store.manifest(base) is None:
                self._make_base(base, refresh)
            facts = self._store.find(self._image_of(base))
            if facts is None:
                self._make_base(base, refresh)  # nothing to do, unless it was damaged
                facts = self._make_image(base)
            return self._described(self._image_of(base), facts)

    def _image_of(self, base: str) -> str:
        manifest = self._store.manifest(base) or b""
        return f"image-{digest_of((manifest, *self._own_files()))}"

    def _described(self, name: str, facts: dict[str, Any]) -> Image:
        folder = self._store.root / name
        return Image(
            kernel=folder / KERNEL,
            initrd=folder / INITRD,
            digest=name.removeprefix("image-"),
            kernel_release=facts["kernel_release"],
            kernel_arguments=self._recipe.kernel.arguments,
        )

    def _make_base(self, name: str, refresh: bool) -> None:
        self._store.make(name, lambda folder: self._fill_base(folder, refresh), room=BASE_ROOM)
        self._store.keep_newest("base-*", BASES_KEPT)

    def _fill_base(self, folder: Path, refresh: bool) -> dict[str, Any]:
        roots = (self._recipe.kernel_package(self._distribution), *self._recipe.packages)
        apt = Apt(self._run, self._store.root / "apt")
        packages = Packages(apt, self._run, self._store.root / "packages", roots)
        with self._events.span("image.packages", roots=list(roots)):
            chosen = packages.fetch(refresh=refresh)
        with self._events.span("image.base"), tempfile.TemporaryDirectory(dir=folder) as place:
            unpacked = Unpacked(Path(place))
            packages.unpack(chosen, unpacked.root)
            entries = content.from_packages(self._recipe, unpacked, self._run)
            (folder / ARCHIVE).write_bytes(cpio.archive(entries))
            (folder / KERNEL).write_bytes(content.kernel_file(unpacked).read_bytes())
            release = unpacked.kernel_release
        return {"kernel_release": release, "packages": [asdict(package) for package in chosen]}

    def _make_image(self, base: str) -> dict[str, Any]:
        name = self._image_of(base)
        with self._events.span("image.assemble", image=name):
            facts = self._store.make(
                name, lambda folder: self._fill_image(folder, base), room=IMAGE_ROOM
            )
        self._store.keep_newest("image-*", IMAGES_KEPT)
        return facts

    def _fill_image(self, folder: Path, base: str) -> dict[str, Any]:
        from_packages = self._store.root / base
        own = cpio.archive(content.from_repository(self._recipe.files, self._repository))
        (folder / INITRD).write_bytes((from_packages / ARCHIVE).read_bytes() + own)
        (folder / KERNEL).hardlink_to(from_packages / KERNEL)
        return self._store.find(base) or {}

    def _own_files(self) -> Iterator[bytes]:
        for source in self._recipe.files.values():
            yield content.read_source(self._repository, source)


def _sources() -> Iterator[bytes]:
    """This package's own code: what another builder made is not taken for ours."""
    return (path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
