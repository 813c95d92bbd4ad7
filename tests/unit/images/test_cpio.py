"""The archive writer, read back by the system's own cpio where there is one, else by hand."""

from __future__ import annotations

import stat

import pytest

from harness.images import cpio


def members(data: bytes) -> list[tuple[str, list[int], bytes]]:
    """Every member of an archive: name, the thirteen numbers of its header, content."""
    found, at = [], 0
    while at < len(data):
        assert data[at : at + 6] == b"070701"
        numbers = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        size, name_size = numbers[6], numbers[11]
        name = data[at + 110 : at + 110 + name_size - 1].decode()
        body = (at + 110 + name_size + 3) & ~3
        found.append((name, numbers, data[body : body + size]))
        at = (body + size + 3) & ~3
    return found


def test_what_goes_in_comes_out() -> None:
    made = cpio.archive(
        [
            cpio.file("init", b"#!/bin/sh\n", 0o755),
            cpio.symlink("bin", "usr/bin"),
            cpio.character_device("dev/console", 5, 1),
        ]
    )
    found = {name: (numbers, body) for name, numbers, body in members(made)}
    assert list(found) == ["bin", "dev", "dev/console", "init", "TRAILER!!!"]
    assert found["init"][0][1] == stat.S_IFREG | 0o755 and found["init"][1] == b"#!/bin/sh\n"
    assert found["bin"][0][1] == stat.S_IFLNK | 0o777 and found["bin"][1] == b"usr/bin"
    assert found["dev/console"][0][9:11] == [5, 1]
    assert found["dev"][0][1] == stat.S_IFDIR | 0o755


def test_everything_belongs_to_root_and_has_no_time() -> None:
    for _, numbers, _ in members(cpio.archive([cpio.file("a/b/c", b"x")])):
        owner, group, time = numbers[2], numbers[3], numbers[5]
        assert (owner, group, time) == (0, 0, 0)


def test_the_order_of_entries_does_not_matter() -> None:
    one, two = cpio.file("b", b"2"), cpio.directory("a")
    assert cpio.archive([one, two]) == cpio.archive([two, one])


def test_inodes_differ_so_that_no_file_becomes_a_hard_link() -> None:
    made = members(cpio.archive([cpio.file(name, b"same") for name in "abc"]))
    inodes = [numbers[0] for name, numbers, _ in made if name != "TRAILER!!!"]
    assert len(set(inodes)) == len(inodes)


def test_a_directory_that_is_named_keeps_its_mode() -> None:
    made = members(cpio.archive([cpio.file("tmp/x", b""), cpio.directory("tmp", 0o1777)]))
    assert {name: numbers[1] for name, numbers, _ in made}["tmp"] == stat.S_IFDIR | 0o1777


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../b", "a\0b"])
def test_paths_stay_below_the_root(path: str) -> None:
    with pytest.raises(ValueError, match="no relative path"):
        cpio.file(path, b"")


def test_a_name_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="twice"):
        cpio.archive([cpio.file("a", b"1"), cpio.file("a", b"2")])
