"""The verbs over HTTP, NumPy in and out; what they do stands in `diffeo.client.calls`, here each step is taken."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, overload

import httpx

from diffeo.density import BLOCK_ROWS, Direction, Draw, Part, Rows, Vector, settled
from diffeo.errors import Unreachable, needing
from diffeo.tables.frames import Frame

from . import calls, httpx_steps
from .retries import Endpoint
from .steps import Give, Open, Outcome, Read, Step, Steps, Wait

if TYPE_CHECKING:
    from diffeo.local.model import LocalModel

T = TypeVar("T")
F = TypeVar("F", bound=Frame)


class Client:
    """Connections to one service; safe to share between threads.

    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     x = client.model("moons").sample(1000, seed=7)

    Args:
        url: the address of the service.
        timeout: seconds that one exchange may take, its repetitions and pauses included; None waits without end.
        retries: how often an exchange is repeated at most, where the connection fails or the service is overloaded.
        headers: sent with every request, such as what a proxy wants to see.
        transport: httpx's own, for another way to the service.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout: float | None = 60.0,
        retries: int = 5,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.endpoint = Endpoint(url, math.inf if timeout is None else timeout, retries)
        self._again = None if transport else partial(Client, url, timeout=timeout, retries=retries, headers=headers)
        try:
            self._http = httpx.Client(base_url=url, headers=httpx_steps.headers(headers), transport=transport)
        except httpx.InvalidURL as error:
            raise Unreachable(f"{url} is not an address: {error}") from error

    def model(self, name: str, version: int | None = None, precision: str | None = None) -> "RemoteModel":
        """One model of the service; its newest version and its own precision unless others are named."""
        return RemoteModel(self, name, version, precision)

    def models(self) -> list[str]:
        """The names of the models of the service."""
        return self.run(calls.names(self.endpoint))

    def run(self, steps: Steps[T]) -> T:
        """Take all steps of a call.

        Raises:
            Unreachable: no answer came, not a whole one, or one that makes no sense.
            Problem: the answer is a problem document.
        """
        outcome: Outcome = None
        with closing(_Driver(self._http)) as driver:
            while True:
                try:
                    step = steps.send(outcome)
                except StopIteration as end:
                    result: T = end.value
                    return result
                outcome = driver.take(step)

    def stream(self, steps: Steps[None]) -> Iterator[Rows]:
        """Take the steps of a call as far as the next array that it gives; the same errors."""
        outcome: Outcome = None
        with closing(steps), closing(_Driver(self._http)) as driver:
            while True:
                try:
                    step = steps.send(outcome)
                except StopIteration:
                    return
                if isinstance(step, Give):
                    yield step.rows
                    outcome = None
                else:
                    outcome = driver.take(step)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __reduce__(self) -> tuple["partial[Client]", tuple[()]]:
        # In another process it is a client of the same service, with connections of its own.
        if self._again is None:
            raise TypeError("a client with a transport of its own cannot go to another process")
        return self._again, ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RemoteModel:
    """One model of a service; see `diffeo.density` for the verbs.

    Rows are NumPy arrays, or frames of pandas or polars: those are matched by column, and tables come back in kind.
    """

    def __init__(self, client: Client, name: str, version: int | None, precision: str | None = None) -> None:
        self.name = name
        self._client = client
        self._verbs = calls.Verbs(client.endpoint, name, version, precision)
        self._columns: tuple[str, ...] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of x; asked for once."""
        if self._columns is None:
            self._columns = self._client.run(self._verbs.shape()).columns
        return self._columns

    def describe(self) -> dict[str, object]:
        """What GET /models/{model} says: columns, certificate, calibration, provenance."""
        return self._client.run(self._verbs.describe())

    def sample(self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0) -> Rows:
        """Draw rows of x; with a seed the same rows every time, and `start` pages through them."""
        return self._client.run(self._verbs.sample(settled(num_samples, seed, start, temperature)))

    def sample_frame(
        self, kind: type[F], num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0
    ) -> F:
        """The rows that `sample` would draw as a `pandas.DataFrame` or `polars.DataFrame` with the model's columns."""
        return self._client.run(self._verbs.sample_frame(kind, settled(num_samples, seed, start, temperature)))

    def sample_and_log_prob(
        self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0
    ) -> tuple[Rows, Vector]:
        """Rows of x and the log density of each, from one pass."""
        draw = settled(num_samples, seed, start, temperature)
        answer = self._client.run(self._verbs.draw(draw, ("x", "log_prob")))
        return answer["x"], answer["log_prob"]

    def iter_samples(
        self,
        num_samples: int,
        *,
        seed: int | None = None,
        start: int = 0,
        temperature: float = 1.0,
        rows: int = BLOCK_ROWS,
    ) -> Iterator[Rows]:
        """The rows that `sample` would draw, in arrays of `rows`; a stream that is cut goes on where it was."""
        return self._client.stream(self._verbs.pieces(settled(num_samples, seed, start, temperature), rows))

    def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, parts: tuple[Part, ...]
    ) -> dict[str, Rows]:
        """Rows of a seeded sample with the parts asked for, from one pass."""
        return dict(self._client.run(self._verbs.draw(Draw(num_samples, seed, start, temperature), parts)))

    def log_prob(self, x: Rows | Frame) -> Vector:
        """Exact log density of each row, nats."""
        return self._client.run(self._verbs.log_prob(x))

    @overload
    def forward(self, x: Rows) -> Rows: ...
    @overload
    def forward(self, x: F) -> F: ...
    def forward(self, x: Rows | Frame) -> Rows | Frame:
        """z = f(x)."""
        return self._client.run(self._verbs.image(x, "forward"))

    @overload
    def inverse(self, z: Rows) -> Rows: ...
    @overload
    def inverse(self, z: F) -> F: ...
    def inverse(self, z: Rows | Frame) -> Rows | Frame:
        """x = f^-1(z)."""
        return self._client.run(self._verbs.image(z, "inverse"))

    def transform(self, rows: Rows | Frame, direction: Direction) -> tuple[Rows, Vector]:
        """z or x of each row, and the log|det| of that direction."""
        return self._client.run(self._verbs.transform(rows, direction))

    def local(self, cache: Path | None = None) -> "LocalModel":
        """The same model computed in this process: its bundle is fetched once, checked, and kept in the cache.

        Args:
            cache: folder of bundles; the user's own cache unless named.

        Raises:
            NotInstalled: this needs what `pip install 'diffeo[local]'` brings.
            BundleError: the bundle is refused.
        """
        with needing("local()", "local"):
            from diffeo.local import model  # noqa: PLC0415  (a client-only installation lacks a runtime)
            from diffeo.local.cache import fetched  # noqa: PLC0415  (as above)
        return model.LocalModel(*self._client.run(fetched(self._verbs, cache)))

    def __deepcopy__(self, _: object) -> Self:
        # It holds connections and never changes.
        return self

    def __reduce__(self) -> tuple[type["RemoteModel"], tuple[Client, str, int | None, str | None]]:
        return RemoteModel, (self._client, self.name, self._verbs.version, self._verbs.precision)


class _Driver:
    """Takes the steps of one call; one answer is open at a time."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._response: httpx.Response | None = None
        self._parts: Iterator[bytes] = iter(())

    def take(self, step: Step) -> Outcome:
        try:
            match step:
                case Open():
                    return self._open(step)
                case Read():
                    return next(self._parts, b"")
                case Wait():
                    time.sleep(step.seconds)
        except httpx.RequestError as error:
            return httpx_steps.lost(error)
        return None

    def close(self) -> None:
        if self._response is not None:
            self._response.close()

    def _open(self, step: Open) -> Outcome:
        self.close()
        self._response = self._http.send(httpx_steps.request(self._http, step), stream=True)
        self._parts = self._response.iter_bytes()
        return httpx_steps.head(self._response)
