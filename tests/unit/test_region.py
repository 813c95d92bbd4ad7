"""Region files and their records, by the real shell; and how a grant finds them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import TestbedError
from harness.grants import region as region_module
from harness.grants.region import Region
from tests.unit.grant_fakes import Stage
from tests.unit.local_host import LocalHost


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    tool = tmp_path / "domsock"
    tool.write_text(
        "#!/bin/sh\ncase $2 in\n"
        f"create) ls {tmp_path}/records >{tmp_path}/seen; [ ! -e {tmp_path}/full ] || exit 1;"
        ' echo header $7 >"$3";;\n'
        'show) grep -q header "$3";;\n'
        'rm) grep -q "$5" "$3" && rm "$3";;\nesac\n'
    )
    tool.chmod(0o755)
    monkeypatch.setattr(region_module, "TOOL", str(tool))
    monkeypatch.setattr(region_module, "RECORDS", str(tmp_path / "records"))
    monkeypatch.setattr(region_module, "SHM", str(tmp_path))
    monkeypatch.setattr(region_module, "ADMIT", str(tmp_path / "admit"))
    return LocalHost("h1")


def fresh(generation: int = 1, testbed: str = "t-1") -> Region:
    return Region.fresh(testbed, ("g1", "g2"), (3, 4), 1 << 20, generation)


def test_the_owner_is_recorded_before_the_file_is_made(local: LocalHost, tmp_path: Path) -> None:
    region = fresh()
    region.create(local)
    assert (tmp_path / "seen").read_text() == "domsock.t-1.g1.g2.1.json\n"
    assert (tmp_path / region.name).exists()
    region.destroy(local)
    assert not (tmp_path / region.name).exists() and not list((tmp_path / "records").iterdir())


def test_where_guests_are_confined_the_region_is_let_in(local: LocalHost, tmp_path: Path) -> None:
    admit = tmp_path / "admit"
    admit.write_text(f'#!/bin/sh\necho "$1" >{tmp_path}/admitted\n')
    admit.chmod(0o755)
    region = fresh()
    region.create(local)
    assert (tmp_path / "admitted").read_text() == f"{region.path}\n"


def test_all_regions_of_a_testbed_are_found_and_no_others(local: LocalHost) -> None:
    mine, other = fresh(), fresh(testbed="t-12")
    mine.create(local)
    other.create(local)
    assert Region.all_recorded(local, "t-1") == [mine]
    assert Region.recorded(local, "t-1", ("g2", "g1")) == [mine]


def test_a_region_is_found_by_its_record(local: LocalHost, tmp_path: Path) -> None:
    assert Region.recorded(local, "t-1", ("g1", "g2")) == []
    mine, others = fresh(), fresh(testbed="t-2")
    mine.create(local)
    others.create(local)
    (tmp_path / "records" / "domsock.t-1.g1.g2.9.json").write_text("{half")
    assert Region.recorded(local, "t-1", ("g1", "g2")) == [mine]


def test_what_was_never_made_or_only_begun_can_be_destroyed(
    local: LocalHost, tmp_path: Path
) -> None:
    (tmp_path / "full").touch()
    region = fresh()
    with pytest.raises(TestbedError, match="cannot be made"):
        region.create(local)
    region.destroy(local)
    (tmp_path / region.name).write_text("begun")
    region.destroy(local)
    assert not (tmp_path / region.name).exists()


def test_a_region_whose_guest_has_written_over_its_header_is_removed(
    local: LocalHost, tmp_path: Path
) -> None:
    region = fresh()
    region.create(local)
    (tmp_path / region.name).write_text("header of another")
    region.destroy(local)
    assert not (tmp_path / region.name).exists() and not Region.all_recorded(local, region.testbed)


def test_a_killed_command_leaves_nothing_for_long(local: LocalHost, tmp_path: Path) -> None:
    stage = Stage()
    left = fresh(generation=7)
    left.create(local)
    for member in (stage.low, stage.high):
        member.place.host = local
    stage.grant.recover()
    assert stage.grant.region is None and stage.low.transport.requests == []
    stage.grant.share()
    assert stage.grant.generation == 8 and not (tmp_path / left.name).exists()


def test_a_region_that_one_member_still_has_is_recovered(local: LocalHost, tmp_path: Path) -> None:
    stage = Stage()
    left = fresh()
    left.create(local)
    stage.high.devices["ua-domsock-g1"] = left.name
    for member in (stage.low, stage.high):
        member.place.host = local
    stage.grant.recover()
    assert stage.grant.region == left
    stage.grant.tidy()
    assert (tmp_path / left.name).exists()
    stage.grant.part()
    stage.grant.tidy()
    assert not stage.high.devices and not (tmp_path / left.name).exists()
