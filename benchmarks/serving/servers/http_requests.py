"""Builds the request bodies of each server's protocol and reads log_prob from its responses."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.serving.servers.catalogue import BodyFormat, Server
from diffeo.training.source import stream
from diffeo.training.targets import Moons

Rows = npt.NDArray[np.float32]  # [B, 2]
Vector = npt.NDArray[np.float32]  # [B]

HOST: Final = "127.0.0.1"
NPY: Final = "application/x-npy"
TIMEOUT_SECONDS: Final = 60


class WrongAnswer(Exception):
    """A server responded with something else than the expected numbers."""


@dataclass(frozen=True, slots=True)
class Request:
    """One POST request."""

    path: str
    body: bytes
    headers: Mapping[str, str]


def moons_rows(count: int) -> Rows:
    """Rows of two moons. The rows are the same in every run."""
    return Moons().draw(count, stream(0, "serving")).astype(np.float32)


def log_prob_request(server: Server, x: Rows, body_format: BodyFormat = "json", query: str = "") -> Request:
    """The request that asks this server for the log_prob of the rows."""
    if body_format == "npy":
        return Request(server.path + query, npy_bytes(x), {"Content-Type": NPY, "Accept": NPY})
    body: dict[str, object] = {"x": x.tolist()}
    if server.protocol == "v2":
        tensor = {"name": "x", "shape": x.shape, "datatype": "FP32", "data": x.ravel().tolist()}
        body = {"inputs": [tensor]}
    return Request(server.path + query, json.dumps(body).encode(), {"Content-Type": "application/json"})


def npy_bytes(x: Rows) -> bytes:
    """The array as the content of a .npy file."""
    content = io.BytesIO()
    np.save(content, x)
    return content.getvalue()


def log_prob(server: Server, port: int, x: Rows, body_format: BodyFormat = "json") -> Vector:
    """Sends one request and returns log_prob from the response.

    Raises:
        WrongAnswer: the status is not 2xx, or the body holds no numbers.
        OSError: no server accepts the connection.
    """
    content = post(port, log_prob_request(server, x, body_format))
    try:
        return np.asarray(_log_prob(content, body_format), np.float32).ravel()
    except (KeyError, TypeError, ValueError) as error:
        raise WrongAnswer(f"the response holds no numbers: {content[:80]!r}") from error


def post(port: int, request: Request) -> bytes:
    """Sends one request and returns the body of the response.

    Raises:
        WrongAnswer: the status is not 2xx.
        OSError: no server accepts the connection.
    """
    connection = HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", request.path, request.body, dict(request.headers))
        response = connection.getresponse()
        content = response.read()
    except HTTPException as error:
        raise WrongAnswer(f"the response is not HTTP: {error!r}") from error
    finally:
        connection.close()
    if not 200 <= response.status < 300:  # noqa: PLR2004  (2xx)
        raise WrongAnswer(f"status {response.status}: {content[:80]!r}")
    return content


def _log_prob(content: bytes, body_format: BodyFormat) -> npt.ArrayLike:
    if body_format == "npy":
        array: Vector = np.load(io.BytesIO(content))
        return array
    body = json.loads(content)
    # BentoML responds with the bare array.
    numbers: npt.ArrayLike = body
    if isinstance(body, dict):
        numbers = body["outputs"][0]["data"] if "outputs" in body else body["log_prob"]
    return numbers
