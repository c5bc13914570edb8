"""The servers that are compared, as data: how each is installed, started and spoken to.

In commands and variables `{models}` is a folder of models with the one bundle, `{peers}` is benchmarks/peers,
`{scratch}` the server's own folder, and `{port}`, `{grpc}`, `{metrics}` are free ports. Every peer finds the graph in
MODEL and its threads in THREADS.
"""

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final, Literal

Protocol = Literal["rows", "v2"]  # {"x": rows}, or the Open Inference Protocol
Form = Literal["json", "npy"]

THREADS: Final = 2
# The runtime that computes the graph is the same for everyone.
ONE_RUNTIME: Final = ("numpy", f"onnxruntime=={version('onnxruntime')}")


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment under runs/peers: pins conflict, so each peer has its own.

    Attributes:
        at_start: a file of benchmarks/peers that every Python of the environment runs first.
    """

    name: str
    packages: tuple[str, ...]
    at_start: str | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """One column of the comparison.

    Attributes:
        key: what `--servers` calls it.
        name: what tables call it.
        environment: where its command is found; None is the environment that runs the benchmark.
        forms: bodies that it takes.
        variables: of its process, beside those that every peer has.
        graphs: those that it is tried on.
    """

    key: str
    name: str
    command: tuple[str, ...]
    environment: Environment | None = None
    protocol: Protocol = "rows"
    forms: tuple[Form, ...] = ("json",)
    variables: dict[str, str] = field(default_factory=dict)
    graphs: tuple[str, ...] = ("flow64", "flow512")

    @property
    def path(self) -> str:
        """Where rows are posted."""
        return "/v2/models/flow/infer" if self.protocol == "v2" else "/log_prob"


SERVE: Final = ("diffeo", "serve", "--models", "{models}", "--port", "{port}")
UVICORN: Final = ("uvicorn", "by_hand:app", "--app-dir", "{peers}", "--port", "{port}", "--no-access-log")
MLSERVER_START: Final = ("mlserver", "start", "{peers}/mlserver")
MLSERVER_PORTS: Final = {
    "MLSERVER_HOST": "127.0.0.1",
    "MLSERVER_HTTP_PORT": "{port}",
    "MLSERVER_GRPC_PORT": "{grpc}",
    "MLSERVER_METRICS_PORT": "{metrics}",
}
MLSERVER_BATCHING: Final = {
    **MLSERVER_PORTS,
    "MLSERVER_MODEL_MAX_BATCH_SIZE": "64",
    "MLSERVER_MODEL_MAX_BATCH_TIME": "0.001",
}
MLSERVER: Final = Environment("mlserver", ("mlserver==1.7.1",))
ONE_THREAD: Final = {"THREADS": "1"}
FASTAPI: Final = Environment("fastapi", ("fastapi==0.165.0", "uvicorn[standard]==0.54.0"))

# The first one is held to the targets.
OURS: Final = (
    Server("diffeo", "diffeo", SERVE, forms=("json", "npy")),
    Server("diffeo-1", "diffeo, 1 worker", (*SERVE, "--workers", "1"), forms=("json", "npy"), graphs=("flow64",)),
)
PEERS: Final = (
    Server("fastapi", "FastAPI by hand", UVICORN, FASTAPI),
    # Two processes of one thread instead of one of two.
    Server(
        "fastapi-2",
        "FastAPI by hand, 2 workers",
        (*UVICORN, "--workers", "2"),
        FASTAPI,
        variables=ONE_THREAD,
        graphs=("flow64",),
    ),
    Server(
        "triton",
        "Triton (PyTriton)",
        ("python", "{peers}/pytriton_server.py"),
        Environment("triton", ("nvidia-pytriton==0.7.0",), at_start="pytriton_site.py"),
        protocol="v2",
    ),
    # Batching is off unless it is asked for, and does not pay where the graph costs this little.
    Server("mlserver", "MLServer, batching", MLSERVER_START, MLSERVER, "v2", variables=MLSERVER_BATCHING),
    Server(
        "mlserver-plain",
        "MLServer, no batching",
        MLSERVER_START,
        MLSERVER,
        "v2",
        variables=MLSERVER_PORTS,
        graphs=("flow64",),
    ),
    Server(
        "litserve", "LitServe", ("python", "{peers}/litserve_api.py"), Environment("litserve", ("litserve==0.2.19",))
    ),
    Server(
        "bentoml",
        "BentoML",
        ("bentoml", "serve", "bentoml_service:Flow", "--working-dir", "{peers}", "--port", "{port}"),
        Environment("bentoml", ("bentoml==1.4.39",)),
        variables={"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "{scratch}/home"},
    ),
    Server(
        "ray",
        "Ray Serve",
        ("python", "{peers}/ray_deployment.py"),
        Environment("ray", ("ray[serve]==2.60.0",)),
        # Ray steps back behind every other process; here it is measured as the others are.
        variables={"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"},
    ),
)
SERVERS: Final = {server.key: server for server in (*OURS, *PEERS)}
