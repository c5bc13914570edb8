"""What Ray's processes are told before they start; what the environment says already stays as it is.

Every process of a cluster reads these, so on several machines each `ray start` needs them too (`docs/ray.md`).
"""

import os
from typing import Final

FAST: Final = {
    # HAProxy in the place of a Python proxy; replicas take its connections themselves.
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    # One loop a replica: ours blocks it for no longer than a small batch takes.
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    # Ray steps back behind every other process, which on a machine of its own only adds waiting.
    "RAY_worker_niceness": "0",
}
SAFE: Final = {
    # A replica that dies leaves requests without an answer. Seeds are counted: asking twice changes nothing.
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
    # So long a replica that is to end waits until no proxy sends to it; HAProxy knows within a second.
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "3",
    # Ray tells its makers what a cluster is used for, unless it is told not to.
    "RAY_USAGE_STATS_ENABLED": "0",
}


def prepare() -> None:
    """Tell this process and those that it starts; before Ray is imported, which reads some of them then."""
    for name, value in {**FAST, **SAFE}.items():
        os.environ.setdefault(name, value)
