"""Who there is in a testbed, told to its agents.

An agent knows those that its domain has a grant with by their links. Of the others it has to be
told: a program that connects to one of them is not permitted to, and there is nobody at any other
number.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.member import Member


class Domains:
    """The domains of the testbed of which `owner` is the id, by name; of its `hosts` those whose
    numbers are known when somebody is told.
    """

    def __init__(
        self,
        owner: str,
        guests: Mapping[str, int],
        hosts: Callable[[], Mapping[str, int]],
        events: EventLog,
    ) -> None:
        self.owner, self.events = owner, events
        self._guests, self._hosts = guests, hosts

    def tell(self, members: Collection[Member]) -> None:
        """These members' agents know of all. One that cannot be told takes the others for nobody:
        that is said in an event.
        """
        everybody = {**self._guests, **self._hosts()}
        domains = [{"name": name, "id": number} for name, number in everybody.items()]
        with self.events.span("domains"), ThreadPoolExecutor(max(1, len(members))) as pool:
            list(pool.map(lambda member: self._tell(member, domains), members))

    def _tell(self, member: Member, domains: Sequence[Mapping[str, Any]]) -> None:
        try:
            member.agent.call("domains.set", owner=self.owner, domains=domains)
        except TestbedError as error:
            self.events.emit("domains.failed", domain=member.name, error=str(error))
