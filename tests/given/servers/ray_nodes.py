"""A program that starts two Ray nodes on this machine, prints their address, and kills one node on request.

It prints the address of the cluster as one line. The first line on its standard input makes it kill the second node;
the next line ends it.
"""

import sys

from diffeo.service.process import ray_environment

# One core per node, so two replicas of one core run on different nodes.
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
        nodes.shutdown()  # type: ignore[no-untyped-call]  # Ray does not annotate it


if __name__ == "__main__":
    main()
