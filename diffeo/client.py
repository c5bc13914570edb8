"""The verbs over HTTP, NumPy in and out; rows travel as npy wherever one array is enough."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import httpx
import numpy as np
import numpy.typing as npt

from diffeo.density import Direction, Part, Rows, Vector
from diffeo.errors import DiffeoError, Problem, Unreachable

NPY = "application/x-npy"

T = TypeVar("T")


class Client:
    """A connection to one service.

    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     x = client.model("moons").sample(1000, seed=7)
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", *, timeout: float = 60.0) -> None:
        try:
            self._http = httpx.Client(base_url=url, timeout=timeout)
        except httpx.InvalidURL as error:
            raise Unreachable(f"{url} is not an address: {error}") from error
        self._url = url

    def model(self, name: str, version: int | None = None) -> "RemoteModel":
        """One model of the service; the newest version unless one is named."""
        return RemoteModel(self, name, version)

    def models(self) -> list[str]:
        """The names of the models that are served."""
        return self.ask("GET", "/models", lambda body: [entry["model"] for entry in json.loads(body)["models"]])

    def ask(self, method: str, path: str, read: Callable[[bytes], T], **arguments: object) -> T:
        """One exchange; `read` turns the body of the answer into what is wanted.

        Raises:
            Unreachable: no answer came, not a whole one, or one that `read` cannot make sense of.
            Problem: the answer is a problem document.
        """
        try:
            response = self._http.request(method, path, **arguments)  # type: ignore[arg-type]  # httpx names each argument
        except httpx.RequestError as error:
            raise Unreachable(f"no service answers at {self._url}: {error}") from error
        if response.is_error:
            raise _problem(response)
        try:
            return read(response.content)
        except (ValueError, KeyError, TypeError, EOFError) as error:
            raise Unreachable(f"what answers at {self._url} is not this service") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _Shape:
    """What x looks like; no columns where the version is not served."""

    columns: tuple[str, ...]
    dtype: str


class RemoteModel:
    """One model of a service; see `diffeo.density` for the verbs."""

    def __init__(self, client: Client, name: str, version: int | None) -> None:
        self._client = client
        self.name = name
        self._version = version
        self._address: dict[str, str | int] = {"model": name}
        if version is not None:
            self._address["version"] = version
        self._known: _Shape | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of x."""
        return self._shape.columns

    def sample(self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0) -> Rows:
        """Draw rows of x; with a seed the same rows every time, and `start` pages through them."""
        wanted: dict[str, object] = {"num_samples": num_samples, "start": start, "temperature": temperature}
        if seed is not None:
            wanted["seed"] = seed
        return self._client.ask("POST", "/sample", _array, params={**self._address, **wanted, "format": "npy"})

    def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, parts: tuple[Part, ...]
    ) -> dict[str, Rows]:
        """Rows of a seeded sample with the parts asked for, from one pass."""
        wanted = {"num_samples": num_samples, "seed": seed, "start": start, "temperature": temperature}
        body = {**self._address, **wanted, "return": list(parts)}
        shape = self._shape

        def read(content: bytes) -> dict[str, Rows]:
            answer = json.loads(content)
            return {part: _tensor(answer[part], shape, part) for part in parts}

        return self._client.ask("POST", "/sample", read, json=body)

    def log_prob(self, x: Rows) -> Vector:
        """Exact log density of each row, nats."""
        return self._send("/log_prob", x, {})

    def forward(self, x: Rows) -> Rows:
        """z = f(x)."""
        return self._send("/transform", x, {"direction": "forward"})

    def inverse(self, z: Rows) -> Rows:
        """x = f^-1(z)."""
        return self._send("/transform", z, {"direction": "inverse"})

    def transform(self, rows: Rows, direction: Direction) -> tuple[Rows, Vector]:
        """z or x of each row, and the log|det| of that direction."""
        ladj = self._send("/transform", rows, {"direction": direction, "return": "log_abs_det_jacobian"})
        return self._send("/transform", rows, {"direction": direction}), ladj

    @property
    def _shape(self) -> _Shape:
        if self._known is None:
            path = f"/models/{quote(self.name, safe='')}"
            if self._version is None:
                self._known = self._client.ask("GET", path, lambda body: _shape(json.loads(body)["newest"]))
            else:
                path = f"{path}/versions/{self._version}"
                self._known = self._client.ask("GET", path, lambda body: _shape(json.loads(body)))
        if not self._known.columns:
            raise DiffeoError(f"no such version of {self.name} is served; GET /models/{self.name} says why")
        return self._known

    def _send(self, path: str, rows: Rows, parameters: dict[str, str]) -> Rows:
        buffer = io.BytesIO()
        table = np.ascontiguousarray(rows, dtype=np.float32 if rows.dtype == np.float32 else np.float64)
        np.save(buffer, table, allow_pickle=False)
        headers = {"content-type": NPY, "accept": NPY}
        query = {**self._address, **parameters}
        return self._client.ask("POST", path, _array, params=query, content=buffer.getvalue(), headers=headers)


def _array(content: bytes) -> Rows:
    array: Rows = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def _shape(detail: dict[str, object] | None) -> _Shape:
    match detail:
        case None | {"columns": None}:
            return _Shape((), "float32")
        case {"columns": list(columns), "dtype": str(dtype)}:
            return _Shape(tuple(map(str, columns)), dtype)
    raise ValueError("not a description of a version")


def _tensor(values: list[object], shape: _Shape, part: Part) -> Rows:
    # JSON has no NaN: a row without an answer is null. Its text reads back as the same float32.
    blank = np.nan if part == "log_prob" else [np.nan] * len(shape.columns)
    dtype: npt.DTypeLike = shape.dtype if part == "x" else np.float32
    return np.array([blank if value is None else value for value in values], dtype=dtype)


def _problem(response: httpx.Response) -> Problem:
    try:
        content = response.json()
        faults = [(fault["pointer"], fault["detail"]) for fault in content["errors"]]
        return Problem(response.status_code, content["type"], content["detail"], faults, content["request_id"])
    except (ValueError, KeyError, TypeError):
        # Not ours: a proxy's page, say.
        return Problem(response.status_code, "about:blank", f"HTTP {response.status_code}", (), "")
