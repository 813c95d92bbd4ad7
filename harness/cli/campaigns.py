"""Campaigns as the command line meets them: a built-in one by its name, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from harness.errors import UsageError
from harness.model import topology_text
from harness.model.campaign import Campaign
from harness.model.overrides import refusal
from harness.model.words import hint

SUFFIX = ".yaml"


def built_in() -> list[str]:
    """The names of the campaigns that come with the testbed."""
    entries = resources.files("harness.campaign").iterdir()
    return sorted(e.name.removesuffix(SUFFIX) for e in entries if e.name.endswith(SUFFIX))


def read_campaign(wanted: str) -> Campaign:
    """The built-in campaign of that name, or the one in that file. Raises UsageError."""
    if wanted in built_in():
        text = resources.files("harness.campaign").joinpath(wanted + SUFFIX).read_text()
        return topology_text.parse_as(Campaign, text, f"{wanted}{SUFFIX}")
    try:
        with Path(wanted).open(encoding="utf-8") as stream:
            text = stream.read(topology_text.MAX_CHARACTERS + 1)  # of what may never end
    except FileNotFoundError:
        raise _unknown(wanted) from None
    except (OSError, ValueError) as error:
        raise UsageError("the campaign cannot be read", where=wanted, why=str(error)) from None
    return topology_text.parse_as(Campaign, text, wanted)


def changed(campaign: Campaign, changes: Mapping[str, object]) -> Campaign:
    """The campaign with other values. Raises UsageError for what no campaign may have."""
    try:
        return Campaign.model_validate({**campaign.model_dump(), **changes})
    except ValidationError as error:
        raise refusal(error) from None


def full_name(wanted: str) -> str:
    """The same campaign, named so that it is found from any folder."""
    return wanted if wanted in built_in() else str(Path(wanted).absolute())


def _unknown(wanted: str) -> UsageError:
    fix = hint(wanted, built_in(), "names")
    why = "it is neither built in nor a file"
    return UsageError(f"there is no campaign {wanted!r}", why=why, fix=fix)
