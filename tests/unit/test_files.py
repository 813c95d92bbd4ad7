"""Copies into a guest and out of it, against a qemu-guest-agent made of a dictionary."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from harness.errors import TestbedError, UsageError
from harness.guests import files


class Domain:
    """A guest whose files are a dictionary; after `breaks_after` writes it takes no more."""

    where = "g1 on h1"

    def __init__(self, breaks_after: int = 1000, most: int = 1 << 20) -> None:
        self.files: dict[str, bytes] = {}
        self.modes: dict[str, str] = {}
        self.left, self.most = breaks_after, most
        self.path, self.offset = "", 0
        self.output = ("", 0)

    def guest_command(self, command: str, *, within: float, **said: Any) -> Any:
        return getattr(self, "_" + command.removeprefix("guest-").replace("-", "_"))(**said)

    def _file_open(self, path: str, mode: str) -> int:
        self.path, self.offset = path, 0
        if mode == "w":
            self.files[path] = b""
        return 1000

    def _file_write(self, **said: Any) -> dict[str, Any]:
        if not self.left:
            raise TestbedError("the guest's disk is full")
        self.left -= 1
        data = base64.b64decode(said["buf-b64"])[: self.most]
        self.files[self.path] += data
        return {"count": len(data), "eof": False}

    def _file_read(self, handle: int, count: int) -> dict[str, Any]:
        data = self.files[self.path][self.offset : self.offset + min(count, self.most)]
        self.offset += len(data)
        return {"buf-b64": base64.b64encode(data).decode(), "count": len(data), "eof": not data}

    def _file_flush(self, handle: int) -> dict[str, Any]:
        return {}

    _file_close = _file_flush

    def _exec(self, path: str, arg: list[str], **_: Any) -> dict[str, int]:
        self.output = ("", 0)
        match path:
            case "stat":
                data = self.files.get(arg[-1])
                found = f"regular file:{len(data or b'')}:{self.modes.get(arg[-1], '644')}"
                self.output = (found, 0) if data is not None else ("", 1)
            case "chmod":
                self.modes[arg[1]] = arg[0]
            case "mv":
                self.files[arg[2]] = self.files.pop(arg[1])
                self.modes[arg[2]] = self.modes.pop(arg[1])
            case "rm":
                self.files.pop(arg[1], None)
        return {"pid": 1}

    def _exec_status(self, pid: int) -> dict[str, Any]:
        text, code = self.output
        out = base64.b64encode(text.encode()).decode()
        return {"exited": True, "exitcode": code, "out-data": out}


@pytest.mark.parametrize("size", [0, 1, files.CHUNK, 3 * files.CHUNK + 17])
def test_there_and_back_nothing_is_changed(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "a").write_bytes(data[:size])
    domain: Any = Domain(most=50_000)
    told: list[int] = []
    assert files.put(domain, tmp_path / "a", "/tmp/b", 0o751, told.append) == size
    assert sum(told) == size and list(domain.files) == ["/tmp/b"]
    assert files.get(domain, "/tmp/b", tmp_path / "c", told.append) == size
    assert (tmp_path / "c").read_bytes() == data[:size]
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o751
    assert sum(told) == 2 * size


def test_a_broken_copy_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(3 * files.CHUNK))
    domain: Any = Domain(breaks_after=1)
    domain.files["/tmp/b"] = b"old"
    with pytest.raises(TestbedError, match="disk is full"):
        files.put(domain, tmp_path / "a", "/tmp/b", 0o644, lambda _: None)
    assert domain.files == {"/tmp/b": b"old"}


def test_an_interrupted_copy_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    domain: Any = Domain()
    domain.files["/b"] = bytes(100)
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(KeyboardInterrupt):
        files.put(domain, tmp_path / "a", "/c", 0o644, interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.get(domain, "/b", tmp_path / "d", interrupt)
    assert list(domain.files) == ["/b"] and [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_file_that_shrinks_is_no_copy(tmp_path: Path) -> None:
    domain: Any = Domain()
    domain.files["/b"] = bytes(100)
    read = domain._file_read
    domain._file_read = lambda **said: {**read(**said), "buf-b64": ""}
    with pytest.raises(TestbedError, match="changed while it was copied"):
        files.get(domain, "/b", tmp_path / "d", lambda _: None)
    assert not list(tmp_path.iterdir())


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file to copy"):
        files.get(Domain(), "/absent", tmp_path / "d", lambda _: None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cannot be read"):
        files.put(Domain(), tmp_path / "absent", "/d", 0o644, lambda _: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [None, [], {"count": -1}, {"count": 9}, {"count": "1"}])
def test_an_answer_that_makes_no_sense_ends_the_copy(tmp_path: Path, answer: Any) -> None:
    (tmp_path / "a").write_bytes(b"x")
    domain: Any = Domain()
    domain._file_write = lambda **_: answer
    with pytest.raises(TestbedError):
        files.put(domain, tmp_path / "a", "/b", 0o644, lambda _: None)
    assert domain.files == {}
