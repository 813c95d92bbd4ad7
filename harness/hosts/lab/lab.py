"""The lab as its starter sees it: start, keep, find again, enter, stop."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import clock, run
from harness.clock import wait_until
from harness.errors import TestbedError, UsageError
from harness.events import EventLog
from harness.hosts import leftovers
from harness.hosts.base import SshTarget
from harness.hosts.lab import keys, lifetime
from harness.hosts.lab.channel import Channel
from harness.hosts.lab.identity import ProcessIdentity
from harness.hosts.lab.record import FILE, LabRecord
from harness.hosts.lab.spec import SSH_PORT, LabSpec

START_WITHIN = 60.0
ANSWER_WITHIN = 10.0
LOG = "lab.log"


class Lab:
    """A running lab. Until `keep` it is bound to this object, and so to its starter's life."""

    def __init__(
        self,
        record: LabRecord,
        state_dir: Path,
        channel: Channel | None = None,
        process: run.Process | None = None,
    ) -> None:
        self.record, self.state_dir = record, state_dir
        self._channel, self._process = channel, process

    @classmethod
    def start(cls, spec: LabSpec, state_dir: Path, events: EventLog) -> Lab:
        """Make the namespaces and the hosts' sshd, and return when each sshd answers."""
        _prepare(spec, state_dir)
        with events.span("lab.start", lab=spec.name, hosts=list(spec.hosts)) as more:
            ours, theirs = Channel.pair()
            process = _spawn(spec, state_dir, theirs)
            theirs.close()
            try:
                lab = cls(_greet(spec, state_dir, ours, process), state_dir, ours, process)
                lab.record.write(state_dir)
            except BaseException:
                ours.close()
                run.terminate(process)
                raise
            more["pid"] = lab.record.init.pid
        return lab

    @classmethod
    def load(cls, state_dir: Path) -> Lab | None:
        """The lab that `state_dir` records; None when it no longer runs."""
        record = LabRecord.read(state_dir)
        lab = cls(record, state_dir) if record else None
        return lab if lab and lab.alive else None

    @property
    def spec(self) -> LabSpec:
        """What the lab consists of."""
        return self.record.spec

    @property
    def alive(self) -> bool:
        """Whether PID 1 runs. From inside it is certain: PID 1 outlives all others there."""
        return self.record.inside or self.record.init.alive

    @property
    def hosts(self) -> tuple[SshTarget, ...]:
        """How to reach each host, from inside."""
        return tuple(self._target(name) for name in self.spec.hosts)

    def _target(self, name: str) -> SshTarget:
        address, folder = self.spec.address(name), self.state_dir.resolve()
        return SshTarget(
            name=name,
            address=address,
            libvirt_uri=f"qemu+tcp://{address}/system",
            known_hosts=folder / keys.KNOWN_HOSTS,
            key=folder / keys.LOGIN,
            port=SSH_PORT,
        )

    def keep(self, ttl: float | None = None, forget: Path | None = None) -> None:
        """Make the lab outlive its starter, for `ttl` seconds if given; then it ends itself and
        removes the folder `forget`, which records it.
        """
        if self._channel is None:
            return
        if ttl is not None:
            self.extend(ttl)
        self._channel.say("keep", forget=str(forget.resolve()) if forget else "")
        answer = self._channel.hear(ANSWER_WITHIN)
        if answer != {"word": "kept"}:
            raise TestbedError("the lab ended before it could be kept", where=self.spec.name)
        self._channel.close()
        self._channel = None

    def extend(self, seconds: float) -> None:
        """Let it end itself so many seconds from now, whatever was said before."""
        lifetime.write(self.state_dir, clock.now() + seconds)

    @property
    def seconds_left(self) -> float | None:
        """How long it has left to live; None: until it is taken down."""
        end = lifetime.read(self.state_dir)
        return None if end is None else max(0.0, end - clock.now())

    def enter_argv(self, argv: Sequence[str], *, waits: bool = False) -> list[str]:
        """The command line that runs `argv` inside, in the current folder if it is there, too.

        Ctrl-C goes to `argv`, not to nsenter, which waits for it; so does SIGTERM if it `waits`:
        then whoever ends the whole process group lets `argv` finish. When nsenter dies by any
        other signal, `argv` is told by SIGTERM: SIGKILL of the entrance leaves no one behind.
        """
        if self.record.inside:
            return list(argv)
        user = ["--user"] if self.record.user_namespace else []
        enter = ["nsenter", "--target", str(self.record.init.pid), *user]
        enter += ["--mount", "--net", "--pid", "--"]
        deaf_to = "INT,TERM" if waits else "INT"
        told = ["setpriv", "--pdeathsig", "TERM", "env", f"--default-signal={deaf_to}"]
        told += [f"--chdir={_folder_inside()}"]
        return ["env", f"--ignore-signal={deaf_to}", *enter, *told, *argv]

    def stop(self, within: float = 20.0) -> None:
        """End the lab, and return when the kernel has swept it away."""
        if self.record.inside:
            raise UsageError("a lab cannot be stopped from inside", fix="testbed down")
        if self._channel:
            self._channel.close()
            self._channel = None
        _kill(self.record.init)
        wait_until(self._swept, within=within, what=f"the kernel to sweep lab {self.spec.name}")
        (self.state_dir / FILE).unlink(missing_ok=True)

    def _swept(self) -> bool:
        if self._process:
            self._process.poll()  # reaps it, when it is our child
        return not self.record.init.alive and not self.record.parent.alive


