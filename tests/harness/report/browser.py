"""Headless Chromium through its DevTools pipe: pages that are opened, asked and listened to."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run", "--mute-audio",
         "--hide-scrollbars", "--remote-debugging-pipe")  # fmt: skip


class Page:
    """One open page. errors: what its console complained of. requests: the addresses it asked."""

    def __init__(self, browser: "Browser", target: str, session: str):
        self.browser, self.target, self.session = browser, target, session
        self.errors: list[str] = []
        self.requests: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a DevTools command."""
        return self.browser.call(method, parameters, self.session)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression; promises are waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True,
                           returnByValue=True)  # fmt: skip
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def draw(self) -> None:
        """Draws every figure that isn't hidden, in view or not."""
        self.ask("figures.drawAll().then(() => 1)")

    def screenshot(self, file: Path) -> None:
        """The whole page as PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def hear(self, event: dict[str, Any]) -> None:
        """Keeps what a test may complain about."""
        said, method = event["params"], event["method"]
        if method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
        if method == "Runtime.exceptionThrown":
            self.errors.append(str(said["exceptionDetails"]))
        if method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning"):
            self.errors.append(str(said["args"]))
        if method == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.errors.append(said["entry"]["text"])


class Browser:
    """A running Chromium. Its pipe carries JSON that ends in a zero byte."""

    def __init__(self, to: int, back: int):
        self.to, self.back = to, back
        self.rest, self.last = b"", 0
        self.pages: dict[str, Page] = {}
        self.loaded: set[str] = set()

    def open(self, file: Path, *, width: int = 1400, height: int = 900, dark: bool = False) -> Page:
        """A page once it has loaded."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})
        page = Page(self, target, session["sessionId"])
        self.pages[page.session] = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        self.loaded.discard(page.session)
        page.call("Page.navigate", url=file.resolve().as_uri())
        while page.session not in self.loaded:
            self._next()
        return page

    def close(self, page: Page) -> None:
        """Takes the page away."""
        self.call("Target.closeTarget", {"targetId": page.target})

    def call(self, method: str, parameters: dict[str, Any], session: str = "") -> dict[str, Any]:
        """The result of one command; events that arrive meanwhile are kept."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.last:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            more = os.read(self.back, 1 << 20)
            assert more, "the browser ended"
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        page = self.pages.get(message.get("sessionId", ""))
        if page and "method" in message:
            page.hear(message)
            if message["method"] == "Page.loadEventFired":
                self.loaded.add(page.session)
        return message


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A Chromium of its own; the test is skipped where none is installed."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    reads, to = os.pipe()
    back, writes = os.pipe()

    def place() -> None:  # Chromium reads commands from 3 and answers on 4
        a, b = os.dup(reads), os.dup(writes)
        os.dup2(a, 3)
        os.dup2(b, 4)

    process = subprocess.Popen(
        [found, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        preexec_fn=place, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(reads)
    os.close(writes)
    running = Browser(to, back)
    try:
        yield running
    finally:
        running.call("Browser.close", {})
        process.wait(timeout=20)
        os.close(to)
        os.close(back)
