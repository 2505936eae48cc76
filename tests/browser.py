"""Headless Chromium, driven through a pipe by its DevTools protocol."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_SECONDS = 300


class Browser:
    """A browser with one page.

    Args:
        profile: Directory for its files.
        width, height: Of the page, in pixels.
        dark: Whether the user prefers dark pages.
    """

    def __init__(self, profile, width=1280, height=900, dark=False):
        # Chromium reads from 3 and writes to 4, so the ends that it gets have higher numbers until it starts.
        ends, self._commands = os.pipe()
        self._answers, other_ends = os.pipe()
        commands, answers = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (ends, other_ends))
        script = f'exec "$0" "$@" 3<&{commands} 4>&{answers}'
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"]
        arguments += [f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", script, PROGRAM, *arguments],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (ends, other_ends, commands, answers):
            os.close(end)
        self._received, self._number, self._session, self.events = b"", 0, None, []
        (page,) = [one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Performance"):
            self.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._process.terminate()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def call(self, method, **parameters):
        """The result of a method of the protocol. Events that come before it are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _next(self):
        while b"\0" not in self._received:
            part = os.read(self._answers, 2**20)
            assert part, "the browser has ended"
            self._received += part
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def value(self, expression):
        """What an expression of the page, or what it promises, is."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, expression):
        """Waits until an expression holds."""
        begun = time.monotonic()
        while not self.value(expression):
            assert time.monotonic() - begun < _SECONDS, f"{expression}: {self.value('document.body.innerText')}"
            time.sleep(0.05)

    def busy(self):
        """Seconds that the threads of the page have been busy."""
        metrics = {metric["name"]: metric["value"] for metric in self.call("Performance.getMetrics")["metrics"]}
        return metrics["ProcessTime"]

    def screenshot(self, path):
        """Writes a PNG of what the window shows."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def messages(self):
        """Errors, and addresses outside of the page's folder that were asked for."""
        kept = []
        for event in self.events:
            parameters = event.get("params", {})
            entry = parameters.get("entry", {})
            if event.get("method") == "Runtime.exceptionThrown" or entry.get("level") == "error":
                kept.append(json.dumps(parameters))
            elif event.get("method") == "Network.requestWillBeSent":
                kept.append(parameters["request"]["url"])
        return [message for message in kept if not message.startswith(("file:", "data:", "blob:"))]
