"""A host's claim, by the real shell: whole, exclusive, and alive only with whoever made it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness import run
from harness.clock import wait_until
from harness.errors import UsageError
from harness.model.topology import lab_topology
from harness.testbed import claim as claim_module
from harness.testbed.claim import Claim, attending, found_on, refuse_taken
from harness.testbed.record import TestbedRecord
from tests.unit.local_host import LocalHost


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHost]:
    monkeypatch.setattr(claim_module, "FOLDER", str(tmp_path / "a folder" / "testbeds"))
    yield LocalHost("h1")


def fresh() -> Claim:
    return Claim.of(TestbedRecord.new(lab_topology(), "digest"))


def test_a_claim_is_found_again_and_forgotten(host: LocalHost) -> None:
    claim = fresh()
    assert found_on(host) == []
    claim.write(host)
    assert found_on(host) == [claim]
    assert (claim.hosts, claim.guests) == (("h1", "h2"), ("g1", "g2"))
    claim.forget(host)
    assert found_on(host) == []


def test_a_claim_is_renewed_by_its_own_testbed(host: LocalHost) -> None:
    claim = fresh()
    claim.write(host)
    standing = claim.model_copy(update={"state": "up"})
    standing.write(host)
    assert found_on(host) == [standing]


@pytest.mark.parametrize("came", [0, 20])
def test_a_record_that_is_cut_short_on_its_way_replaces_none(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch, came: int
) -> None:
    claim, whole = fresh(), host.run
    claim.write(host)

    def cut(argv: Sequence[str], **how: Any) -> run.Completed:
        return whole(argv, **{**how, "input": how["input"][:came]})

    monkeypatch.setattr(host, "run", cut)
    with pytest.raises(UsageError, match="cut short"):
        claim.model_copy(update={"state": "ending"}).write(host)
    monkeypatch.setattr(host, "run", whole)
    assert found_on(host) == [claim]


def test_a_host_carries_one_testbed(host: LocalHost) -> None:
    first, second = fresh(), fresh()
    refuse_taken(host)
    first.write(host)
    with pytest.raises(UsageError, match=f"h1 carries a testbed already: {first.testbed_id} of"):
        second.write(host)
    with pytest.raises(UsageError, match="carries a testbed already"):
        refuse_taken(host)
    assert found_on(host) == [first]


def test_a_probe_stands_beside_a_testbed(host: LocalHost) -> None:
    testbed, probe = fresh(), fresh().model_copy(update={"kind": "probe"})
    probe.write(host)
    refuse_taken(host)
    testbed.write(host)
    assert {claim.kind for claim in found_on(host)} == {"testbed", "probe"}


def test_of_many_who_come_at_once_one_gets_the_host(host: LocalHost) -> None:
    def attempt(claim: Claim) -> str:
        try:
            claim.write(host)
        except UsageError:
            return "refused"
        return claim.testbed_id

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, [fresh() for _ in range(8)]))
    [winner] = {answer for answer in answers if answer != "refused"}
    assert [claim.testbed_id for claim in found_on(host)] == [winner]


def test_what_is_no_claim_is_no_claim(host: LocalHost, tmp_path: Path) -> None:
    folder = tmp_path / "a folder" / "testbeds"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text('{"testbed_id": 3}\nrubbish')
    assert found_on(host) == []


def test_a_claim_is_attended_for_as_long_as_the_block(host: LocalHost) -> None:
    claim = fresh()
    assert not claim.attended(host)
    with attending([host], claim.testbed_id):  # type: ignore[list-item]
        assert claim.attended(host)
        assert not fresh().attended(host)
    assert not claim.attended(host)


def test_a_killed_command_attends_no_longer(host: LocalHost) -> None:
    claim = fresh()
    code = (
        "import sys, signal; from tests.unit.local_host import LocalHost;"
        "from harness.testbed import claim; claim.FOLDER = sys.argv[1];"
        "a = claim.attending([LocalHost('h1')], sys.argv[2]); a.__enter__(); signal.pause()"
    )
    argv = [sys.executable, "-c", code, claim_module.FOLDER, claim.testbed_id]
    other = run.spawn(argv)
    try:
        wait_until(lambda: claim.attended(host), within=30, what="the other to attend")
        os.kill(other.pid, signal.SIGKILL)
        wait_until(lambda: not claim.attended(host), within=30, what="the lock to go")
    finally:
        run.terminate(other)
