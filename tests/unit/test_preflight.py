"""What a move is refused for before anything is touched."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import UsageError
from harness.migration import preflight


def test_somebody_elses_domain_of_that_name_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = SimpleNamespace(uuid="ours", running=lambda: True)
    guest: Any = SimpleNamespace(name="g1", place=SimpleNamespace(name="h1"), domain=domain)
    there: Any = SimpleNamespace(name="h2", connection=None)
    monkeypatch.setattr(preflight.Domain, "named", lambda *_: SimpleNamespace(uuid="theirs"))
    with pytest.raises(UsageError, match="h2 runs another domain named g1"):
        preflight.check(guest, there)
