"""The bytes of one request in each server's own form, and the numbers in its answer."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Final

import numpy as np
import numpy.typing as npt
from servers import Form, Server

from diffeo.training.source import stream
from diffeo.training.targets import Moons

Rows = npt.NDArray[np.float32]  # [B, 2]
Vector = npt.NDArray[np.float32]  # [B]

HOST: Final = "127.0.0.1"
NPY: Final = "application/x-npy"
SECONDS: Final = 60


class WrongAnswer(Exception):
    """A server answered with something else than the numbers asked for."""


@dataclass(frozen=True, slots=True)
class Request:
    """One POST."""

    path: str
    body: bytes
    headers: Mapping[str, str]


def rows(count: int) -> Rows:
    """Rows of two moons, the same in every run."""
    return Moons().draw(count, stream(0, "serving")).astype(np.float32)


def score(server: Server, x: Rows, form: Form = "json", query: str = "") -> Request:
    """Ask for the log_prob of rows."""
    if form == "npy":
        return Request(server.path + query, npy(x), {"Content-Type": NPY, "Accept": NPY})
    body: dict[str, object] = {"x": x.tolist()}
    if server.protocol == "v2":
        tensor = {"name": "x", "shape": x.shape, "datatype": "FP32", "data": x.ravel().tolist()}
        body = {"inputs": [tensor]}
    return Request(server.path + query, json.dumps(body).encode(), {"Content-Type": "application/json"})


def npy(x: Rows) -> bytes:
    """An array as a .npy file."""
    content = io.BytesIO()
    np.save(content, x)
    return content.getvalue()


def log_prob(server: Server, port: int, x: Rows, form: Form = "json") -> Vector:
    """What a server answers.

    Raises:
        WrongAnswer: no 2xx, or no numbers.
        OSError: nobody answers.
    """
    content = post(port, score(server, x, form))
    try:
        return np.asarray(_numbers(content, form), np.float32).ravel()
    except (KeyError, TypeError, ValueError) as error:
        raise WrongAnswer(f"an answer without numbers: {content[:80]!r}") from error


def post(port: int, request: Request) -> bytes:
    """The body of the answer.

    Raises:
        WrongAnswer: no 2xx.
        OSError: nobody answers.
    """
    connection = HTTPConnection(HOST, port, timeout=SECONDS)
    try:
        connection.request("POST", request.path, request.body, dict(request.headers))
        answer = connection.getresponse()
        content = answer.read()
    except HTTPException as error:
        raise WrongAnswer(f"no HTTP: {error!r}") from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:  # noqa: PLR2004  (the statuses of success)
        raise WrongAnswer(f"status {answer.status}: {content[:80]!r}")
    return content


def _numbers(content: bytes, form: Form) -> object:
    if form == "npy":
        return np.load(io.BytesIO(content))
    answer = json.loads(content)
    # BentoML answers with the array itself.
    if isinstance(answer, list):
        return answer
    return answer["outputs"][0]["data"] if "outputs" in answer else answer["log_prob"]
