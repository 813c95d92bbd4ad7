"""What a test needs of the machine and the topology, by its marker `testbed_needs`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any

import psutil
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from harness.errors import UsageError
from harness.model.sizes import parse_size, size_text
from harness.model.topology import Topology

Count = Annotated[int, Field(ge=0, strict=True)]


class Needs(BaseModel):
    """The least that a test can do with. `memory` is what is free now, in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kvm: bool = False
    hosts: Count = 0
    guests: Count = 0
    cpus: Count = 0
    memory: Annotated[int, BeforeValidator(parse_size)] = 0

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> Needs:
        """The needs that a marker's keywords state. Raises UsageError for any other keyword."""
        try:
            return cls.model_validate(dict(words))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            valid = ", ".join(cls.model_fields)
            raise UsageError(
                f"testbed_needs: {first['loc'][0]}: {first['msg']}", fix=f"it knows {valid}"
            ) from None


def lacking(needs: Needs, topology: Topology) -> str:
    """Why this test cannot run here, as a sentence; empty when it can. Asked before anything boots.

    That /dev/kvm exists proves nothing: a testbed that stands says itself what its guests run on.
    """
    free = psutil.virtual_memory().available
    found = {
        "hosts": (len(topology.hosts), needs.hosts),
        "guests": (len(topology.guests), needs.guests),
        "CPUs": (os.cpu_count() or 1, needs.cpus),
    }
    short = [f"needs {want} {what}, has {has}" for what, (has, want) in found.items() if has < want]
    if free < needs.memory:
        short.append(f"needs {size_text(needs.memory)} of memory, {free >> 20} MiB are free")
    if needs.kvm and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        short.append("needs KVM, /dev/kvm cannot be opened")
    return "; ".join(short)
