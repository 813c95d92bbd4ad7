"""What every command has: --timeout, --bisect, and an environment variable for each option."""

from __future__ import annotations

import copy
import functools
import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_type_hints

import typer

from harness.cli.commands.options import span

Command = Callable[..., None]
Timeout = Annotated[
    float | None,
    typer.Option(
        parser=span,
        metavar="TIME",
        envvar="TESTBED_TIMEOUT",
        help="End the whole command after 90s, 5min, 2h; exit code 69.",
    ),
]
Bisect = Annotated[
    bool,
    typer.Option(
        "--bisect", envvar="TESTBED_BISECT", help="For git bisect run: 125 when not tested."
    ),
]


def complete(app: typer.Typer) -> typer.Typer:
    """The same commands, each with what every command has."""
    for command in app.registered_commands:
        if command.callback is not None:
            name = command.name or command.callback.__name__
            command.callback = _extended(name, command.callback)
    return app


def _extended(name: str, callback: Command) -> Command:
    """The command with --timeout and --bisect; the latter is for whoever turns out exit codes."""

    @functools.wraps(callback)
    def body(*args: Any, timeout: float | None, bisect: bool, **kwargs: Any) -> None:  # noqa: ARG001
        command = functools.partial(callback, *args, **kwargs)
        command() if timeout is None and not _brought_inside() else _in_time(timeout, command)

    hints = get_type_hints(callback, include_extras=True)
    own = inspect.signature(callback).parameters.values()
    known = [
        parameter.replace(annotation=_from_env(name, hints[parameter.name], parameter))
        for parameter in own
    ]
    shared = (("timeout", Timeout, None), ("bisect", Bisect, False))
    known += [
        inspect.Parameter(word, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for word, kind, default in shared
    ]
    body.__signature__ = inspect.Signature(known)  # type: ignore[attr-defined]
    body.__annotations__ = {parameter.name: parameter.annotation for parameter in known}
    return body


def _brought_inside() -> bool:
    """Whether another testbed command started this one, within its own time."""
    return "TESTBED_INSIDE" in os.environ


def _in_time(seconds: float | None, command: Callable[[], None]) -> None:
    from harness.cli import deadline

    limit = seconds or deadline.inherited()
    if limit is None:
        return command()
    try:
        with deadline.armed(limit):
            command()
    except deadline.Overtime as late:
        raise deadline.as_error(late) from None


def _from_env(command: str, hint: Any, parameter: inspect.Parameter) -> Any:
    """The annotation, read also from TESTBED_<COMMAND>_<OPTION>."""
    info = next((extra for extra in get_args(hint)[1:] if _is_option(extra)), None)
    if info is None or info.hidden or info.envvar:
        return hint
    words = map(str, (info.default, *(info.param_decls or ())))  # typer sorts them out later
    flag = next((word for word in words if word.startswith("--")), parameter.name)
    named = copy.copy(info)
    named.envvar = f"TESTBED_{command}_{flag.strip('-')}".replace("-", "_").upper()
    return Annotated[get_args(hint)[0], named]


def _is_option(extra: object) -> bool:
    return type(extra).__name__ == "OptionInfo"
