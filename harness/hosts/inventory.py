"""The inventory that the playbooks see. Pure but for reading known_hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import paramiko

from harness.hosts.base import SshTarget
from harness.model import naming

PYTHON = "/usr/bin/python3"


def inventory(targets: Sequence[SshTarget], variables: Mapping[str, Any]) -> dict[str, Any]:
    """Ansible's inventory: one group, `hosts`, with the play's variables."""
    hosts = {
        target.name: _host(target, naming.FIRST_HOST_ID + index)
        for index, target in enumerate(targets)
    }
    return {"all": {"children": {"hosts": {"hosts": hosts, "vars": dict(variables)}}}}


def _host(target: SshTarget, domain_id: int) -> dict[str, Any]:
    # quoted twice: for Ansible, which splits it into arguments, and for ssh, which splits values
    known = f"-o StrictHostKeyChecking=yes -o 'UserKnownHostsFile=\"{target.known_hosts}\"'"
    login: dict[str, Any] = {"ansible_become": target.user != SshTarget.user}
    if target.key:
        login["ansible_ssh_private_key_file"] = str(target.key)
    return {
        "ansible_host": target.address,
        "ansible_port": target.port,
        "ansible_user": target.user,
        "ansible_python_interpreter": PYTHON,
        "ansible_ssh_common_args": known,
        "management_address": target.address,
        "libvirt_uri": target.libvirt_uri,
        "login": target.user,
        "domain_id": domain_id,
        "ssh_host_keys": host_keys(target),
        **login,
    }


def host_keys(target: SshTarget) -> list[str]:
    """The known_hosts lines of this host, so that the other hosts can know it, too."""
    usual = target.port == SshTarget.port
    place = target.address if usual else f"[{target.address}]:{target.port}"
    known = paramiko.HostKeys(str(target.known_hosts)).lookup(place)
    if known is None:
        return []
    return [f"{place} {kind} {known[kind].get_base64()}" for kind in sorted(known)]
