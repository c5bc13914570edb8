"""What one step costs, read once from costs.toml into frozen types; every figure has its reason there."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

COSTS: Final = Path(__file__).with_name("costs.toml")
Form = Literal["json", "npy"]


@dataclass(frozen=True, slots=True)
class ReplicaCosts:
    """One worker with one core to itself: its loop and its engine take turns on it.

    Attributes:
        request_seconds: c, of a request whatever its rows.
        turn_seconds: a, of one turn of the loop and one call of the engine.
        read_seconds: p, of parsing and writing one row.
        row_seconds: b, of the arithmetic of one row.
        chunk_rows: rows per call of the engine, at most.
        queue_rows: rows that may wait.
        inline_seconds: requests whose arithmetic takes longer wait in the second lane.
    """

    request_seconds: float
    turn_seconds: float
    read_seconds: float
    row_seconds: float
    chunk_rows: int = 1024
    queue_rows: int = 2**53
    inline_seconds: float = 0.002

    def own(self, rows: float) -> float:
        """What a request adds to a turn: c + (p + b) rows."""
        return self.request_seconds + (self.read_seconds + self.row_seconds) * rows


@dataclass(frozen=True, slots=True)
class Bulk:
    """A job over files: blocks in, blocks out."""

    read_seconds_per_row: float
    block_rows: int
    block_seconds: float
    row_bytes: float


@dataclass(frozen=True, slots=True)
class Proxy:
    """One core of what stands in front of the replicas."""

    request_seconds: float
    bytes_per_second: float
    json_row_bytes: float
    npy_row_bytes: float

    def seconds(self, rows: float, form: Form) -> float:
        """One request forth and its answer back."""
        row_bytes = self.json_row_bytes if form == "json" else self.npy_row_bytes
        return self.request_seconds + rows * row_bytes / self.bytes_per_second


@dataclass(frozen=True, slots=True)
class Storage:
    """An object store, and the wire between it and one machine."""

    machine_bytes_per_second: float
    store_bytes_per_second: float
    prefix_reads_per_second: float
    prefix_writes_per_second: float
    read_dollars: float
    write_dollars: float
    month_dollars_per_byte: float


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores that are rented."""

    dollars_per_core_hour: float


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU and the machine around it."""

    name: str
    flops: float
    memory_bytes_per_second: float
    link_bytes_per_second: float
    share: float
    dollars_per_hour: float


@dataclass(frozen=True, slots=True)
class Graph:
    """What one row asks of a card."""

    name: str
    row_flops: float
    row_memory_bytes: float


@dataclass(frozen=True, slots=True)
class Costs:
    """All of costs.toml.

    Attributes:
        python_proxy_seconds: of one request in a proxy written in Python.
        row_seconds: b by graph.
        read_seconds: p by form.
    """

    request_seconds: float
    turn_seconds: float
    memory_bytes: float
    chunk_rows: int
    queue_rows: int
    inline_seconds: float
    read_seconds: dict[str, float]
    row_seconds: dict[str, float]
    bulk: Bulk
    proxy: Proxy
    python_proxy_seconds: float
    storage: Storage
    machine: Machine
    cards: tuple[Card, ...]
    graphs: dict[str, Graph]

    @classmethod
    def read(cls, path: Path = COSTS) -> Self:
        """What the file says."""
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        replica = dict(found["replica"])
        return cls(
            read_seconds=replica.pop("read_seconds_per_row"),
            **replica,
            bulk=Bulk(**found["bulk"]),
            proxy=Proxy(**found["proxy"]),
            python_proxy_seconds=found["python_proxy"]["request_seconds"],
            storage=Storage(**found["storage"]),
            machine=Machine(**found["machine"]),
            cards=tuple(Card(**card) for card in found["card"]),
            graphs={graph["name"]: Graph(**graph) for graph in found["graph"]},
        )

    def replica(self, graph: str = "flow64", form: Form = "json") -> ReplicaCosts:
        """A worker that serves one graph to clients of one form."""
        return ReplicaCosts(
            self.request_seconds,
            self.turn_seconds,
            self.read_seconds[form],
            self.row_seconds[graph],
            self.chunk_rows,
            self.queue_rows,
            self.inline_seconds,
        )
