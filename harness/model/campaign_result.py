"""What a stress run found out: the models behind a campaign's summary.json and its report.

Times are milliseconds, on one clock that starts at zero with the leg; amounts are bytes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.model.result import Migration, Path, Record, Stream

SCHEMA_VERSION = 1
Verdict = Literal["pass", "fail", "refused", "broken"]


class Span(Record):
    """A phase of a case: ``handover out``, ``unplug``, ``migrate``, ``plug``, ``handover back``.

    `path` is the one that a handover led to, where an agent has said so.
    """

    name: str
    begin_ms: float
    end_ms: float
    path: Path = "none"


class Case(Record):
    """One migration, or several at once, with what was checked after it.

    ``refused`` is a case whose refusal was what should happen; ``broken`` says that the testbed
    failed, not what it tests. `said` is why nobody moved, as it had to be. A downtime or stall
    that nobody could measure is None.
    """

    index: int
    name: str
    scenario: str
    modes: tuple[str, ...]
    begin_ms: float
    end_ms: float
    verdict: Verdict
    findings: tuple[str, ...] = ()
    said: str = ""
    migrations: tuple[Migration, ...] = ()
    spans: tuple[Span, ...] = ()
    path_before: Path = "none"
    path_after: Path = "none"
    downtime_qemu_ms: float | None = None
    downtime_libvirt_ms: float | None = None
    downtime_client_ms: float | None = None
    longest_stall_ms: float | None = None
    probe_stall_ms: float | None = None
    ram_checked: int = 0
    disk_checked: int = 0
    repeat: str


class Series(Record):
    """How one direction of one stream moved: bytes received in each step of `step_ms`."""

    stream: str
    from_: str
    to: str
    workload: str
    begin_ms: float
    step_ms: float
    received: tuple[int, ...]


class Resource(Record):
    """A quantity that must stay flat: memory, descriptors, region files, interfaces."""

    name: str
    unit: str
    at_ms: tuple[float, ...]
    values: tuple[float, ...]
    flat: bool
    why: str = ""


class Leg(Record):
    """One pass over the campaign: with its grants, or without any as the control."""

    name: Literal["grants", "control"]
    seconds: float
    cases: tuple[Case, ...]
    series: tuple[Series, ...] = ()
    streams: tuple[Stream, ...] = ()
    resources: tuple[Resource, ...] = ()


class CampaignResult(Record):
    """One stress run. `attribution` says whose a failure is, as the control shows."""

    schema_version: int = SCHEMA_VERSION
    campaign: str
    command: str
    run_id: str
    seed: int
    commit: str
    began: str
    seconds: float
    verdict: Literal["pass", "fail"]
    findings: tuple[str, ...] = ()
    attribution: str = ""
    accelerator: str
    versions: dict[str, str]
    environment: dict[str, str] = Field(default={})
    figures: dict[str, float] = Field(default={})
    legs: tuple[Leg, ...]
    left_behind: tuple[str, ...] | None = None
