"""A headless Chromium, driven over its debugging pipe: no server, no driver program, no network."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
REASON = "needs Chromium: apt-get install chromium"
# the browser reads commands from descriptor 3 and writes answers to 4
_PIPES = """
import fcntl, os, sys
reading, writing = (fcntl.fcntl(int(text), fcntl.F_DUPFD, 10) for text in sys.argv[1:3])
os.dup2(reading, 3)
os.dup2(writing, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_LIMIT_S = 60.0
Json = Mapping[str, object]


def program() -> str | None:
    """The path of the browser; None if there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class BrowserError(Exception):
    """The browser ended, or refused a command."""


class Browser:
    """One browser with one page. `errors` are its exceptions, console errors and requests to the outside."""

    def __init__(self, process: "subprocess.Popen[bytes]", to_browser: int, from_browser: int) -> None:
        self._process = process
        self._to, self._from = to_browser, from_browser
        self._buffer, self._number = b"", 0
        self._events: set[str] = set()
        self.errors: list[str] = []
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session = str(attached["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, parameters: Json | None = None) -> Json:
        """One command of the page; raises BrowserError with the browser's reason."""
        return self._call(method, parameters or {}, self._session)

    def _call(self, method: str, parameters: Json, session: str | None = None) -> Json:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read(method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                result = answer["result"]
                assert isinstance(result, dict)
                return result
            self._note(answer)

    def _read(self, what: str) -> Json:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], _LIMIT_S)
            if not ready:
                raise BrowserError(f"no answer to {what[:200]} within {_LIMIT_S:.0f} s")
            read = os.read(self._from, 1 << 20)
            if not read:
                raise BrowserError(f"the browser ended with {self._process.poll()}")
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\0")
        parsed = json.loads(line)
        assert isinstance(parsed, dict)
        return parsed

    def _note(self, event: Json) -> None:
        self._events.add(str(event.get("method")))
        parameters = event.get("params")
        if not isinstance(parameters, dict):
            return
        match event.get("method"):
            case "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                self.errors.append(str(details.get("exception", details).get("description", details)))
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                self.errors.append(f"console: {parameters['args']}")
            case "Log.entryAdded" if parameters["entry"]["level"] == "error":
                self.errors.append(str(parameters["entry"]["text"]))
            case "Network.requestWillBeSent" if not parameters["request"]["url"].startswith(
                ("file:", "data:", "about:", "blob:")
            ):
                self.errors.append(f"request to {parameters['request']['url']}")

    def open(self, url: str) -> None:
        """Loads a page, also where only the fragment differs, and waits for its load event."""
        self.call("Page.navigate", {"url": "about:blank"})
        self._until_loaded("about:blank")
        self.call("Page.navigate", {"url": url})
        self._until_loaded(url)

    def _until_loaded(self, url: str) -> None:
        while "Page.loadEventFired" not in self._events:
            self._note(self._read(url))
        self._events.clear()

    def wait(self, expression: str) -> None:
        """Until a JavaScript expression is true."""
        limit = time.monotonic() + _LIMIT_S
        while not self.value(expression):
            if time.monotonic() > limit:
                raise BrowserError(f"{expression} was not true within {_LIMIT_S:.0f} s")
            time.sleep(0.02)

    def value(self, expression: str) -> object:
        """The value of a JavaScript expression, with promises resolved; raises BrowserError if it throws."""
        parameters = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", parameters)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression[:200]}: {answer['exceptionDetails']}")
        result = answer["result"]
        assert isinstance(result, dict)
        return result.get("value")

    def run_file(self, path: Path) -> None:
        """Runs a script in the page."""
        parameters = {"expression": path.read_text(encoding="utf-8"), "returnByValue": False}
        self.call("Runtime.evaluate", parameters)

    def resize(self, width: int, height: int = 1000) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", metrics)

    def dark(self, dark: bool = True) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", {"features": [scheme]})

    def press(self, key: str, code: str = "") -> None:
        """A key, as from the keyboard: `Tab`, `Enter`, `ArrowRight`."""
        text = {"Enter": "\r", " ": " "}.get(key)
        for kind in ("keyDown", "keyUp"):
            event: dict[str, str | int] = {"type": kind, "key": key, "code": code or key}
            if text and kind == "keyDown":
                event["text"] = text
            event["windowsVirtualKeyCode"] = {"Tab": 9, "Enter": 13, " ": 32}.get(key, 0)
            self.call("Input.dispatchKeyEvent", event)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        parameters: dict[str, object] = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            assert isinstance(size, dict)
            parameters["clip"] = {**size, "x": 0, "y": 0, "scale": 1}
        data = self.call("Page.captureScreenshot", parameters)["data"]
        path.write_bytes(base64.b64decode(str(data)))


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own; ends it and removes the profile."""
    found = program()
    if found is None:
        raise BrowserError(REASON)
    from_here, to_browser = os.pipe()
    from_browser, from_there = os.pipe()
    with tempfile.TemporaryDirectory(prefix="qutiperf-browser-", ignore_cleanup_errors=True) as profile:
        options = [
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
            *("--disable-extensions", "--disable-background-networking", "--disable-dev-shm-usage"),
            *(f"--user-data-dir={profile}", "--remote-debugging-pipe", "--force-color-profile=srgb"),
        ]
        command = [sys.executable, "-c", _PIPES, str(from_here), str(from_there), found, *options]
        process = subprocess.Popen(
            command,
            pass_fds=(from_here, from_there),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(from_here)
        os.close(from_there)
        try:
            yield Browser(process, to_browser, from_browser)
        finally:
            os.close(to_browser)
            os.close(from_browser)
            process.terminate()
            process.wait(_LIMIT_S)
