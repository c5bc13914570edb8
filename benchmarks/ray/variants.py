"""What is compared, as data: a plain server, the same behind HAProxy, and Ray Serve with each of its fast options."""

from typing import Final

from servers import SERVE, Server

ONE: Final = ("--workers", "1", "--threads", "2")
TWO: Final = ("--workers", "2", "--threads", "1")
BALANCED: Final = ("python", "{peers}/../ray/balanced.py", "{models}", "{port}")
PROXY: Final = "RAY_SERVE_ENABLE_HA_PROXY"
THROUGHPUT: Final = "RAY_SERVE_THROUGHPUT_OPTIMIZED"
DEFAULTS: Final = {PROXY: "0", THROUGHPUT: "0"}
ALL: Final = {PROXY: "1", THROUGHPUT: "1"}
# What RAY_SERVE_THROUGHPUT_OPTIMIZED=1 is made of, as far as it shows here.
ONE_LOOP: Final = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0", "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0"}
GRPC: Final = {"RAY_SERVE_USE_GRPC_BY_DEFAULT": "1"}


def _plain(key: str, name: str, command: tuple[str, ...]) -> Server:
    return Server(key, name, command, graphs=("flow64",))


def _ray(key: str, name: str, variables: dict[str, str], size: tuple[str, ...] = ONE) -> Server:
    return Server(key, name, (*SERVE, "--ray", *size), variables=variables, graphs=("flow64",))


VARIANTS: Final = (
    _plain("plain", "plain, 1 worker", (*SERVE, *ONE)),
    _plain("balanced", "plain, 1 worker, behind HAProxy", (*BALANCED, "1", "2")),
    _ray("ray", "Ray, its defaults", DEFAULTS),
    _ray("ray-loop", "Ray, one loop", {**DEFAULTS, **ONE_LOOP}),
    _ray("ray-grpc", "Ray, gRPC between proxy and replica", {**DEFAULTS, **GRPC}),
    _ray("ray-throughput", "Ray, throughput optimized", {PROXY: "0", THROUGHPUT: "1"}),
    _ray("ray-haproxy", "Ray, HAProxy", {PROXY: "1", THROUGHPUT: "0"}),
    _ray("ray-all", "Ray, HAProxy and throughput optimized", ALL),
    _plain("plain-2", "plain, 2 workers", (*SERVE, *TWO)),
    _plain("balanced-2", "2 plain servers behind HAProxy", (*BALANCED, "2", "1")),
    _ray("ray-2", "Ray, HAProxy and throughput optimized, 2 replicas", ALL, TWO),
)
BY_KEY: Final = {server.key: server for server in VARIANTS}
# `diffeo serve --ray` is this one.
OURS: Final = "ray-all"
EQUALS: Final = {"balanced-2": "plain-2", "ray-2": "plain-2"}


def equal_of(key: str) -> str:
    """The plain server that has as many processes."""
    return EQUALS.get(key, "plain")
