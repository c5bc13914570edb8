"""The verbs over HTTP, NumPy in and out; rows travel as npy wherever one array is enough."""

import io
from types import TracebackType
from typing import Self

import httpx
import numpy as np

from diffeo.density import Direction, Part, Rows, Vector
from diffeo.errors import Problem, Unreachable

NPY = "application/x-npy"


class Client:
    """A connection to one service.

    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     x = client.model("moons").sample(1000, seed=7)
    """

    def __init__(self, url: str = "http://127.0.0.1:8000", *, timeout: float = 60.0) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout)
        self._url = url

    def model(self, name: str, version: int | None = None) -> "RemoteModel":
        """One model of the service; the newest version unless one is named."""
        return RemoteModel(self, name, version)

    def models(self) -> list[str]:
        """The names of the models that are served."""
        return [entry["model"] for entry in self.request("GET", "/models").json()["models"]]

    def request(self, method: str, path: str, **arguments: object) -> httpx.Response:
        """One exchange.

        Raises:
            Unreachable: no answer came.
            Problem: the answer is a problem document.
        """
        try:
            response = self._http.request(method, path, **arguments)  # type: ignore[arg-type]  # httpx names each argument
        except httpx.TransportError as error:
            raise Unreachable(f"no service answers at {self._url}: {error}") from error
        if response.is_error:
            raise _problem(response)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RemoteModel:
    """One model of a service; see `diffeo.density` for the verbs."""

    def __init__(self, client: Client, name: str, version: int | None) -> None:
        self._client = client
        self.name = name
        self._address: dict[str, str | int] = {"model": name}
        if version is not None:
            self._address["version"] = version
        self._columns: tuple[str, ...] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of x."""
        if self._columns is None:
            content = self._client.request("GET", f"/models/{self.name}").json()
            self._columns = tuple(content["columns"] or ())
        return self._columns

    def sample(self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0) -> Rows:
        """Draw rows of x; with a seed the same rows every time, and `start` pages through them."""
        wanted: dict[str, object] = {"num_samples": num_samples, "start": start, "temperature": temperature}
        if seed is not None:
            wanted["seed"] = seed
        answer = self._client.request("POST", "/sample", params={**self._address, **wanted, "format": "npy"})
        return _array(answer)

    def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, parts: tuple[Part, ...]
    ) -> dict[str, Rows]:
        """Rows of a seeded sample with the parts asked for, from one pass."""
        body = {"num_samples": num_samples, "seed": seed, "start": start, "temperature": temperature}
        content = self._client.request("POST", "/sample", json={**self._address, **body, "return": list(parts)}).json()
        return {part: np.array(content[part], dtype=np.float64) for part in parts}

    def log_prob(self, x: Rows) -> Vector:
        """Exact log density of each row, nats."""
        return self._send("/log_prob", x, {})

    def forward(self, x: Rows) -> Rows:
        """Z = f(x)."""
        return self._send("/transform", x, {"direction": "forward"})

    def inverse(self, z: Rows) -> Rows:
        """X = f^-1(z)."""
        return self._send("/transform", z, {"direction": "inverse"})

    def transform(self, rows: Rows, direction: Direction) -> tuple[Rows, Vector]:
        """Z or x of each row, and the log|det| of that direction."""
        ladj = self._send("/transform", rows, {"direction": direction, "return": "log_abs_det_jacobian"})
        return self._send("/transform", rows, {"direction": direction}), ladj

    def _send(self, path: str, rows: Rows, parameters: dict[str, str]) -> Rows:
        buffer = io.BytesIO()
        table = np.ascontiguousarray(rows, dtype=np.float32 if rows.dtype == np.float32 else np.float64)
        np.save(buffer, table, allow_pickle=False)
        headers = {"content-type": NPY, "accept": NPY}
        query = {**self._address, **parameters}
        return _array(self._client.request("POST", path, params=query, content=buffer.getvalue(), headers=headers))


def _array(response: httpx.Response) -> Rows:
    array: Rows = np.load(io.BytesIO(response.content), allow_pickle=False)
    return array


def _problem(response: httpx.Response) -> Problem:
    try:
        content = response.json()
        faults = [(fault["pointer"], fault["detail"]) for fault in content["errors"]]
        return Problem(response.status_code, content["type"], content["detail"], faults, content["request_id"])
    except (ValueError, KeyError, TypeError):
        # Not ours: a proxy's page, say.
        return Problem(response.status_code, "about:blank", f"HTTP {response.status_code}", (), "")
