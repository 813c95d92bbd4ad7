"""Places that cannot serve are refused, and nothing is made to find out."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import places
from harness.errors import UsageError


@pytest.mark.parametrize("variable", list(places.PLACES))
@pytest.mark.parametrize("place", ["/run/x", "/var/run/x", "/proc/x", "/dev/shm/x", "file/x"])
def test_a_place_that_cannot_serve(
    variable: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(variable, str(tmp_path / place))
    with pytest.raises(UsageError, match="folder cannot be written") as caught:
        places.check(*places.PLACES)
    assert variable in str(caught.value)


def test_a_link_that_leads_astray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").symlink_to("/run/nowhere")
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path / "state"))
    with pytest.raises(UsageError, match="inside a lab /run is another one"):
        places.check("TESTBED_STATE")


def test_a_current_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.delenv("TESTBED_RESULTS", raising=False)
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError, match="results folder"):
        places.check("TESTBED_RESULTS")


def test_a_place_that_is_not_there_yet_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path / "a" / "b"))
    places.check("TESTBED_STATE")
    assert list(tmp_path.iterdir()) == []
