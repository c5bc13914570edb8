"""A client of the Open Inference Protocol by hand: bodies byte for byte, and answers held to the protocol."""

import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import httpx
import numpy as np

from tests.given.servers.asgi_app import App

DTYPES: Final = {"FP32": "<f4", "FP64": "<f8", "INT64": "<i8"}
LENGTH: Final = "inference-header-content-length"


class Sent(NamedTuple):
    """A body, and what its header says of it."""

    content: bytes
    headers: dict[str, str]


def tensor(name: str, values: object, datatype: str = "FP32", *, binary: bool = False) -> tuple[dict, bytes]:
    """An entry of `inputs`, and its bytes after the JSON."""
    array = np.asarray(values, DTYPES[datatype])
    entry = {"name": name, "shape": list(array.shape), "datatype": datatype}
    if binary:
        return {**entry, "parameters": {"binary_data_size": array.nbytes}}, array.tobytes()
    return {**entry, "data": np.where(np.isfinite(array), array, None).reshape(-1).tolist()}, b""


def body(*tensors: tuple[dict, bytes], **more: object) -> Sent:
    """A request with these inputs."""
    head = json.dumps({"inputs": [entry for entry, _ in tensors], **more}).encode()
    rest = b"".join(content for _, content in tensors)
    return Sent(head + rest, {LENGTH: str(len(head))} if rest else {})


class Answered(NamedTuple):
    """An answer: its JSON, and its tensors whichever way they came."""

    head: Mapping[str, object]
    tensors: Mapping[str, np.ndarray]


def ask(app: App, model: str, sent: Sent, **headers: str) -> Answered:
    response = app.post(f"/v2/models/{model}/infer", content=sent.content, headers={**sent.headers, **headers})
    assert response.status_code == 200, response.text
    return answered(response)


def answered(response: httpx.Response) -> Answered:
    size = response.headers.get(LENGTH)
    assert response.headers["content-type"] == ("application/json" if size is None else "application/octet-stream")
    content = response.content
    head = json.loads(content if size is None else content[: int(size)], parse_constant=_refuse)
    return Answered(head, _tensors(head["outputs"], b"" if size is None else content[int(size) :]))


def _tensors(outputs: Sequence[dict], rest: bytes) -> dict[str, np.ndarray]:
    tensors = {}
    for output in outputs:
        assert list(output)[:3] == ["name", "datatype", "shape"]
        dtype = DTYPES[output["datatype"]]
        if "parameters" in output:
            size = output["parameters"]["binary_data_size"]
            values, rest = np.frombuffer(rest[:size], dtype), rest[size:]
        else:
            values = np.array(output["data"], dtype)
        tensors[output["name"]] = values.reshape(output["shape"])
    assert not rest
    return tensors


def _refuse(name: str) -> None:
    raise AssertionError(f"an answer in JSON holds {name}")


def error(response: httpx.Response) -> tuple[int, str]:
    """The status and the sentence of an error, which is nothing else."""
    assert response.headers["content-type"] == "application/json"
    content = response.json()
    assert list(content) == ["error"]
    assert len(response.content) < 1000
    return response.status_code, content["error"]
