"""How ssh is called to get into a guest."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import TestbedError
from harness.guests import login
from harness.hosts.base import SshTarget
from harness.run import Completed

HOST = SshTarget("h1", "10.98.0.11", "qemu:///", Path("/s p/known"), Path("/s p/key"))


def guest(keys: str = "") -> Any:
    def execute(argv: list[str], **_: Any) -> Completed:
        return Completed(tuple(argv), 0, keys, "")

    place = SimpleNamespace(where="g1 on h1")
    return SimpleNamespace(name="g1", domain_id=3, exec=execute, domain=place)


def test_the_way_leads_through_the_host_and_trusts_known_keys_only() -> None:
    argv = login.argv(guest(), 0, HOST, "/t/guest", ["ls", "-l"])
    assert argv[-3:] == ["root@10.99.0.3", "ls", "-l"] and "-t" not in argv
    assert "HostKeyAlias=g1" in argv and 'UserKnownHostsFile="/t/guest"' in argv
    proxy = next(word for word in argv if word.startswith("ProxyCommand="))
    jump = shlex.split(proxy.removeprefix("ProxyCommand="))
    assert jump[-3:] == ["-W", "%h:%p", "root@10.98.0.11"]
    assert 'UserKnownHostsFile="/s p/known"' in jump
    for part in (argv, jump):
        assert "StrictHostKeyChecking=yes" in part and "/s p/key" in part


def test_without_a_command_there_is_a_terminal() -> None:
    assert "-t" in login.argv(guest(), 0, HOST, "/t/guest", [])


def test_only_keys_become_known_hosts() -> None:
    said = "ssh-ed25519 AAAA root@g1\n* evil\nssh-rsa BBBB\n"
    assert login.known_hosts(guest(said)) == "g1 ssh-ed25519 AAAA root@g1\ng1 ssh-rsa BBBB\n"
    with pytest.raises(TestbedError, match="has no keys"):
        login.known_hosts(guest("nothing"))
