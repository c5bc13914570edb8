"""The servers that are compared, as data: how each is installed, started and addressed.

Commands and variables contain placeholders: `{models}` is a model repository with one bundle, `{peers}` is
benchmarks/peers, `{root}` the root of the repository, `{scratch}` a folder for the server's own files, and `{port}`,
`{grpc}`, `{metrics}` are free ports. Each peer reads the path of its graph from MODEL and its number of threads from
THREADS.
"""

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final, Literal

Protocol = Literal["rows", "v2"]  # {"x": rows}, or the Open Inference Protocol
BodyFormat = Literal["json", "npy"]

THREADS: Final = 2
# Every server computes the graph with the same version of ONNX Runtime.
RUNTIME_PACKAGES: Final = ("numpy", f"onnxruntime=={version('onnxruntime')}")


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment under runs/peers. The pins of the peers conflict, so each peer has one.

    Attributes:
        startup_file: a file of benchmarks/peers that Python runs whenever it starts in this environment.
    """

    name: str
    packages: tuple[str, ...]
    startup_file: str | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """One server of the comparison.

    Attributes:
        key: its name on the command line, for `--servers`.
        name: its name in tables.
        environment: the environment of its command; None is the environment that runs the benchmark.
        formats: the request bodies that it accepts.
        variables: environment variables, beside those that every peer gets.
        graphs: the graphs that it is measured on.
    """

    key: str
    name: str
    command: tuple[str, ...]
    environment: Environment | None = None
    protocol: Protocol = "rows"
    formats: tuple[BodyFormat, ...] = ("json",)
    variables: dict[str, str] = field(default_factory=dict)
    graphs: tuple[str, ...] = ("flow64", "flow512")

    @property
    def path(self) -> str:
        """The HTTP path that takes rows."""
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

# The targets of the page are about the first of these.
OURS: Final = (
    Server("diffeo", "diffeo", SERVE, formats=("json", "npy")),
    Server("diffeo-1", "diffeo, 1 worker", (*SERVE, "--workers", "1"), formats=("json", "npy"), graphs=("flow64",)),
)
PEERS: Final = (
    Server("fastapi", "FastAPI by hand", UVICORN, FASTAPI),
    # Two processes with one thread each, instead of one process with two threads.
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
        Environment("triton", ("nvidia-pytriton==0.7.0",), startup_file="pytriton_sitecustomize.py"),
        protocol="v2",
    ),
    # MLServer batches only when it is configured to. Batching does not pay for a graph as small as flow64.
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
        # By default Ray lowers the priority of its workers (niceness 15). The other servers run at normal priority.
        variables={"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"},
    ),
)
SERVERS: Final = {server.key: server for server in (*OURS, *PEERS)}
