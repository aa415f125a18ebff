"""A page in headless Chromium, driven through the DevTools protocol over a pipe: no port, no package."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 120

AT_3_AND_4 = """
import fcntl, os, sys
both = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, pipe in enumerate(both, 3):
    os.dup2(pipe, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Where a browser reads commands and writes answers."""


class Tab:
    """A page that is open in the browser."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out, self._in, self._came = os.fdopen(to_browser, "wb"), from_browser, b""
        self._number, self._session = 0, None
        self.said: list[str] = []
        """What the page told of errors."""
        self.fetched: list[str] = []
        """Every address that was asked for."""

    def ask(self, method: str, **params: Any) -> Any:
        """The answer to a command of the protocol."""
        self._number += 1
        session = {} if self._session is None else {"sessionId": self._session}
        message = json.dumps({"id": self._number, "method": method, "params": params, **session})
        self._out.write(message.encode() + b"\0")
        self._out.flush()
        while (answer := self._next()).get("id") != self._number:
            pass
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def open(self, address: str) -> None:
        """Load a page, and wait for it."""
        if self._session is None:
            target = self.ask("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.ask(f"{domain}.enable")
        self.fetched.clear()
        assert "errorText" not in self.ask("Page.navigate", url=address)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def value(self, script: str) -> Any:
        """Of an expression in the page."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """A key, where the focus is."""
        for kind in ("rawKeyDown", "keyUp"):
            code = {"ArrowRight": 39, "ArrowLeft": 37, "Home": 36, "End": 35, " ": 32}[key]
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def click(self, x: float, y: float) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def picture(self, path: Path) -> None:
        """A screenshot."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        self._session = None
        self.ask("Browser.close")
        self._out.close()
        os.close(self._in)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._came:
            assert select.select([self._in], [], [], PATIENCE)[0], f"the browser has said nothing for {PATIENCE} s"
            piece = os.read(self._in, 1 << 16)
            assert piece, "the browser has ended"
            self._came += piece
        whole, _, self._came = self._came.partition(b"\0")
        message = json.loads(whole)
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.said.append(params["exceptionDetails"]["text"])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.said.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.fetched.append(params["request"]["url"])
        return message


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """A browser that keeps what it has to keep in a folder; the test is skipped where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None or os.name == "nt":
        pytest.skip("no Chromium was found, which these tests start")
    for_browser, to_browser = os.pipe()
    from_browser, of_browser = os.pipe()
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1500,1050"]
    process = subprocess.Popen(
        [sys.executable, "-c", AT_3_AND_4, str(for_browser), str(of_browser), program, *options,
         "--remote-debugging-pipe", f"--user-data-dir={folder}"],
        pass_fds=(for_browser, of_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(for_browser)
    os.close(of_browser)
    tab = Tab(to_browser, from_browser)
    try:
        yield tab
    finally:
        try:
            tab.close()
            process.wait(30)
        except (OSError, AssertionError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