def _prepare(spec: LabSpec, state_dir: Path) -> None:
    if Lab.load(state_dir):
        raise UsageError(f"lab {spec.name} runs already", where=str(state_dir), fix="testbed down")
    if state_dir.resolve().is_relative_to("/run"):
        raise UsageError(
            "a lab cannot keep its state below /run",
            where=str(state_dir),
            why="inside the lab /run is another one",
        )
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (state_dir / LOG).touch()
    except OSError as error:
        raise UsageError(
            "the lab's state folder cannot be written",
            where=str(state_dir),
            why=error.strerror or str(error),
            fix="set TESTBED_STATE to a folder of yours",
        ) from None
    keys.make_keys(spec, state_dir)


def _spawn(spec: LabSpec, state_dir: Path, theirs: Channel) -> run.Process:
    """Start the namespaces' PID 1, in a session of its own: Ctrl-C is not for it."""
    argv = ["unshare", *(["--user", "--map-root-user", "--map-auto"] if os.geteuid() else [])]
    argv += ["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"]
    argv += [sys.executable, "-P", "-m", "harness.hosts.lab.init", str(theirs.fileno())]
    argv += [str(state_dir.resolve()), spec.as_json()]
    with (state_dir / LOG).open("wb") as log:
        return run.spawn(
            argv,
            env={**os.environ, leftovers.MARK: os.environ.get(leftovers.MARK) or _new_mark(spec)},
            stdin=run.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[theirs.fileno()],
            new_session=True,
        )


def _new_mark(spec: LabSpec) -> str:
    """By it, whoever looks for leftovers of another run sees that this lab is none."""
    return f"{spec.name}-{secrets.token_hex(4)}"


def _greet(spec: LabSpec, state_dir: Path, ours: Channel, process: run.Process) -> LabRecord:
    """Wait for PID 1's word, and learn who it is."""
    answer = ours.hear(START_WITHIN)
    init = ProcessIdentity.of(ours.peer_pid) if answer else None
    parent = ProcessIdentity.of(process.pid)
    if answer is None or answer["word"] != "ready" or not init or not parent:
        raise _start_failed(spec, state_dir, answer or {})
    namespace = str(Path(f"/proc/{init.pid}/ns/pid").readlink())
    return LabRecord(spec, init, parent, namespace, user_namespace=os.geteuid() != 0)


def _start_failed(spec: LabSpec, state_dir: Path, answer: dict[str, str]) -> TestbedError:
    said = (state_dir / LOG).read_text(errors="replace").strip()[-2000:]
    what = answer.get("what", "the namespaces could not be made")
    why = answer.get("why") or said or "it printed nothing"
    where = answer.get("where") or spec.name
    return TestbedError(
        f"the lab did not start: {what}", where=where, why=why, fix="testbed doctor"
    )


def _folder_inside() -> Path:
    """The current folder; / when there is no such folder inside."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return Path("/")
    return Path("/") if here.is_relative_to("/run") else here


def _kill(process: ProcessIdentity) -> None:
    """KILL exactly this process: the descriptor is taken first, then the identity compared."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if process.alive:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)
