"""Sets the environment variables of Ray's processes before they start. Variables that are set already stay.

Every process of a cluster reads them, so on several machines each `ray start` needs them too (`docs/ray.md`).
"""

import os
from typing import Final

FAST: Final = {
    # HAProxy instead of Ray's Python proxy; it connects to the replicas directly.
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    # One event loop per replica: our code blocks it only for the time of a small batch.
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    # By default Ray's processes have the lowest priority, which only adds waiting on a machine that runs nothing else.
    "RAY_worker_niceness": "0",
}
SAFE: Final = {
    # If a replica dies, HAProxy sends its requests again. A sample depends only on its seed, so that is safe.
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
    # A replica that stops waits this long, until no proxy sends to it; HAProxy is updated within a second.
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "3",
    # No usage statistics are sent to the developers of Ray.
    "RAY_USAGE_STATS_ENABLED": "0",
}


def prepare() -> None:
    """Set the variables for this process and its children. Ray reads some when it is imported, so call this before."""
    for name, value in {**FAST, **SAFE}.items():
        os.environ.setdefault(name, value)
