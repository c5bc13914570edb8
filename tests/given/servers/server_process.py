"""Starts and stops a real server process, as an orchestrator does."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

DIFFEO = str(Path(sys.executable).with_name("diffeo"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A real `diffeo serve` process; `ready_seconds` is the time from its start to its first ready answer."""

    def __init__(self, models: Path, *options: str, **environment: str) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        began = time.monotonic()
        command = [DIFFEO, "serve", "--models", str(models), "--port", str(port), *options]
        # A file, not a pipe: an unread pipe becomes full, and then the server blocks.
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed in stop)
        # One worker by default, so that the started process is the one that serves.
        environment = {**os.environ, "DIFFEO_WORKERS": "1", **environment}
        self.process = subprocess.Popen(command, stdout=self._log, env=environment)
        while True:
            try:
                if httpx.get(self.url + "/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if self.process.poll() is not None or time.monotonic() - began > 120:
                raise RuntimeError(f"the server did not become ready: {self._output()}")
            time.sleep(0.01)
        self.ready_seconds = time.monotonic() - began

    def stop(self) -> tuple[int, list[dict[str, object]]]:
        """Send SIGTERM and wait for the end; the exit code and the log lines."""
        self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def finish(self) -> tuple[int, list[dict[str, object]]]:
        """Wait for the end of a process that got SIGTERM already; the exit code and the log lines."""
        code = self.process.wait(timeout=30)
        lines = [json.loads(line) for line in self._output().splitlines()]
        self._log.close()
        return code, lines

    def _output(self) -> str:
        self._log.seek(0)
        return self._log.read()
