"""Builds an image with a disk in two steps, each kept until what it was made from changes.

::

    distribution's packages              ──► root   installed, as an archive
    root, our own files, agent's package ──► disk   kernel, initrd, and a qcow2 with both in it

As with the other images, package versions are chosen when a root is made and stay until somebody
asks for newer ones.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.events import EventLog
from harness.images import content, cpio
from harness.images.apt import Runner
from harness.images.disk import initrd, layout, namespace, rootfs, tools
from harness.images.disk.archive import Member, tar
from harness.images.disk.deb import build_deb
from harness.images.disk.layout import Disk
from harness.images.disk.recipe import Additions, DiskRecipe
from harness.images.image import INITRD, KERNEL, Image
from harness.images.recipe import Source, read
from harness.images.store import Store, digest_of

ROOT, DISK = "root.tar", "disk.qcow2"
FINISH = "images/debian/finish"
LOCK_SECONDS, FINISH_SECONDS = 1800.0, 600.0
ROOTS_KEPT, DISKS_KEPT = 2, 4
ROOT_ROOM = DISK_ROOM = 1 << 30  # bytes; a disk is a sparse file until it is a qcow2


class DiskBuilder:
    """Builds the image of one recipe. A `bare` one has no agent, and nothing else of ours."""

    def __init__(
        self,
        recipe_file: Path,
        repository: Path,
        cache: Path,
        events: EventLog,
        run: Runner,
        *,
        bare: bool,
    ) -> None:
        self._recipe = read(recipe_file, DiskRecipe)
        self._recipe_text = recipe_file.read_bytes()
        self._repository, self._events, self._run, self._bare = repository, events, run, bare
        self._store = Store(cache / "disks")
        self._system = platform.freedesktop_os_release()

    def build(self, *, refresh: bool = False) -> Image:
        """The image, made or found. `refresh` asks for the newest packages."""
        root = f"root-{digest_of(self._parts_of_root())}"
        with self._store.lock(LOCK_SECONDS), tempfile.TemporaryDirectory() as work:
            if refresh:
                self._store.drop(root)
            package = None if self._bare else build_deb(self._repository, Path(work), self._run)
            facts = self._store.find(self._name(root, package))
            if facts is None:
                tools.require()
                self._make_root(root)
                facts = self._make_disk(root, package)
            return self._described(self._name(root, package), facts)

    def _parts_of_root(self) -> Iterator[bytes]:
        yield " ".join(self._packages()).encode()
        yield f"{self._system['ID']} {self._system.get('VERSION_ID', '')}".encode()
        yield (self._repository / rootfs.BOOTSTRAP).read_bytes()

    def _name(self, root: str, package: Path | None) -> str:
        """The disk's name: of all that it is made from."""
        return f"disk-{digest_of(self._parts_of_disk(root, package))}"

    def _parts_of_disk(self, root: str, package: Path | None) -> Iterator[bytes]:
        yield self._store.manifest(root) or b""
        yield package.read_bytes() if package else b""
        yield self._additions()
        yield "\n".join(self._removed()).encode()
        yield self._recipe_text
        for path in (FINISH, self._recipe.initrd.init):
            yield (self._repository / path).read_bytes()
        yield from (path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))

    def _make_root(self, name: str) -> None:
        if self._store.find(name) is None:
            with self._events.span("image.root", packages=list(self._packages())):
                self._store.make(name, self._fill_root, room=ROOT_ROOM)
            self._store.keep_newest("root-*", ROOTS_KEPT)

    def _packages(self) -> tuple[str, ...]:
        return self._recipe.packages_of(self._system["ID"])

    def _fill_root(self, folder: Path) -> dict[str, Any]:
        codename = self._system["VERSION_CODENAME"]
        rootfs.bootstrap(self._repository, codename, self._packages(), folder / ROOT, self._run)
        return {"packages": list(self._packages())}

    def _make_disk(self, root: str, package: Path | None) -> dict[str, Any]:
        name = self._name(root, package)

        def fill(folder: Path) -> dict[str, Any]:
            return self._fill_disk(folder, self._store.root / root / ROOT, package)

        with self._events.span("image.disk", image=name):
            facts = self._store.make(name, fill, room=DISK_ROOM)
        self._store.keep_newest("disk-*", DISKS_KEPT)
        return facts

    def _fill_disk(self, folder: Path, root: Path, package: Path | None) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            work = Path(place)
            unpacked = initrd.unpack(root, work, self._run)
            init = content.read_source(self._repository, Source(path=self._recipe.initrd.init))
            entries = initrd.entries(unpacked, init, self._recipe.initrd.modules)
            (folder / INITRD).write_bytes(cpio.archive(entries))
            (folder / KERNEL).write_bytes(content.kernel_file(unpacked).read_bytes())
            (work / "loader").write_text(layout.loader_configuration(self._recipe.arguments))
            raw = Disk(work / "disk.raw", self._recipe.size, self._run)
            raw.fill_boot(folder / KERNEL, folder / INITRD, work / "loader")
            self._finish(work, root, work / "disk.raw", package)
            raw.as_qcow2(folder / DISK)
            return {"kernel_release": unpacked.kernel_release}

    def _finish(self, work: Path, root: Path, disk: Path, package: Path | None) -> None:
        (work / "additions.tar").write_bytes(self._additions())
        (work / "removed").write_text("".join(f"{path}\n" for path in self._removed()))
        if package:
            shutil.copyfile(package, work / "agent.deb")
        argv = [str(self._repository / FINISH), str(work), str(root), str(disk)]
        argv += [str(layout.ROOT_START), str(layout.root_kib(self._recipe.size))]
        self._run(namespace.inside(argv), within=FINISH_SECONDS, env=namespace.environment())

    def _additions(self) -> bytes:
        """Our own files as an archive."""
        parts = (self._recipe.always, *(() if self._bare else (self._recipe.guest,)))
        return tar(member for part in parts for member in self._members(part))

    def _members(self, part: Additions) -> Iterator[Member]:
        for path, source in part.files.items():
            data = content.read_source(self._repository, source)
            yield Member(path, data, 0o755 if source.executable else 0o644)
        for path, text in part.texts.items():
            yield Member(path, text.encode())
        for path, target in part.links.items():
            yield Member(path, target=target)

    def _removed(self) -> tuple[str, ...]:
        return (*self._recipe.removed, *(self._recipe.removed_bare if self._bare else ()))

    def _described(self, name: str, facts: dict[str, Any]) -> Image:
        folder = self._store.root / name
        return Image(
            kernel=folder / KERNEL,
            initrd=folder / INITRD,
            disk=folder / DISK,
            digest=name.removeprefix("disk-"),
            kernel_release=facts["kernel_release"],
            kernel_arguments=(*self._recipe.arguments, *self._recipe.direct),
        )
