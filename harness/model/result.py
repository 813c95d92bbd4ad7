"""What a run found out: the models behind summary.json.

Times are milliseconds, amounts are bytes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1
Path = Literal["shm", "tcp", "relay", "none"]
PATHS: tuple[Path, ...] = ("shm", "tcp", "relay")


class Record(BaseModel):
    """A frozen part of a result; serialised by alias where a field's name is a Python word."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Handover(Record):
    """One change of path, as the agent that began it measured it."""

    epoch: int
    to: Path
    duration_ms: float
    streams: int
    bytes_in_ring_at_fence: int
    bytes_resent: int


class Migration(Record):
    """One move of a guest. `own_ms` is all but libvirt's call and the (un)plugging.

    `downtime_ms` is libvirt's figure; QEMU's own is None where QEMU was gone before it was asked.
    """

    guest: str
    source: str
    destination: str
    total_ms: float
    call_ms: float
    downtime_ms: float
    downtime_qemu_ms: float | None = None
    handover_out_ms: float
    handover_back_ms: float
    detach_ms: float
    attach_ms: float
    own_ms: float
    bytes_in_ring_at_fence: int
    bytes_resent: int


class Stream(Record):
    """One direction of one stream, judged by its receiving end."""

    name: str
    from_: str = Field(alias="from")
    to: str
    bytes_sent: int
    bytes_verified: int
    lost: int
    duplicated: int
    reordered: int
    corrupted: int
    longest_stall_ms: float
    clean: bool


class Phase(Record):
    """A stretch of the run on one path. Stalls are timed at the end that does not move."""

    name: str
    path: Path
    seconds: float
    bytes: int
    longest_stall_ms: float
    probe_stall_ms: float
    downtime_ms: float | None
    network_bytes: int


class Summary(Record):
    """One run. `verdict` is "pass" only if every promise held; `findings` say which did not."""

    schema_version: int = SCHEMA_VERSION
    command: str
    run_id: str
    seed: int
    commit: str
    verdict: Literal["pass", "fail"]
    findings: tuple[str, ...] = ()
    accelerator: str
    versions: dict[str, str]
    paths: tuple[Path, ...]
    phases: tuple[Phase, ...]
    streams: tuple[Stream, ...]
    migrations: tuple[Migration, ...]
    figures: dict[str, float] = {}
    network_bytes_in_shm_phases: int
    boot_ms: dict[str, float]
    seconds: float
    left_behind: tuple[str, ...] | None = None

    @classmethod
    def broken(cls, command: str, run_id: str, seed: int, commit: str, why: str) -> Summary:
        """The summary of a run that broke before it measured anything."""
        return cls(
            command=command,
            run_id=run_id,
            seed=seed,
            commit=commit,
            verdict="fail",
            findings=(why,),
            accelerator="none",
            versions={},
            paths=(),
            phases=(),
            streams=(),
            migrations=(),
            network_bytes_in_shm_phases=0,
            boot_ms={},
            seconds=0.0,
        )
