"""Saved results read back, and rendered again."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from harness.errors import UsageError
from harness.model.campaign_result import CampaignResult
from harness.model.result import Summary
from harness.report import campaign, demo

SUMMARY = "summary.json"
Result = CampaignResult | Summary


def load(place: Path) -> tuple[Result, Path]:
    """The result in a summary file, or in a run's folder; and that folder.

    Raises UsageError when there is none, or when it is none that this version can read.
    """
    file = place / SUMMARY if place.is_dir() else place
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        fix = "name a run's folder (results/latest), or its summary.json"
        raise UsageError(f"no summary in {file}", why=error.strerror or "", fix=fix) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is no JSON", why=str(error), fix="name another run") from error
    return _understood(content, file), file.parent


def render_again(result: Result, run: Path, target: Path | None) -> Path:
    """Write the page, by default beside its summary. Raises UsageError where that cannot be."""
    page = (target or run / campaign.NAME).resolve()
    try:
        if isinstance(result, CampaignResult):
            return campaign.write_to(result, run.resolve(), page)
        return demo.write_to(result, run.resolve(), page)
    except OSError as error:
        fix = "name a writable place with -o"
        raise UsageError(f"{page} cannot be written", why=error.strerror or "", fix=fix) from error


def _understood(content: object, file: Path) -> Result:
    """A stress run has legs; everything else should be a demo."""
    stress = isinstance(content, dict) and "legs" in content
    try:
        return (CampaignResult if stress else Summary).model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        why = f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
        raise UsageError(
            f"{file} is no summary that this version can read",
            why=why,
            fix="render it with the version that wrote it",
        ) from error
