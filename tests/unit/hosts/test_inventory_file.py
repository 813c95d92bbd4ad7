"""Inventory files: what they say, and what is said about bad ones."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from harness import run
from harness.errors import UsageError
from harness.hosts import inventory_file


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path / "cache"))
    for name in ("known_hosts", "id"):
        (tmp_path / name).touch()
    return tmp_path


def file(folder: Path, hosts: str) -> Path:
    path = folder / "i.yaml"
    path.write_text(f"known_hosts: known_hosts\nhosts:\n{hosts}")
    return path


def test_paths_are_meant_from_the_files_folder(folder: Path) -> None:
    found = inventory_file.read(file(folder, "  h1: {address: 10.0.0.1, key: id}\n"))
    assert found.known_hosts == folder / "known_hosts"
    assert found.hosts["h1"].key == folder / "id"


def test_a_machine_is_reached_by_all_it_says(folder: Path) -> None:
    text = "  h1: {address: 10.0.0.1, key: id, user: joe, port: 2222}\n"
    [target] = inventory_file.targets(inventory_file.read(file(folder, text)))
    uri = urlparse(target.libvirt_uri)
    assert (uri.scheme, uri.username, uri.port) == ("qemu+ssh", "joe", 2222)
    assert parse_qs(uri.query)["keyfile"] == [str(folder / "id")]
    assert (target.user, target.port, target.key) == ("joe", 2222, folder / "id")
    assert target.peer_uri.startswith("qemu+ssh://root@10.0.0.1:2222/system")
    assert str(folder) not in target.peer_uri  # another host has no such file


def test_libvirts_ssh_trusts_only_the_inventorys_known_hosts(folder: Path) -> None:
    [target] = inventory_file.targets(
        inventory_file.read(file(folder, "  h1: {address: 10.0.0.1}\n"))
    )
    program = parse_qs(urlparse(target.libvirt_uri).query)["command"][0]
    shown = run.run(
        [program, "-G", "10.0.0.1"], env={"PATH": os.environ["PATH"], "HOME": str(folder)}
    ).stdout
    assert f"userknownhostsfile {folder}/known_hosts" in shown
    assert "stricthostkeychecking true" in shown


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ("  h1: {adress: 10.0.0.1}\n", "i.yaml:3|did you mean 'address'"),
        ("  h1: {}\n", "i.yaml:3|address"),
        ("  h1: {address: h1.example}\n", "i.yaml:3|no IPv4 address"),
        ("  h1: {address: 127.0.0.1}\n", "i.yaml:3|other hosts reach"),
        ("  h1: {address: -oProxyCommand=x}\n", "i.yaml:3|no IPv4 address"),
        ("  h1: {address: 10.0.0.1, user: '-l x'}\n", "i.yaml:3|user"),
        ("  h1: {address: 10.0.0.1, port: 70000}\n", "i.yaml:3|port"),
        ("  h1: {address: 10.0.0.1}\n  h2: {address: 10.0.0.1}\n", "i.yaml:4|h1 has the address"),
        ("  h1: {address: 10.0.0.1}\n  h1: {address: 10.0.0.2}\n", "i.yaml:4|stands twice"),
        ("  self: {address: 10.0.0.1}\n", "i.yaml:3|meaning of its own"),
        ("  h1: {address: 10.0.0.1, key: none}\n", "the key of h1 cannot be read|none"),
        ("  {}\n", "i.yaml:2|hosts"),
    ],
)
def test_a_bad_inventory_is_refused_with_its_line(folder: Path, hosts: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        inventory_file.read(file(folder, hosts))
    assert all(part in str(caught.value) for part in said.split("|")), str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "hosts", "hosts: 3"])
def test_what_is_no_inventory_is_refused(folder: Path, text: str) -> None:
    (folder / "i.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"i\.yaml:1"):
        inventory_file.read(folder / "i.yaml")


def test_a_missing_known_hosts_file_is_said(folder: Path) -> None:
    (folder / "known_hosts").unlink()
    with pytest.raises(UsageError, match="log in once"):
        inventory_file.read(file(folder, "  h1: {address: 10.0.0.1}\n"))


def test_hosts_are_chosen_by_the_topologys_names(folder: Path) -> None:
    text = "  alpha: {address: 10.0.0.1}\n  beta: {address: 10.0.0.2}\n"
    found = inventory_file.read(file(folder, text))
    assert list(inventory_file.choose(found, ["beta"]).hosts) == ["beta"]
    with pytest.raises(UsageError, match="did you mean 'alpha'"):
        inventory_file.choose(found, ["beta", "alfa"])
