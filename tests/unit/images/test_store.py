"""The cache: whole or not there, whatever happened to it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from harness.errors import TestbedError, UsageError
from harness.images.store import MANIFEST, Store, digest_of


class Filler:
    """Makes the folder's content, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, folder: Path) -> dict[str, Any]:
        self.times += 1
        (folder / "kernel").write_bytes(b"kernel")
        return {"release": "6.1"}


def test_made_once_and_found_again(tmp_path: Path) -> None:
    store, fill = Store(tmp_path), Filler()
    assert store.make("x", fill, room=1) == store.make("x", fill, room=1) == {"release": "6.1"}
    assert fill.times == 1


@pytest.mark.parametrize("damage", ["flip", "cut", "lose", "no manifest", "garbage", "list"])
def test_a_damaged_folder_is_made_again(damage: str, tmp_path: Path) -> None:
    store, fill = Store(tmp_path), Filler()
    store.make("x", fill, room=1)
    kernel, manifest = tmp_path / "x/kernel", tmp_path / "x" / MANIFEST
    if damage == "flip":
        kernel.write_bytes(b"Kernel")
    elif damage == "cut":
        kernel.write_bytes(b"")
    elif damage == "lose":
        kernel.unlink()
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text({"garbage": "{", "list": "[1]"}[damage])
    assert store.find("x") is None
    store.make("x", fill, room=1)
    assert fill.times == 2 and store.find("x") == {"release": "6.1"}


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        (folder / "kernel").write_bytes(b"half")
        raise TestbedError("no")

    with pytest.raises(TestbedError):
        Store(tmp_path).make("x", fail, room=1)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_builder_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".new-abc/content").mkdir(parents=True)
    (tmp_path / "packages/.new-def").mkdir(parents=True)
    Store(tmp_path).make("x", Filler(), room=1)
    assert {path.name for path in tmp_path.iterdir()} == {"packages", "x"}
    assert list((tmp_path / "packages").iterdir()) == []


def test_two_builders_make_it_once(tmp_path: Path) -> None:
    fill = Filler()

    def build() -> None:
        store = Store(tmp_path)
        with store.lock(10):
            store.make("x", fill, room=1)

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fill.times == 1


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(5):
        store.make(f"image-{number}", Filler(), room=1)
    store.keep_newest("image-*", 2)
    assert len(list(tmp_path.glob("image-*"))) == 2


def test_parts_of_a_digest_are_kept_apart() -> None:
    assert digest_of([b"ab", b"c"]) != digest_of([b"a", b"bc"])


def test_a_cache_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TestbedError, match="cannot be made"):
        Store(tmp_path / "file" / "cache")


def test_a_disk_without_room_is_told_before_anything_is_made(tmp_path: Path) -> None:
    store, fill = Store(tmp_path), Filler()
    with pytest.raises(UsageError, match=r"MiB are free, and \d+ MiB are needed") as caught:
        store.make("x", fill, room=1 << 60)
    assert fill.times == 0 and caught.value.where == str(tmp_path)
    assert "TESTBED_CACHE" in caught.value.fix
    store.make("x", fill, room=1)
    assert store.make("x", fill, room=1 << 60) == {"release": "6.1"}  # what is there needs none
