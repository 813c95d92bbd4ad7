"""The topology: what it accepts, and how clearly it refuses."""

import pytest

from harness.config import REPOSITORY
from harness.errors import UsageError
from harness.model.topology import lab_topology
from harness.model.topology_text import parse
from harness.testbed import capacity

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
        ("g1: {host: h1}", "g1: {host: h7}", "(t.yaml:6)|no host 'h7'"),
        ("[g2, g1]", "[g2, g9]", "(t.yaml:11)|no guest 'g9'"),
        ("[g2, g1]", "[g2, g2]", "(t.yaml:11)|not g2 with itself"),
        ("name: lab", "name: [lab", "(t.yaml:|not YAML"),
        ("name: lab", "name: Lab", "(t.yaml:1)|name"),
        ("  g1: {host: h1}", "  h2: {host: h1}", "(t.yaml:6)|a host's name"),
        ("256 MiB", "lots", "(t.yaml:9)|guests.g2.memory"),
        ("256 MiB", "1 KiB", "(t.yaml:9)|guests.g2.memory|between 96 MiB and 1024 GiB"),
        ("256 MiB", "97000 KiB", "(t.yaml:9)|97000 KiB is not a whole number"),
        ("256 MiB", "true", "(t.yaml:9)|guests.g2.memory: a size is such as 32 MiB"),
        ("256 MiB", "9" * 4000, "(t.yaml:9)|far too many bytes"),
        ("256 MiB", "0x_", "(t.yaml:9)|a value cannot be read"),
        ("256 MiB", "2001-99-99", "(t.yaml:9)|a size is such as"),
        ("memory: 256 MiB", "vcpus: true", "(t.yaml:9)|guests.g2.vcpus"),
        ("size: 32 MiB", "size: 33 MiB", "(t.yaml:11)|grants.0.size: 33 MiB|nearest is 32 MiB"),
        ("size: 32 MiB", "size: 50 MiB", "(t.yaml:11)|nearest is 64 MiB"),
        ("size: 32 MiB", "size: 0", "(t.yaml:11)|nearest is 1 MiB"),
        ("shm: 64 MiB", "shm: 5", "(t.yaml:4)|hosts.h2.shm: 5 bytes"),
        ("g1: {host: h1}", "g1: {host: h1, image: none-such}", "(t.yaml:6)|image|micro"),
        ("  g1:", "  self:", "(t.yaml:6)|a meaning of its own"),
        ("  h2:", "  localhost:", "(t.yaml:4)|a meaning of its own"),
        ("name: lab", "name: !!python/object:os.system lab", "(t.yaml:1)|tags"),
        ("name: lab", "name: !foo lab", "(t.yaml:1)|tags"),
        ("name: lab", "name: !!int x", "(t.yaml:1)|tags"),
        ("name: lab", "name: &a lab\nx: *a", "(t.yaml:2)|aliases"),
        ("name: lab", "name: &a [*a]", "(t.yaml:1)|aliases"),
        ("name: lab", "? [a]: b\nname: lab", "(t.yaml:1)|a key must be a word"),
        ("name: lab", "? {a: b}\nname: lab", "(t.yaml:1)|a key must be a word"),
        ("name: lab", "<<: {name: lab}", "(t.yaml:1)|unknown key '<<'"),
        ("name: lab", "name: 2001-99-99", "(t.yaml:1)|name"),
        ("name: lab", "name: \x07", "(t.yaml:1)|not YAML"),
        ("    memory", "  \x00  memory", "(t.yaml:9)|not YAML"),
        ("name: lab", "name: " + "[" * 500 + "]" * 500, "(t.yaml:1)|nested too deeply"),
        ("name: lab", "name: " + "x" * 70000, "(t.yaml:1)|too long"),
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


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    layers = [f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]" for n in range(20)]
    assert "aliases" in refusal("a0: &a0 lol\n" + "\n".join(layers))


def test_several_problems_are_told_at_once() -> None:
    message = refusal(GOOD.replace("256 MiB", "lots").replace("32 MiB", "33 MiB"))
    assert "t.yaml:9" in message and "t.yaml:11: grants.0.size" in message


@pytest.mark.parametrize("name", ["lab", "trio"])
def test_the_examples_are_valid(name: str) -> None:
    file = REPOSITORY / "examples" / "topologies" / f"{name}.yaml"
    topology = parse(file.read_text(), str(file))
    capacity.check(topology)
    if name == "lab":
        assert topology == lab_topology()
    else:
        assert (len(topology.hosts), len(topology.guests), len(topology.grants)) == (3, 3, 2)
