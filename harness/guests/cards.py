"""The addresses that a guest's network cards have now, as qemu-guest-agent says."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from harness.errors import TestbedError
from harness.virt.domain import Domain

COMMAND = "guest-network-get-interfaces"
CALL_SECONDS = 5.0
MOST = 64  # cards, and addresses of one

Addresses = Mapping[str, tuple[str, ...]]


class _Reply(BaseModel):
    """It lives in the guest, so it may return anything."""

    model_config = ConfigDict(frozen=True, strict=True)


class _Address(_Reply):
    kind: str = Field(alias="ip-address-type")
    text: str = Field(alias="ip-address")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.kind == "ipv4":
            IPv4Address(self.text)
        return self


class _Card(_Reply):
    mac: str = Field("", alias="hardware-address")
    addresses: list[_Address] = Field([], alias="ip-addresses", max_length=MOST)

    @property
    def usable(self) -> tuple[str, ...]:
        found = (one.text for one in self.addresses if one.kind == "ipv4")
        return tuple(text for text in found if not IPv4Address(text).is_loopback)


_CARDS: TypeAdapter[list[_Card]] = TypeAdapter(Annotated[list[_Card], Field(max_length=MOST)])


def addresses(domain: Domain) -> Addresses:
    """IPv4 addresses by MAC. Raises TestbedError when the guest does not say, or says nonsense."""
    answer: Any = domain.guest_command(COMMAND, within=CALL_SECONDS)
    try:
        return {card.mac.lower(): card.usable for card in _CARDS.validate_python(answer)}
    except ValidationError as error:
        why = str(error.errors(include_url=False, include_input=False)[0]["msg"])
        raise TestbedError(
            f"qemu-guest-agent's answer to {COMMAND} makes no sense", where=domain.where, why=why
        ) from None
