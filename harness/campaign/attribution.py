"""Whose a failure is: the same cases were run with our sockets and without them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from harness.campaign.verdict import failed
from harness.model.campaign_result import Leg

MOST = 12  # numbers of cases in a sentence


def attribution(legs: Sequence[Leg], *, network: bool = True) -> str:
    """In sentences; nothing when nothing failed and no control ran. Without a network there is no
    control to be had.
    """
    by_name = {leg.name: leg for leg in legs}
    grants, control = by_name.get("grants"), by_name.get("control")
    if grants is None:
        return ""
    if control is None:
        return _without_control(grants, network)
    return "; ".join(_compared(grants, control)) or (
        f"nobody's: no case failed, of {len(grants.cases)} with grants and of "
        f"{len(control.cases)} without"
    )


def _without_control(grants: Leg, network: bool) -> str:
    if not failed(grants) and not _unclean(grants):
        return ""
    if not network:
        return "nobody knows: without a network nothing runs between guests without grants"
    return "nobody knows: nothing was run without grants; --control always does that"


def _compared(grants: Leg, control: Leg) -> Iterator[str]:
    """The cases by where they failed; then the bytes."""
    repeated = {case.index for case in control.cases}
    ours = {case.index for case in failed(grants)}
    theirs = {case.index for case in failed(control)}
    if alone := (ours & repeated) - theirs:
        yield (
            f"ours: {_cases(alone)} failed with grants and not without them, so neither QEMU, "
            "libvirt, the kernels nor the guests' network are to blame"
        )
    if both := ours & theirs:
        yield (
            f"not ours alone: {_cases(both)} failed without grants, too, where QEMU, libvirt and "
            "the kernels are alone"
        )
    if only := theirs - ours:
        yield f"not ours: {_cases(only)} failed without grants only"
    if unknown := ours - repeated:
        yield f"nobody knows: {_cases(unknown)} did not run without grants"
    yield from _of_bytes(grants, control)


def _of_bytes(grants: Leg, control: Leg) -> Iterator[str]:
    lost, lost_without = _unclean(grants), _unclean(control)
    if lost and lost_without:
        yield f"not ours alone: streams were damaged without grants, too: {lost_without}"
    elif lost:
        yield f"ours: streams were damaged with grants and not without them: {lost}"
    elif lost_without:
        yield f"not ours: streams were damaged without grants only: {lost_without}"


def _unclean(leg: Leg) -> str:
    return ", ".join(f"{s.name} {s.from_}→{s.to}" for s in leg.streams if not s.clean)


def _cases(numbers: Collection[int]) -> str:
    told = [str(number) for number in sorted(numbers)[:MOST]]
    more = f" and {len(numbers) - MOST} more" if len(numbers) > MOST else ""
    return f"{'case' if len(numbers) == 1 else 'cases'} {', '.join(told)}{more}"
