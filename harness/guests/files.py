"""Files into a guest and out of it, through qemu-guest-agent: no network is needed.

A copy is whole or it is not there: it grows beside its place and is then moved into it. Chunks
keep every call short, so a file may have any size.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.errors import TestbedError, UsageError
from harness.guests import programs
from harness.virt.domain import Domain

CHUNK = 64 * 1024  # libvirt hangs when a call does not fit into its socket's buffer (208 KiB)
CALL_SECONDS = 30.0
STEP_SECONDS = 30.0  # for mv, stat and the like
Progress = Callable[[int], None]
T = TypeVar("T")


class _Read(BaseModel):
    model_config = ConfigDict(strict=True)
    data: str = Field(alias="buf-b64")
    eof: bool


class _Written(BaseModel):
    model_config = ConfigDict(strict=True)
    count: Annotated[int, Field(ge=0)]


_HANDLE: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(strict=True)])
_READ = TypeAdapter(_Read)
_WRITTEN = TypeAdapter(_Written)


def put(domain: Domain, local: Path, remote: str, mode: int, progress: Progress) -> int:
    """Copy `local` to `remote` in the guest with those permissions; gives its bytes.

    `progress` is told each chunk's bytes. Raises UsageError when `local` cannot be read,
    TestbedError when the guest refuses; then the guest's old file, if any, is untouched.
    """
    temporary = f"{remote}.{secrets.token_hex(4)}"
    with _readable(local) as source:
        try:
            size = _send(domain, source, temporary, progress)
            _step(domain, ["chmod", f"{mode:o}", temporary])
            _must_have(domain, temporary, size)
            _step(domain, ["mv", "-f", temporary, remote])
        except BaseException:  # Ctrl-C, too
            with suppress(TestbedError):
                _step(domain, ["rm", "-f", temporary])
            raise
    return size


def get(domain: Domain, remote: str, local: Path, progress: Progress) -> int:
    """Copy `remote` out of the guest to `local` with its permissions; gives its bytes.

    Raises UsageError when there is no such file or `local` cannot be written, TestbedError when
    the guest refuses or the file changes its size meanwhile.
    """
    size, mode = status(domain, remote)
    temporary = local.with_name(f"{local.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as target:
            copied = _receive(domain, remote, target, progress)
        if copied != size:
            raise TestbedError(
                f"{remote} changed while it was copied",
                where=domain.where,
                why=f"it had {size} bytes, {copied} came",
                fix="copy it once nobody writes to it",
            )
        temporary.chmod(mode)
        temporary.replace(local)
    except OSError as error:
        raise UsageError("the copy cannot be written", where=str(local), why=str(error)) from None
    finally:
        temporary.unlink(missing_ok=True)
    return size


def status(domain: Domain, remote: str) -> tuple[int, int]:
    """Size and permissions of a guest's file. Raises UsageError when it is no plain file."""
    done = programs.run(
        domain, ["stat", "-L", "-c", "%F:%s:%a", remote], within=STEP_SECONDS, check=False
    )
    kind, _, rest = done.stdout.strip().partition(":")
    size, _, mode = rest.partition(":")
    if done.returncode or not kind.startswith("regular") or not (size + mode).isdigit():
        why = done.stderr.strip() or f"it is a {kind or 'thing that cannot be looked at'}"
        raise UsageError(f"{remote} is no file to copy", where=domain.where, why=why)
    return int(size), int(mode, 8) & 0o7777


def is_folder(domain: Domain, remote: str) -> bool:
    """Whether `remote` is a folder in the guest."""
    argv = ["test", "-d", remote]
    return programs.run(domain, argv, within=STEP_SECONDS, check=False).returncode == 0


def _send(domain: Domain, source: IO[bytes], remote: str, progress: Progress) -> int:
    size = 0
    with _opened(domain, remote, "w") as handle:
        while chunk := source.read(CHUNK):
            while chunk:
                written = _write(domain, handle, chunk)
                size += written
                progress(written)
                chunk = chunk[written:]
        _call(domain, "guest-file-flush", handle=handle)
    return size


def _write(domain: Domain, handle: int, chunk: bytes) -> int:
    data = base64.b64encode(chunk).decode()
    answer = _call(domain, "guest-file-write", handle=handle, **{"buf-b64": data})
    written = _checked(_WRITTEN, domain, answer).count
    if not 0 < written <= len(chunk):
        raise TestbedError("the guest takes no more bytes", where=domain.where)
    return written


def _receive(domain: Domain, remote: str, target: IO[bytes], progress: Progress) -> int:
    size = 0
    with _opened(domain, remote, "r") as handle:
        while True:
            answer = _call(domain, "guest-file-read", handle=handle, count=CHUNK)
            read = _checked(_READ, domain, answer)
            data = base64.b64decode(read.data)
            target.write(data)
            size += len(data)
            progress(len(data))
            if read.eof or not data:
                return size


@contextmanager
def _opened(domain: Domain, remote: str, how: str) -> Iterator[int]:
    answer = _call(domain, "guest-file-open", path=remote, mode=how)
    handle = _checked(_HANDLE, domain, answer)
    try:
        yield handle
    finally:
        with suppress(TestbedError):  # whatever went wrong before is what is to be told
            _call(domain, "guest-file-close", handle=handle)


@contextmanager
def _readable(local: Path) -> Iterator[IO[bytes]]:
    try:
        source = local.open("rb")
    except OSError as error:
        raise UsageError("it cannot be read", where=str(local), why=error.strerror or "") from None
    with source:
        yield source


def _must_have(domain: Domain, remote: str, size: int) -> None:
    there, _ = status(domain, remote)
    if there != size:
        raise TestbedError(
            f"{size} bytes were sent, {there} are there", where=domain.where, fix="df in the guest"
        )


def _step(domain: Domain, argv: list[str]) -> None:
    programs.run(domain, argv, within=STEP_SECONDS, check=True)


def _call(domain: Domain, command: str, **arguments: Any) -> Any:
    return domain.guest_command(command, within=CALL_SECONDS, **arguments)


def _checked(shape: TypeAdapter[T], domain: Domain, answer: Any) -> T:
    """What qemu-guest-agent said, if it can be that: it lives in the guest."""
    try:
        return shape.validate_python(answer)
    except ValidationError:
        raise TestbedError("qemu-guest-agent's answer makes no sense", where=domain.where) from None
