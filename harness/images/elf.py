"""What a dynamically linked program needs at run time, read from the program itself."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_NEEDED, DT_STRTAB = 0, 1, 5


@dataclass(frozen=True)
class Requirements:
    """The dynamic loader's path ("" for a static program) and the libraries' names."""

    interpreter: str
    libraries: tuple[str, ...]


@dataclass(frozen=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


def requirements(data: bytes) -> Requirements:
    """Of a 64-bit little-endian ELF file. Raises ValueError when it is no such file."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF file")
    try:
        segments = list(_segments(data))
        return Requirements(_interpreter(data, segments), tuple(_needed(data, segments)))
    except (struct.error, OverflowError, UnicodeDecodeError) as error:
        raise ValueError(f"a broken ELF file: {error}") from None


def _segments(data: bytes) -> Iterator[_Segment]:
    (start,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for index in range(count):
        kind, _flags, offset, address, _physical, length = struct.unpack_from(
            "<IIQQQQ", data, start + index * size
        )
        yield _Segment(kind, offset, address, length)


def _interpreter(data: bytes, segments: list[_Segment]) -> str:
    for segment in segments:
        if segment.kind == PT_INTERP:
            return _string(data, segment.offset)
    return ""


def _needed(data: bytes, segments: list[_Segment]) -> Iterator[str]:
    entries = [
        struct.unpack_from("<qQ", data, position)
        for segment in segments
        if segment.kind == PT_DYNAMIC
        for position in range(segment.offset, segment.offset + segment.size, 16)
    ]
    if not entries:
        return
    table = next((value for tag, value in entries if tag == DT_STRTAB), 0)
    strings = _file_offset(segments, table)
    for tag, value in entries:
        if tag == DT_NEEDED:
            yield _string(data, strings + value)
        if tag == DT_NULL:
            return


def _file_offset(segments: list[_Segment], address: int) -> int:
    for segment in segments:
        if segment.kind == PT_LOAD and 0 <= address - segment.address < segment.size:
            return address - segment.address + segment.offset
    raise ValueError(f"address {address:#x} lies in no segment")


def _string(data: bytes, offset: int) -> str:
    end = data.find(b"\0", offset)
    if end < 0:
        raise ValueError("a string without an end")
    return data[offset:end].decode()
