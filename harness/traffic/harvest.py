"""What a guest's programs have to say since they were last asked: one program run per look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.traffic.lines import PATTERNS_SOCKET
from harness.traffic.oracle import Count, Report, parse_report

M = TypeVar("M", bound=BaseModel)
AGENT = "domsockd"
SPOKEN = '{"harvest": '


class Patterns(BaseModel):
    """What a check of a guest's patterns found: bytes checked, pages that were wrong."""

    model_config = ConfigDict(frozen=True, strict=True)

    ram_checked: Count
    ram_bad: Count
    ram_bad_page: Count
    disk_checked: Count
    disk_bad: Count
    disk_bad_page: Count
    rewritten: Count
    behind: Count
    monotonic_ns: Count


class _Mark(BaseModel):
    """The line in front of a report's new part."""

    model_config = ConfigDict(frozen=True, strict=True)

    harvest: str
    end: Count


class AgentSize(BaseModel):
    """The guest's agent: resident memory in KiB, open descriptors."""

    model_config = ConfigDict(frozen=True, strict=True)

    agent_kib: Annotated[int, Field(ge=0)]
    agent_fds: Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Harvest:
    """One look: new parts of reports by their path, where each ends, the patterns, the agent."""

    reports: dict[str, Report] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    patterns: Patterns | None = None
    agent: AgentSize | None = None


def harvest_argv(offsets: Mapping[str, int], patterns: bool) -> list[str]:
    """The program that asks everything at once; `offsets` is where each report was left."""
    asked = ["--patterns", PATTERNS_SOCKET] if patterns else []
    files = [word for path, offset in offsets.items() for word in (path, str(offset))]
    return ["load", "harvest", *asked, "--size-of", AGENT, *files]


def parse_harvest(text: str) -> Harvest:
    """What the program printed. A guest may print anything: what makes no sense is left out."""
    head, *parts = _split(text)
    patterns, agent = None, None
    for line in head:
        patterns = _read(Patterns, line) or patterns
        agent = _read(AgentSize, line) or agent
    reports, ends = {}, {}
    for mark, *lines in parts:
        found = _read(_Mark, mark)
        if found is not None:
            reports[found.harvest] = parse_report("\n".join(lines))
            ends[found.harvest] = found.end
    return Harvest(reports, ends, patterns, agent)


def _split(text: str) -> list[list[str]]:
    """The lines before the first mark, then each mark with what follows it."""
    parts: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith(SPOKEN):
            parts.append([])
        parts[-1].append(line)
    return parts


def _read(shape: type[M], line: str) -> M | None:
    try:
        return shape.model_validate_json(line)
    except ValidationError:
        return None
