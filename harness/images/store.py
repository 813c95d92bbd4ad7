"""The cache of images: folders that are whole or not there, named by what they were made from."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import filelock

from harness.errors import TestbedError, UsageError

MANIFEST = "manifest.json"
UNFINISHED = ".new-"


def digest_of(parts: Iterable[bytes]) -> str:
    """A name for content: parts are kept apart, so that moving a byte between two shows."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "little") + part)
    return whole.hexdigest()[:20]


class Store:
    """Folders of files, each with a manifest that proves it whole."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TestbedError(
                "the image cache cannot be made",
                where=str(root),
                why=error.strerror or str(error),
                fix="set TESTBED_CACHE to a folder of yours",
            ) from None

    def lock(self, within: float) -> filelock.BaseFileLock:
        """Held by whoever builds; a second builder waits, then finds what the first made."""
        return filelock.FileLock(self.root / ".lock", timeout=within)

    def manifest(self, name: str) -> bytes | None:
        """A folder's manifest as it stands, or None. Proves nothing about the other files."""
        try:
            return (self.root / name / MANIFEST).read_bytes()
        except OSError:
            return None

    def find(self, name: str) -> dict[str, Any] | None:
        """The facts stored with a folder, or None when it is missing, partial or damaged."""
        folder = self.root / name
        try:
            manifest = json.loads(self.manifest(name) or b"")
            files = manifest["files"].items()
            whole = all(_hash(folder / file) == hashed for file, hashed in files)
            return dict(manifest["facts"]) if whole else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def make(
        self, name: str, fill: Callable[[Path], dict[str, Any]], *, room: int
    ) -> dict[str, Any]:
        """Find the folder, or have `fill` write its files and return its facts. Needs the lock.

        Raises UsageError when fewer than `room` bytes are free: so many it takes while it grows.
        """
        facts = self.find(name)
        if facts is not None:
            return facts
        self._sweep()
        self._require(room)
        with tempfile.TemporaryDirectory(dir=self.root, prefix=UNFINISHED) as folder:
            fresh = Path(folder) / "content"
            fresh.mkdir()
            facts = fill(fresh)
            files = {path.name: _hash(path) for path in sorted(fresh.iterdir())}
            manifest = {"files": files, "facts": facts}
            (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
            self.drop(name)
            fresh.replace(self.root / name)
        return facts

    def drop(self, name: str) -> None:
        """Forget a folder; one that is not there is fine."""
        shutil.rmtree(self.root / name, ignore_errors=True)

    def keep_newest(self, pattern: str, count: int) -> None:
        """Drop the oldest folders of that kind."""
        folders = sorted(self.root.glob(pattern), key=lambda path: path.stat().st_mtime)
        for folder in folders[:-count]:
            shutil.rmtree(folder, ignore_errors=True)

    def _require(self, room: int) -> None:
        free = shutil.disk_usage(self.root).free
        if free < room:
            raise UsageError(
                "the disk has no room for the image",
                where=str(self.root),
                why=f"{free >> 20} MiB are free, and {room >> 20} MiB are needed to make it",
                fix="remove something there, or set TESTBED_CACHE to a folder on a larger disk",
            )

    def _sweep(self) -> None:
        """Remove what a builder that was killed had not finished."""
        for folder in (*self.root.glob(f"{UNFINISHED}*"), *self.root.glob(f"*/{UNFINISHED}*")):
            shutil.rmtree(folder, ignore_errors=True)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
