"""What an agent may answer (docs/protocol.md, "Commands"): checked, a guest can say anything."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import TestbedError

Count = Annotated[int, Field(ge=0, lt=1 << 64)]
Milliseconds = Annotated[float, Field(ge=0)]
Word = Annotated[str, Field(max_length=100, pattern=r"^[ -~]*$")]
PathName = Literal["shm", "tcp", "relay", "none"]
Phase = Literal["idle", "preparing", "prepared", "fenced", "voted", "committed", "aborting"]


class Answer(BaseModel):
    """A frozen answer; what a newer agent says beyond it is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Hello(Answer):
    """Who the agent is, and what its monotonic clock shows (nanoseconds)."""

    name: Word
    version: Word
    monotonic_ns: Count
    domain_id: Count = 0


class Link(Answer):
    """A link as one end sees it. `phase` is a handover's, `epoch` the number of them so far; `by`
    is what carries its messages, `address` where the peer is dialled (empty: nowhere); `owner` is
    who said it, `file` what is mapped of its region.
    """

    peer: Word
    state: Literal["down", "connecting", "up"] = "down"
    path: PathName = "none"
    phase: Phase = "idle"
    epoch: Count = 0
    by: Literal["tcp", "relay"] = "tcp"
    address: Word = ""
    owner: Word = ""
    file: Word = ""


class Links(Answer):
    """All links of one agent."""

    links: list[Link]


class HandoverAnswer(Answer):
    """What one handover took; amounts are bytes."""

    epoch: Count
    to: PathName = "none"
    duration_us: Count = 0
    streams: Count = 0
    bytes_in_ring_at_fence: Count = 0
    bytes_resent: Count = 0


class OpenStream(Answer):
    """One open stream. `owner` is who said its link, `longest_stall_ms` its longest time with data
    pending, none moving.
    """

    peer: Word
    owner: Word = ""
    name: Word
    role: Word
    path: PathName
    sent: Count
    received: Count
    direct: bool = False
    longest_stall_ms: Milliseconds = 0.0


class OpenStreams(Answer):
    """All open streams of one agent."""

    streams: list[OpenStream]


class Fault(Answer):
    """Why an agent refuses: a word for programs, a sentence for people."""

    code: Word
    message: Annotated[str, Field(max_length=1000, pattern=r"^[ -~]*$")]


class Refusal(Answer):
    """The answer to a request that was understood, and not done."""

    error: Fault


class AgentBabbles(TestbedError):
    """The agent's answer makes no sense."""


A = TypeVar("A", bound=Answer)


def parse(shape: type[A], answer: dict[str, Any], op: str, where: str) -> A:
    """The checked answer to `op`. Raises AgentBabbles naming the first field that is wrong."""
    try:
        return shape.model_validate(answer)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise AgentBabbles(
            f"the agent's answer to {op} makes no sense",
            where=where,
            why=f"{field}: {first['msg']}",
            fix="see that the guest's image carries an agent of this release",
        ) from None
