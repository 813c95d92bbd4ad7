"""The table of grants: who may share memory with whom, and what was taken back. Frozen data."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from harness.model.topology import GrantSpec

Pair = tuple[str, str]


class Granted(BaseModel):
    """One row; `since` is for people. The key of its link is in the two agents only.

    A row that no longer `shares` was revoked, and its streams were let go on: the two agents
    keep their link, by TCP only.
    """

    model_config = ConfigDict(frozen=True)

    spec: GrantSpec
    since: str
    shares: bool = True

    @property
    def pair(self) -> Pair:
        """The two names in order."""
        return self.spec.pair


Table = tuple[Granted, ...]


def row_of(table: Iterable[Granted], pair: Pair) -> Granted | None:
    """The row of that pair, revoked or not; None when they have nothing to do with each other."""
    return next((row for row in table if row.pair == pair), None)


def without(table: Iterable[Granted], pair: Pair) -> Table:
    """The table without the row of that pair."""
    return tuple(row for row in table if row.pair != pair)


def with_row(table: Iterable[Granted], row: Granted) -> Table:
    """The table with that row, in the place of the one that the pair had, else at the end."""
    rows = tuple(table)
    if row_of(rows, row.pair) is None:
        return (*rows, row)
    return tuple(row if old.pair == row.pair else old for old in rows)
