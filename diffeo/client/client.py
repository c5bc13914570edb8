"""`Client` and `RemoteModel`: the operations of a service as blocking calls, with NumPy arrays in and out.

`diffeo.client.calls` contains the requests and their order; here a driver does each step with httpx.
"""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, overload

import httpx
from numpy.typing import ArrayLike

from diffeo.density import STREAM_BLOCK_ROWS, Direction, Output, Rows, SeededSample, Vector, with_seed
from diffeo.errors import Unreachable, requires_extra
from diffeo.tables.frames import Frame

from . import calls, httpx_steps
from .retries import RemoteService
from .steps import Finished, ReadBytes, SendRequest, Sleep, Step, StepResult, Steps, YieldRows, advance

if TYPE_CHECKING:
    from diffeo.local.model import LocalModel

T = TypeVar("T")
F = TypeVar("F", bound=Frame)


class Client:
    """Connections to one service; threads may share it.

    >>> with Client("http://127.0.0.1:8000") as client:
    ...     client.model("moons").sample(1000, seed=7).shape
    (1000, 2)

    Args:
        url: address of the service.
        timeout: time limit of one request in seconds, with its retries and the delays between them; None is no limit.
        retries: most retries of one request, when the connection fails or the service is overloaded.
        headers: sent with every request, for example a token that a proxy requires.
        api_key: the key of a service with API keys; the variable DIFFEO_API_KEY sets it too.
        transport: an httpx transport to use instead of a network connection.
    """

    def __init__(  # noqa: PLR0913  (each has a default, and all but the first are named)
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        timeout: float | None = 60.0,
        retries: int = 5,
        headers: Mapping[str, str] | None = None,
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.service = RemoteService(url, math.inf if timeout is None else timeout, retries)
        rebuild = partial(Client, url, timeout=timeout, retries=retries, headers=headers, api_key=api_key)
        self._rebuild = None if transport else rebuild
        try:
            self._http = httpx.Client(
                base_url=url, headers=httpx_steps.with_default_headers(headers, api_key), transport=transport
            )
        except httpx.InvalidURL as error:
            raise Unreachable(f"{url} is not an address: {error}") from error

    def model(self, name: str, version: int | None = None, precision: str | None = None) -> "RemoteModel":
        """One model of the service; by default its newest version in its own precision."""
        return RemoteModel(self, name, version, precision)

    def models(self) -> list[str]:
        """The names of the models of the service."""
        return self.run(calls.list_models(self.service))

    def run(self, steps: Steps[T]) -> T:
        """Do all steps of a call and return its result.

        Raises:
            Unreachable: no response arrived, it was incomplete, or no diffeo service sent it.
            Problem: the response is a problem document.
        """
        with closing(_Driver(self._http)) as driver:
            step = advance(steps, None)
            while not isinstance(step, Finished):
                step = advance(steps, driver.do(step))
            return step.result

    def stream(self, steps: Steps[None]) -> Iterator[Rows]:
        """Do the steps of a streaming call and yield its arrays; the same errors as `run`."""
        with closing(steps), closing(_Driver(self._http)) as driver:
            step = advance(steps, None)
            while not isinstance(step, Finished):
                if isinstance(step, YieldRows):
                    yield step.rows
                step = advance(steps, driver.do(step))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __reduce__(self) -> tuple["partial[Client]", tuple[()]]:
        # Another process gets a client of the same service with new connections.
        if self._rebuild is None:
            raise TypeError("a client with a transport argument cannot be sent to another process")
        return self._rebuild, ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RemoteModel:
    """One model of a service, a `diffeo.density.Density`.

    Tables are NumPy arrays [rows, D], or DataFrames of pandas or polars. The columns of a frame are matched by name,
    and `forward` and `inverse` answer with a frame of the same kind.

    >>> with Client("http://127.0.0.1:8000") as client:
    ...     model = client.model("moons")
    ...     x, nats = model.sample_and_log_prob(1000, seed=7)
    ...     bool(abs(model.log_prob(x) - nats).max() < 1e-4)
    ...     model.columns
    True
    ('x0', 'x1')
    """

    def __init__(self, client: Client, name: str, version: int | None, precision: str | None = None) -> None:
        self.name = name
        self._client = client
        self._calls = calls.ModelCalls(client.service, name, version, precision)
        self._columns: tuple[str, ...] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of x; requested once."""
        if self._columns is None:
            self._columns = self._client.run(self._calls.version_info()).columns
        return self._columns

    def describe(self) -> dict[str, object]:
        """The model's metadata, from GET /models/{model}: columns, certificate, calibration, provenance."""
        return self._client.run(self._calls.describe())

    def sample(self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0) -> Rows:
        """Rows [start, start + num_samples) of a sample of x; the same seed gives the same rows every time."""
        return self._client.run(self._calls.sample(with_seed(num_samples, seed, start, temperature)))

    def sample_frame(
        self,
        frame_class: type[F],
        num_samples: int,
        *,
        seed: int | None = None,
        start: int = 0,
        temperature: float = 1.0,
    ) -> F:
        """The rows of `sample` in a `pandas.DataFrame` or `polars.DataFrame` with the model's columns."""
        sample = with_seed(num_samples, seed, start, temperature)
        return self._client.run(self._calls.sample_frame(frame_class, sample))

    def sample_and_log_prob(
        self, num_samples: int, *, seed: int | None = None, start: int = 0, temperature: float = 1.0
    ) -> tuple[Rows, Vector]:
        """The rows of `sample` and the log density of each, computed together."""
        return self._client.run(self._calls.sample_and_log_prob(with_seed(num_samples, seed, start, temperature)))

    def iter_samples(
        self,
        num_samples: int,
        *,
        seed: int | None = None,
        start: int = 0,
        temperature: float = 1.0,
        rows: int = STREAM_BLOCK_ROWS,
    ) -> Iterator[Rows]:
        """The rows of `sample` in arrays of `rows` rows; after a broken connection it continues with the next row."""
        return self._client.stream(self._calls.stream_sample(with_seed(num_samples, seed, start, temperature), rows))

    def draw(
        self, num_samples: int, *, seed: int, start: int, temperature: float, outputs: tuple[Output, ...]
    ) -> dict[str, Rows]:
        """The requested outputs of rows [start, start + num_samples) of the sample with this seed."""
        sample = SeededSample(num_samples, seed, start, temperature)
        return dict(self._client.run(self._calls.draw(sample, outputs)))

    def log_prob(self, x: ArrayLike | Frame) -> Vector:
        """Exact log density of each row, nats."""
        return self._client.run(self._calls.log_prob(x))

    @overload
    def forward(self, x: F) -> F: ...
    @overload
    def forward(self, x: ArrayLike) -> Rows: ...
    def forward(self, x: ArrayLike | Frame) -> Rows | Frame:
        """z = f(x)."""
        return self._client.run(self._calls.transform_rows(x, "forward"))

    @overload
    def inverse(self, z: F) -> F: ...
    @overload
    def inverse(self, z: ArrayLike) -> Rows: ...
    def inverse(self, z: ArrayLike | Frame) -> Rows | Frame:
        """x = f^-1(z)."""
        return self._client.run(self._calls.transform_rows(z, "inverse"))

    def transform(self, rows: ArrayLike | Frame, direction: Direction) -> tuple[Rows, Vector]:
        """z (forward) or x (inverse) of each row, and log|det| of the Jacobian of that direction."""
        return self._client.run(self._calls.transform(rows, direction))

    def local(self, cache: Path | None = None) -> "LocalModel":
        """The same model, computed in this process. Its bundle is downloaded once, verified, and kept in the cache.

        Args:
            cache: folder of downloaded bundles; by default the user's cache folder.

        Raises:
            NotInstalled: packages are missing; `pip install 'diffeo[local]'` installs them.
            BundleError: the bundle is not valid.
        """
        with requires_extra("local()", "local"):
            from diffeo.local.model import LocalModel  # noqa: PLC0415  (a client-only installation lacks onnxruntime)

            from .download import fetch_bundle  # noqa: PLC0415  (as above, and it lacks pydantic)
        return LocalModel(*self._client.run(fetch_bundle(self._calls, cache)))

    def __deepcopy__(self, _: object) -> Self:
        # A copy shares the connections; the model itself never changes.
        return self

    def __reduce__(self) -> tuple[type["RemoteModel"], tuple[Client, str, int | None, str | None]]:
        return RemoteModel, (self._client, self.name, self._calls.version, self._calls.precision)


class _Driver:
    """Does the steps of one call with a blocking httpx client; at most one response is open at a time."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._response: httpx.Response | None = None
        self._body: Iterator[bytes] = iter(())

    def do(self, step: Step) -> StepResult:
        try:
            match step:
                case SendRequest():
                    return self._send(step)
                case ReadBytes():
                    return next(self._body, b"")
                case Sleep():
                    time.sleep(step.seconds)
        except httpx.RequestError as error:
            return httpx_steps.transport_failure(error)
        return None

    def close(self) -> None:
        if self._response is not None:
            self._response.close()

    def _send(self, step: SendRequest) -> StepResult:
        self.close()
        self._response = self._http.send(httpx_steps.build_request(self._http, step), stream=True)
        self._body = self._response.iter_bytes()
        return httpx_steps.response_head(self._response)
