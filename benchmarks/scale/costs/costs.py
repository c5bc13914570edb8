"""The costs of one step, read from costs.toml into frozen types. The file gives a reason for every number."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

COSTS: Final = Path(__file__).with_name("costs.toml")
BodyFormat = Literal["json", "npy"]


@dataclass(frozen=True, slots=True)
class ReplicaCosts:
    """One worker with one core, on which the event loop and the engine take turns.

    Attributes:
        request_seconds: c, for one request with any number of rows.
        turn_seconds: a, for one turn of the event loop with one call of the engine.
        read_seconds: p, for parsing and writing one row.
        row_seconds: b, for the arithmetic of one row.
        chunk_rows: maximum number of rows per call of the engine.
        queue_rows: maximum number of queued rows.
        inline_seconds: requests with more seconds of arithmetic go to the queue of large requests.
    """

    request_seconds: float
    turn_seconds: float
    read_seconds: float
    row_seconds: float
    chunk_rows: int = 1024
    queue_rows: int = 2**53
    inline_seconds: float = 0.002

    def seconds(self, rows: float) -> float:
        """The time that a request adds to a turn: c + (p + b) rows."""
        return self.request_seconds + (self.read_seconds + self.row_seconds) * rows


@dataclass(frozen=True, slots=True)
class BulkCosts:
    """A job over files, which reads and writes blocks of rows."""

    read_seconds_per_row: float
    block_rows: int
    block_seconds: float
    row_bytes: float


@dataclass(frozen=True, slots=True)
class ProxyCosts:
    """One core of the proxy in front of the replicas."""

    request_seconds: float
    bytes_per_second: float
    json_row_bytes: float
    npy_row_bytes: float

    def row_bytes(self, body_format: BodyFormat) -> float:
        """Bytes of one row and its answer."""
        return self.json_row_bytes if body_format == "json" else self.npy_row_bytes

    def seconds(self, rows: float, body_format: BodyFormat) -> float:
        """Time to forward one request and its response."""
        return self.request_seconds + rows * self.row_bytes(body_format) / self.bytes_per_second


@dataclass(frozen=True, slots=True)
class StorageCosts:
    """An object store and the network between it and one machine."""

    machine_bytes_per_second: float
    store_bytes_per_second: float
    prefix_reads_per_second: float
    prefix_writes_per_second: float
    read_dollars: float
    write_dollars: float
    month_dollars_per_byte: float


@dataclass(frozen=True, slots=True)
class MachineCosts:
    """Rented processor cores."""

    dollars_per_core_hour: float


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU with its machine.

    Attributes:
        share: the share of the peak rates that a graph of small products reaches.
    """

    name: str
    flops: float
    memory_bytes_per_second: float
    link_bytes_per_second: float
    share: float
    dollars_per_hour: float


@dataclass(frozen=True, slots=True)
class Graph:
    """Arithmetic and memory traffic of one row on a GPU."""

    name: str
    row_flops: float
    row_memory_bytes: float


@dataclass(frozen=True, slots=True)
class Costs:
    """The content of costs.toml.

    Attributes:
        python_proxy_seconds: for one request in a proxy written in Python.
        row_seconds: b, by graph.
        read_seconds: p, by format of the body.
    """

    request_seconds: float
    turn_seconds: float
    memory_bytes: float
    chunk_rows: int
    queue_rows: int
    inline_seconds: float
    read_seconds: dict[str, float]
    row_seconds: dict[str, float]
    bulk: BulkCosts
    proxy: ProxyCosts
    python_proxy_seconds: float
    storage: StorageCosts
    machine: MachineCosts
    gpus: tuple[Gpu, ...]
    graphs: dict[str, Graph]

    @classmethod
    def read(cls, path: Path = COSTS) -> Self:
        """Reads the file."""
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        replica = dict(found["replica"])
        return cls(
            read_seconds=replica.pop("read_seconds_per_row"),
            **replica,
            bulk=BulkCosts(**found["bulk"]),
            proxy=ProxyCosts(**found["proxy"]),
            python_proxy_seconds=found["python_proxy"]["request_seconds"],
            storage=StorageCosts(**found["storage"]),
            machine=MachineCosts(**found["machine"]),
            gpus=tuple(Gpu(**gpu) for gpu in found["gpu"]),
            graphs={graph["name"]: Graph(**graph) for graph in found["graph"]},
        )

    def replica(self, graph: str = "flow64", body_format: BodyFormat = "json") -> ReplicaCosts:
        """A worker that serves one graph to clients of one format."""
        return ReplicaCosts(
            self.request_seconds,
            self.turn_seconds,
            self.read_seconds[body_format],
            self.row_seconds[graph],
            self.chunk_rows,
            self.queue_rows,
            self.inline_seconds,
        )
