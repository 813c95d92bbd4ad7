"""The topology: what it accepts, and how clearly it refuses."""

import pytest

from harness.errors import UsageError
from harness.model.topology import lab_topology
from harness.model.topology_text import parse

GOOD = """\
name: lab
hosts:
  h1: {}
  h2: {shm: 64 MiB}
guests:
  g1: {host: h1}
  g2:
    host: h1
    memory: 256 MiB
grants:
  - {between: [g2, g1], size: 32 MiB}
"""


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(text, "t.yaml")
    return str(caught.value)


def test_a_good_file_is_read() -> None:
    topology = parse(GOOD, "t.yaml")
    assert topology.guests["g2"].memory == 256 << 20
    assert topology.grants[0].pair == ("g1", "g2")
    assert topology.guest_id("g2") == 4


def test_the_default_is_valid() -> None:
    assert lab_topology().region_bytes() == 32 << 20


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    memory:", "    memroy:", "(t.yaml:9)|unknown key 'memroy': did you mean 'memory'?"),
        ("grants:", "grnats:", "(t.yaml:10)|did you mean 'grants'?"),
        ("  h2: {shm", "  h1: {shm", "(t.yaml:4)|'h1' stands twice|first at line 3"),
        ("  g2:", "  g1:", "(t.yaml:7)|'g1' stands twice"),
        ("size: 32 MiB", "size: 33 MiB", "(t.yaml:11)|power of two"),
        ("g1: {host: h1}", "g1: {host: h7}", "(t.yaml:6)|no host 'h7'"),
        ("[g2, g1]", "[g2, g9]", "(t.yaml:11)|no guest 'g9'"),
        ("[g2, g1]", "[g2, g2]", "(t.yaml:11)|not g2 with itself"),
        ("name: lab", "name: [lab", "(t.yaml:|not YAML"),
        ("name: lab", "name: Lab", "(t.yaml:1)|name"),
        ("  g1: {host: h1}", "  h2: {host: h1}", "(t.yaml:6)|a host's name"),
        ("256 MiB", "lots", "(t.yaml:9)|guests.g2.memory"),
        ("256 MiB", "1 KiB", "(t.yaml:9)|guests.g2.memory"),
        ("256 MiB", "true", "(t.yaml:9)|such as 32 MiB"),
        ("g1: {host: h1}", "g1: {host: h1, image: none-such}", "(t.yaml:6)|micro"),
        ("  g1:", "  self:", "(t.yaml:6)|a meaning of its own"),
        ("name: lab", "name: !!python/object:os.system lab", "(t.yaml:1)|tags"),
        ("name: lab", "name: &a lab\nx: *a", "(t.yaml:2)|aliases"),
        ("name: lab", "? [a]: b\nname: lab", "(t.yaml:1)|"),
        ("name: lab", "name: 2001-99-99", "(t.yaml"),
        ("name: lab", "name: " + "[" * 500 + "]" * 500, "(t.yaml:1)|nested too deeply"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    message = refusal(GOOD.replace(old, new, 1))
    for part in expected.split("|"):
        assert part in message


def test_a_pair_granted_twice_is_refused() -> None:
    assert "granted twice" in refusal(GOOD + "  - {between: [g1, g2]}\n")


def test_an_empty_file_is_refused() -> None:
    assert "t.yaml:1" in refusal("")
