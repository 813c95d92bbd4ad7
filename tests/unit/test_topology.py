"""The topology: what it accepts, and how clearly it refuses."""

import json
from pathlib import Path, PurePosixPath

import pytest

from harness.config import REPOSITORY
from harness.errors import UsageError
from harness.model.schema import schema_text
from harness.model.topology import Topology, lab_topology
from harness.model.topology_text import parse
from harness.testbed import capacity

EXAMPLES = sorted((REPOSITORY / "examples" / "topologies").glob("*.yaml"))

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
        ("g1: {host: h1}", "g1: {host: h7}", "(t.yaml:6)|no host 'h7': did you mean 'h2'?"),
        ("[g2, g1]", "[g2, g9]", "(t.yaml:11)|no domain 'g9'"),
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
        ("g1: {host: h1}", "g1: {host: h1, image: mikro}", "guests.g1.image|did you mean 'micro'?"),
        (
            "g1: {host: h1}",
            "g1: {host: h1, image: debian}",
            "memory: the image debian needs 192 MiB",
        ),
        ("g1: {host: h1}", "g1: {host: h1, machine: q53}", "guests.g1.machine|mean 'q35'?"),
        ("g1: {host: h1}", "g1: {host: h1, machine: none}", "valid words are pc, q35"),
        ("g1: {host: h1}", "g1: {host: h1, initrd: i}", "(t.yaml:6)|guests.g1.initrd: this goes"),
        (
            "g1: {host: h1}",
            "g1: {host: h1, kernel: k, initrd: i, modules: m}",
            "guests.g1.modules|an initrd of your own replaces",
        ),
        ("g1: {host: h1}", "g1: {host: h1, image: a.img, append: x}", "guests.g1.append|firmware"),
        ("g1: {host: h1}", "g1: {host: h1, networks: [gusts]}", "networks|did you mean 'guests'?"),
        ("g1: {host: h1}", "g1: {host: h1, networks: [guests, guests]}", "(t.yaml:6)|one card"),
        ("g1: {host: h1}", 'g1: {host: h1, append: "a\\nb"}', "(t.yaml:6)|guests.g1.append"),
        ("g1: {host: h1}", "g1: {host: h1, cpu: 'a,b'}", "(t.yaml:6)|guests.g1.cpu"),
        ("g1: {host: h1}", "g1: {host: h1, disks: [{}]}", "disks.0: a disk has either a size or"),
        ("g1: {host: h1}", "g1: {host: h1, disks: [{sise: 1 MiB}]}", "did you mean 'size'?"),
        (
            "    memory: 256 MiB",
            "    disks:\n      - {size: 1 MiB}\n      - {file: a, format: qcow3}",
            "(t.yaml:11)|guests.g2.disks.1.format: unknown word 'qcow3': did you mean 'qcow2'?",
        ),
        ("h1: {}", "h1: {qemu: bin/qemu}", "(t.yaml:3)|hosts.h1.qemu"),
        ("guests:", "networks: {a: {mtu: 9000}}\nguests:", "(t.yaml:5)|networks.a.mtu"),
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


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_examples_are_valid(file: Path) -> None:
    topology = parse(file.read_text(), str(file))
    capacity.check(topology)
    assert topology.name == file.stem


def test_the_lab_written_out_is_the_default() -> None:
    file = REPOSITORY / "examples" / "topologies" / "lab.yaml"
    assert parse(file.read_text(), str(file)) == lab_topology()


def test_the_published_schema_is_the_models() -> None:
    published = (REPOSITORY / "docs" / "topology.schema.json").read_text()
    assert published == schema_text(), "testbed schema > docs/topology.schema.json"


def test_every_key_is_described_in_the_schema() -> None:
    schema = json.loads(schema_text())
    for part in (schema, *schema["$defs"].values()):
        for key, described in part["properties"].items():
            assert described.get("description"), key


def test_a_guest_is_in_all_networks_unless_it_says_otherwise() -> None:
    text = GOOD.replace("guests:", "networks: {red: {}, blue: {mtu: 1280}}\nguests:", 1)
    topology = parse(text.replace("g1: {host: h1}", "g1: {host: h1, networks: [blue]}"), "t.yaml")
    assert topology.networks_of("g2") == ("red", "blue")
    assert topology.addresses_of("g1") == ("10.100.0.3",)
    assert topology.addresses_of("g2") == ("10.99.0.4", "10.100.0.4")
    assert topology.common_network(("g1", "g2")) == "blue"


def granted(*pairs: str) -> Topology:
    text = GOOD[: GOOD.index("grants:")]
    return parse(f"{text}grants: [{', '.join(f'{{between: {pair}}}' for pair in pairs)}]", "t.yaml")


def test_a_host_is_granted_to_guests_and_shares_only_on_itself() -> None:
    topology = granted("[g1, g2]", "[h2, g1]")
    assert topology.grants[1].pair == ("g1", "h2")
    assert topology.common_network(("g1", "h2")) is None
    assert topology.region_bytes() >> 20 == 64
    assert [topology.region_bytes_on(host) >> 20 for host in ("h1", "h2")] == [32, 64]


def test_two_hosts_share_no_memory() -> None:
    with pytest.raises(UsageError, match="h1 and h2 are hosts, which share no memory"):
        granted("[h1, h2]")


def test_files_are_taken_from_the_folder_of_the_topology() -> None:
    text = GOOD.replace("g1: {host: h1}", "g1: {host: h1, kernel: k, initrd: /i, image: ./d.img}")
    text = text.replace("    memory: 256 MiB", "    disks: [{file: e.raw}, {size: 1 MiB}]")
    guests = parse(text, "t.yaml").relative_to(PurePosixPath("/there")).guests
    first, second = guests["g1"], guests["g2"]
    assert (first.kernel, first.initrd, first.image) == ("/there/k", "/i", "/there/d.img")
    assert [disk.file for disk in second.disks] == ["/there/e.raw", None]
    assert second.image == "micro"
