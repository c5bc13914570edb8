"""Two Ray nodes on this machine, as a process: it says where they are, and kills the second one when it is told to.

`python nodes.py`; a line comes with the address, and any line that it reads is the order to kill.
"""

import sys

from diffeo.service.process import ray_environment

# One core a node: two replicas of one core are one on each.
CORES = 1


def main() -> None:
    ray_environment.prepare()
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": CORES, "include_dashboard": False})
    try:
        second = nodes.add_node(num_cpus=CORES)
        print(nodes.address, flush=True)
        if sys.stdin.readline():
            nodes.remove_node(second, allow_graceful=False)
            print("killed", flush=True)
        sys.stdin.readline()
    finally:
        nodes.shutdown()


if __name__ == "__main__":
    main()
