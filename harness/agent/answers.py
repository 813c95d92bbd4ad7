"""What an agent may answer: checked, because a guest can say anything."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt

PathName = Literal["shm", "tcp", "relay", "none"]
Phase = Literal["idle", "preparing", "prepared", "fenced", "voted", "committed", "aborting"]


class Answer(BaseModel):
    """A frozen answer; what a newer agent says beyond it is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Hello(Answer):
    """Who the agent is, and what its monotonic clock shows (nanoseconds)."""

    name: str
    version: str
    monotonic_ns: NonNegativeInt


class Link(Answer):
    """A link as one end sees it. `phase` is a handover's, `epoch` the number of them so far."""

    peer: str
    state: str = "down"
    path: PathName = "none"
    phase: Phase = "idle"
    epoch: NonNegativeInt = 0


class Links(Answer):
    """All links of one agent."""

    links: tuple[Link, ...]


class HandoverAnswer(Answer):
    """What one handover took; amounts are bytes."""

    epoch: NonNegativeInt = 0
    duration_us: NonNegativeInt = 0
    streams: NonNegativeInt = 0
    bytes_in_ring_at_fence: NonNegativeInt = 0
    bytes_resent: NonNegativeInt = 0


class OpenStream(Answer):
    """One open stream. `longest_stall_ms` is its longest time with data pending, none moving."""

    peer: str
    name: str
    role: str
    path: PathName
    sent: NonNegativeInt
    received: NonNegativeInt
    longest_stall_ms: float = 0.0


class OpenStreams(Answer):
    """All open streams of one agent."""

    streams: tuple[OpenStream, ...]
