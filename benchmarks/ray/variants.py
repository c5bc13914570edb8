"""The servers that are compared, as data: plain, plain behind HAProxy, and Ray Serve with each of its fast options."""

from typing import Final

from benchmarks.serving.servers.catalogue import SERVE, Server

ONE_WORKER: Final = ("--workers", "1", "--threads", "2")
TWO_WORKERS: Final = ("--workers", "2", "--threads", "1")
BALANCED: Final = ("python", "-m", "benchmarks.ray.balanced_servers", "{models}", "{port}")
IMPORTABLE: Final = {"PYTHONPATH": "{root}"}  # `python -m benchmarks...` runs in the server's scratch folder
HAPROXY: Final = "RAY_SERVE_ENABLE_HA_PROXY"
THROUGHPUT: Final = "RAY_SERVE_THROUGHPUT_OPTIMIZED"
DEFAULTS: Final = {HAPROXY: "0", THROUGHPUT: "0"}
ALL_OPTIONS: Final = {HAPROXY: "1", THROUGHPUT: "1"}
# Parts of RAY_SERVE_THROUGHPUT_OPTIMIZED=1 that have an effect here.
ONE_LOOP: Final = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0", "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0"}
GRPC: Final = {"RAY_SERVE_USE_GRPC_BY_DEFAULT": "1"}


def _plain(key: str, name: str, arguments: tuple[str, ...]) -> Server:
    return Server(key, name, (*SERVE, *arguments), graphs=("flow64",))


def _balanced(key: str, name: str, count: int, threads: int) -> Server:
    command = (*BALANCED, str(count), str(threads))
    return Server(key, name, command, variables=IMPORTABLE, graphs=("flow64",))


def _ray(key: str, name: str, variables: dict[str, str], size: tuple[str, ...] = ONE_WORKER) -> Server:
    return Server(key, name, (*SERVE, "--ray", *size), variables=variables, graphs=("flow64",))


VARIANTS: Final = (
    _plain("plain", "plain, 1 worker", ONE_WORKER),
    _balanced("balanced", "plain, 1 worker, behind HAProxy", 1, 2),
    _ray("ray", "Ray, its defaults", DEFAULTS),
    _ray("ray-loop", "Ray, one loop", {**DEFAULTS, **ONE_LOOP}),
    _ray("ray-grpc", "Ray, gRPC between proxy and replica", {**DEFAULTS, **GRPC}),
    _ray("ray-throughput", "Ray, throughput optimized", {HAPROXY: "0", THROUGHPUT: "1"}),
    _ray("ray-haproxy", "Ray, HAProxy", {HAPROXY: "1", THROUGHPUT: "0"}),
    _ray("ray-all", "Ray, HAProxy and throughput optimized", ALL_OPTIONS),
    _plain("plain-2", "plain, 2 workers", TWO_WORKERS),
    _balanced("balanced-2", "2 plain servers behind HAProxy", 2, 1),
    _ray("ray-2", "Ray, HAProxy and throughput optimized, 2 replicas", ALL_OPTIONS, TWO_WORKERS),
)
BY_KEY: Final = {server.key: server for server in VARIANTS}
# `diffeo serve --ray` starts this variant.
DIFFEO_RAY: Final = "ray-all"
PLAIN_EQUIVALENTS: Final = {"balanced-2": "plain-2", "ray-2": "plain-2"}


def plain_equivalent(key: str) -> str:
    """Key of the plain server with the same number of processes."""
    return PLAIN_EQUIVALENTS.get(key, "plain")
