"""Who watches a testbed: one controller at a time, for as long as it renews its lease."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from harness import clock

FILE = "watch.json"
LEASE_SECONDS = 10.0


class Held(BaseModel):
    """What the file says: whose it is, and until when unless it is renewed."""

    model_config = ConfigDict(frozen=True)

    token: str
    holder: str
    until: AwareDatetime

    @property
    def left(self) -> float:
        """Seconds until it expires; none when it has, or when a clock was set back since."""
        left = (self.until - clock.utc()).total_seconds()
        return left if 0 < left <= LEASE_SECONDS else 0.0


class Lease:
    """Ours to take; `holder` says to people who we are. Every call is made by who holds the
    testbed's lock, so no two meet.
    """

    def __init__(self, folder: Path, holder: str) -> None:
        self._file, self._holder, self._token = folder / FILE, holder, secrets.token_hex(8)

    def take(self) -> Held | None:
        """Take it, or renew it; gives whose it is when it is somebody else's."""
        held = _read(self._file)
        if held is not None and held.token != self._token and held.left:
            return held
        ours = Held(token=self._token, holder=self._holder, until=_end())
        temporary = self._file.with_suffix(".new")
        temporary.write_text(ours.model_dump_json() + "\n")
        temporary.replace(self._file)
        return None

    def give_back(self) -> None:
        """Let the next one have it at once."""
        held = _read(self._file)
        if held is not None and held.token == self._token:
            self._file.unlink(missing_ok=True)


def _end() -> datetime:
    return clock.utc() + timedelta(seconds=LEASE_SECONDS)


def _read(file: Path) -> Held | None:
    """The lease; None when there is none that can be read."""
    try:
        return Held.model_validate_json(file.read_text())
    except (OSError, ValidationError):
        return None
