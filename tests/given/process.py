"""A real server process, as an orchestrator sees it: started, ready, asked, ended."""

import json
import os
import signal
import socket
import subprocess
import sys
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

    def __init__(self, models: Path, **environment: str) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        began = time.monotonic()
        command = [DIFFEO, "serve", "--models", str(models), "--port", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **environment}, text=True)
        while True:
            try:
                if httpx.get(self.url + "/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if self.process.poll() is not None or time.monotonic() - began > 60:
                raise RuntimeError(f"the server did not become ready: {self.process.communicate()[0]}")
            time.sleep(0.01)
        self.ready_seconds = time.monotonic() - began

    def stop(self) -> tuple[int, list[dict[str, object]]]:
        """End it as an orchestrator does; the exit code and the log lines."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=30)
        return self.process.returncode, [json.loads(line) for line in output.splitlines()]
