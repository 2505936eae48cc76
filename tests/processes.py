"""Processes that a test starts: workers of one cluster on this machine."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys

WORKER = [sys.executable, str(pathlib.Path(__file__).with_name("worker.py"))]


class Cluster(contextlib.ExitStack):
    """Processes that MultiWorkerMirroredStrategy takes for as many workers; they are killed when the block ends.

    Args:
        directory: Where their output goes.
        *commands: What each of them runs, lists of strings.
    """

    def __init__(self, directory, *commands):
        super().__init__()
        addresses = [f"127.0.0.1:{_free_port()}" for _ in commands]
        self.logs = [directory / f"worker-{index}.log" for index in range(len(commands))]
        self.processes = []
        for index, (command, log) in enumerate(zip(commands, self.logs, strict=True)):
            config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment = {**os.environ, "TF_CONFIG": json.dumps(config), "PYTHONUNBUFFERED": "1"}
            output = self.enter_context(log.open("w"))
            process = subprocess.Popen(
                list(map(str, command)), env=environment, stdout=output, stderr=subprocess.STDOUT
            )
            self.callback(process.wait)
            self.callback(process.kill)
            self.processes.append(process)

    def ended(self, timeout=300):
        """Exit statuses of all; those that have not ended by then are said with what they have printed."""
        try:
            return [process.wait(timeout) for process in self.processes]
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"Not ended after {timeout} s:\n{self.printed()}") from error

    def printed(self):
        return "\n".join(f"{log.name}: ...{log.read_text(errors='replace')[-3000:]}" for log in self.logs)


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
