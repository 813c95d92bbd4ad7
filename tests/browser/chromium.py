"""Headless Chromium, spoken to through a pair of pipes: no port, no driver, and it ends with us.

The DevTools protocol's messages are JSON, each closed by a zero byte; Chromium reads them from
file descriptor 3 and answers on 4, and leaves when the pipe closes.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import clock, run

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
ANSWER_SECONDS = 60.0
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
)


class Chromium:
    """The browser's end of the pipes. Every message that is no answer is kept as an event."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out, self._in = to_browser, from_browser
        self._unread, self._number = b"", 0
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, session: str = "", **parameters: object) -> Any:
        """The result of one command. Raises AssertionError when the browser refuses it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        text = json.dumps({**message, "sessionId": session} if session else message)
        os.write(self._out, text.encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method: str) -> dict[str, Any]:
        """The first event of this name since the last look, also one that came before."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._receive())
        return next(event for event in self.events if event.get("method") == method)

    def _receive(self) -> dict[str, Any]:
        deadline = clock.now() + ANSWER_SECONDS
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - clock.now()))
            assert ready, f"Chromium said nothing for {ANSWER_SECONDS:g} s"
            more = os.read(self._in, 1 << 20)
            assert more, "Chromium ended"
            self._unread += more
        message, _, self._unread = self._unread.partition(b"\0")
        return dict(json.loads(message))


class Page:
    """One tab, with everything it complained about and everything it asked the network for."""

    def __init__(self, browser: Chromium) -> None:
        self._browser = browser
        target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: object) -> Any:
        """A command for this tab."""
        return self._browser.ask(method, self._session, **parameters)

    def look(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Have a screen of this size, and like it light or dark."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, file: Path, fragment: str = "") -> None:
        """Load a file, and wait until its script has run."""
        self._browser.events.clear()
        self.ask("Page.navigate", url=file.resolve().as_uri() + fragment)
        self._browser.wait_for("Page.loadEventFired")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; one that throws fails the test."""
        answer = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, uncaught exceptions, violations of the policy."""
        self.run("0")  # whatever was said before this answer has arrived with it
        kinds = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")
        return [json.dumps(e["params"]) for e in self._browser.events if e.get("method") in kinds]

    def requests(self) -> list[str]:
        """Every address that was asked for."""
        asked = [e for e in self._browser.events if e.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in asked]

    def picture(self, target: Path, *, whole: bool = False) -> None:
        """A PNG of what is seen, or of the whole page."""
        answer = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        target.write_bytes(base64.b64decode(answer["data"]))


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """A browser of our own, with a profile of its own; gone when the block ends."""
    # Where an ended browser leaves its socket.
    scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    read_by_browser, to_browser = os.pipe()
    from_browser, written_by_browser = os.pipe()
    shell = f'exec "$@" 3<&{read_by_browser} 4>&{written_by_browser}'
    program = [PROGRAM, *QUIET, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
    process = run.spawn(
        ["bash", "-c", shell, "chromium", *program, "about:blank"],
        stdin=run.DEVNULL,
        stdout=run.DEVNULL,
        stderr=run.DEVNULL,
        pass_fds=(read_by_browser, written_by_browser),
        env={**os.environ, "TMPDIR": scratch.name},
    )
    os.close(read_by_browser)
    os.close(written_by_browser)
    try:
        yield Chromium(to_browser, from_browser)
    finally:
        os.close(to_browser)
        os.close(from_browser)
        run.terminate(process)
        scratch.cleanup()
