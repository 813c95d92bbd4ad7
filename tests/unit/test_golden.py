"""The ABI of regions and messages, read from the golden vectors a second, independent time."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.agent.sealing import Seal, agree, key_id, public

GOLDEN = Path(__file__).parents[1] / "golden"
REGION: dict[str, Any] = json.loads((GOLDEN / "region.json").read_text())
WIRE: dict[str, Any] = json.loads((GOLDEN / "wire.json").read_text())
MESSAGES: list[dict[str, Any]] = WIRE["messages"]
SEALING: dict[str, Any] = WIRE["sealing"]

FRAMES: list[dict[str, Any]] = json.loads((GOLDEN / "relay.json").read_text())["frames"]

HEADER = struct.Struct("<HBBIIIQQ")
SLOT = struct.Struct("<IIQQ")
OPENING = struct.Struct("<IIIIQQ")
MARK = struct.Struct("<IIQ")
PREPARE = struct.Struct("<II16s")
REASON_SIZE = 96


def test_region_header() -> None:
    data = bytes.fromhex(REGION["header"]["hex"])
    magic, version, size, region_size, nonce, generation, lower, higher = struct.unpack_from(
        "<8sIIQ16sQII", data
    )
    assert len(data) == size == 192
    assert REGION["header"]["fields"] == {
        "magic": magic.rstrip(b"\0").decode(),
        "abi_version": version,
        "header_size": size,
        "region_size": region_size,
        "nonce": nonce.hex(),
        "generation": generation,
        "lower_id": lower,
        "higher_id": higher,
        "lower_heartbeat": struct.unpack_from("<Q", data, 64)[0],
        "higher_heartbeat": struct.unpack_from("<Q", data, 128)[0],
    }


def test_ring_control_block() -> None:
    data = bytes.fromhex(REGION["ring"]["hex"])
    produced, producer_asleep = struct.unpack_from("<QI", data)
    consumed, consumer_asleep = struct.unpack_from("<QI", data, 128)
    assert len(data) == 256
    assert REGION["ring"]["fields"] == {
        "produced": produced,
        "producer_asleep": producer_asleep,
        "consumed": consumed,
        "consumer_asleep": consumer_asleep,
    }


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode()


def _slots(data: bytes) -> list[dict[str, Any]]:
    return [
        {"stream": stream, "size": size, "ring": [ring0, ring1]}
        for stream, size, ring0, ring1 in SLOT.iter_unpack(data)
    ]


def _marks(data: bytes) -> list[dict[str, Any]]:
    return [{"stream": stream, "offset": offset} for stream, _, offset in MARK.iter_unpack(data)]


def _hello(data: bytes) -> dict[str, Any]:
    keys = ("version_min", "version_max", "abi_version", "id", "peer_id", "incarnation")
    *values, ephemeral, key_ids, name = struct.unpack("<HHIIIQ32s64s32s", data)
    return {
        **dict(zip(keys, values, strict=True)),
        "ephemeral": ephemeral.hex(),
        "key_ids": [key_ids[at : at + 16].hex() for at in range(0, 64, 16)],
        "name": _text(name),
    }


def _open(data: bytes) -> dict[str, Any]:
    keys = ("window", "port", "caller_port", "caller_user")
    *values, ring0, ring1 = OPENING.unpack_from(data)
    name = {"name": data[OPENING.size :].decode()} if len(data) > OPENING.size else {}
    return {**dict(zip(keys, values, strict=True)), "ring": [ring0, ring1], **name}


def _prepare(data: bytes) -> dict[str, Any]:
    to, deadline_ms, nonce = PREPARE.unpack_from(data)
    slots = _slots(data[PREPARE.size :])
    return {"to": to, "deadline_ms": deadline_ms, "nonce": nonce.hex(), "slots": slots}


def _resync(data: bytes) -> dict[str, Any]:
    keys = ("stream", "life", "received", "delivered")
    return {"streams": [dict(zip(keys, one, strict=True)) for one in SLOT.iter_unpack(data)]}


PAYLOADS: dict[int, Any] = {
    1: _hello,
    3: _resync,
    4: lambda data: {"name": data.decode()},
    5: lambda data: {"name": data.decode()},
    16: _open,
    17: _open,
    18: lambda data: {"bytes": data.hex()},
    21: lambda data: {"reason": data.decode()},
    32: _prepare,
    33: lambda data: {"slots": _slots(data)},
    34: lambda data: {"marks": _marks(data)},
    38: lambda data: {"reason": _text(data[:REASON_SIZE]), "marks": _marks(data[REASON_SIZE:])},
}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: str(message["name"]))
def test_message(message: dict[str, Any]) -> None:
    data = bytes.fromhex(message["hex"])
    magic, kind, flags, length, stream, epoch, offset, number = HEADER.unpack_from(data)
    payload = data[HEADER.size :]
    assert magic == 0x5344
    assert length == len(payload)
    assert message["header"] == {
        "type": kind,
        "flags": flags,
        "length": length,
        "stream": stream,
        "epoch": epoch,
        "offset": offset,
        "number": number,
    }
    assert message["payload"] == (PAYLOADS[kind](payload) if payload else {})


def test_every_type_has_a_vector() -> None:
    header = (Path(__file__).parents[2] / "guest-agent/src/abi/wire.h").read_text()
    declared = header.split("enum wire_type {")[1].split("};")[0]
    values = {int(line.split("=")[1].strip(" ,")) for line in declared.strip().splitlines()}
    assert values == {message["header"]["type"] for message in MESSAGES}


def test_keys_of_a_connection() -> None:
    key = bytes.fromhex(SEALING["key"])
    lower, higher = SEALING["lower"], SEALING["higher"]
    hellos = [bytes.fromhex(side["hello"]) for side in (lower, higher)]
    assert key_id(key).hex() == SEALING["key_id"]
    for mine, theirs in ((lower, higher), (higher, lower)):
        peers = public(bytes.fromhex(theirs["secret"]))
        assert peers.hex() in theirs["hello"]
        keys = agree(key, bytes.fromhex(mine["secret"]), peers, *hellos)
        assert [made.hex() for made in keys] == [lower["seals_with"], higher["seals_with"]]


@pytest.mark.parametrize("side", ["lower", "higher"])
def test_records(side: str) -> None:
    key = bytes.fromhex(SEALING[side]["seals_with"])
    closing, opening = Seal(key), Seal(key)
    for record in SEALING[side]["records"]:
        assert closing.close(bytes.fromhex(record["messages"])).hex() == record["hex"]
        assert opening.open(bytes.fromhex(record["hex"])).hex() == record["messages"]


@pytest.mark.parametrize("vector", FRAMES, ids=lambda vector: vector["name"])
def test_frames_of_the_relay(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    magic, kind, length, source, target, amount, channel, opening = struct.unpack_from(
        "<4sIIIIIQQ", data
    )
    assert magic == b"DSRY" and len(data) == 56 + length
    assert vector["frame"] == {
        "kind": kind,
        "length": length,
        "source": source,
        "target": target,
        "amount": amount,
        "channel": f"{channel:016x}",
        "opening": f"{opening:016x}",
    }


def test_every_kind_of_frame_has_an_example() -> None:
    header = (GOLDEN.parents[1] / "guest-agent" / "src" / "abi" / "relay.h").read_text()
    kinds = {name.lower() for name in re.findall(r"^    RELAY_(\w+) = \d+,", header, re.MULTILINE)}
    assert kinds == {vector["name"] for vector in FRAMES}
