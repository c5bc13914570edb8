"""A minimal client of the Open Inference Protocol: builds bodies byte for byte and checks responses strictly."""

import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypedDict

import httpx
import numpy as np
import numpy.typing as npt

from tests.given.servers.asgi_app import App

DTYPES: Final = {"FP32": "<f4", "FP64": "<f8", "INT64": "<i8"}
LENGTH: Final = "inference-header-content-length"

Entry = dict[str, object]
Tensor = npt.NDArray[np.floating | np.signedinteger]


class Output(TypedDict, total=False):
    """One output of a response."""

    name: str
    datatype: str
    shape: list[int]
    data: list[float | None]
    parameters: dict[str, int]


class Head(TypedDict, total=False):
    """The JSON of a response."""

    model_name: str
    model_version: str
    id: str
    parameters: dict[str, object]
    outputs: list[Output]


class RequestBody(NamedTuple):
    """A request body, and the header that gives the length of its JSON."""

    content: bytes
    headers: dict[str, str]


class InferAnswer(NamedTuple):
    """The JSON of a response, and its tensors, whether they were JSON or bytes."""

    head: Head
    tensors: Mapping[str, Tensor]


def tensor(name: str, values: npt.ArrayLike, datatype: str = "FP32", *, binary: bool = False) -> tuple[Entry, bytes]:
    """An entry of `inputs`, and its bytes after the JSON."""
    array: Tensor = np.asarray(values, DTYPES[datatype])
    entry: Entry = {"name": name, "shape": list(array.shape), "datatype": datatype}
    if binary:
        return {**entry, "parameters": {"binary_data_size": array.nbytes}}, array.tobytes()
    flat = array.reshape(-1).tolist()
    return {**entry, "data": [number if np.isfinite(number) else None for number in flat]}, b""


def document(*tensors: tuple[Entry, bytes], **more: object) -> dict[str, object]:
    """The JSON of a request with these inputs."""
    return {"inputs": [entry for entry, _ in tensors], **more}


def body(*tensors: tuple[Entry, bytes], **more: object) -> RequestBody:
    """A request with these inputs."""
    head = json.dumps(document(*tensors, **more)).encode()
    rest = b"".join(content for _, content in tensors)
    return RequestBody(head + rest, {LENGTH: str(len(head))} if rest else {})


def infer(app: App, model: str, sent: RequestBody, **headers: str) -> InferAnswer:
    """Send a request for inference, which must be answered."""
    response = app.post(f"/v2/models/{model}/infer", content=sent.content, headers={**sent.headers, **headers})
    assert response.status_code == 200, response.text
    return parse_answer(response)


def parse_answer(response: httpx.Response) -> InferAnswer:
    """The answer in a response."""
    size = response.headers.get(LENGTH)
    assert response.headers["content-type"] == ("application/json" if size is None else "application/octet-stream")
    content = response.content
    head: Head = json.loads(content if size is None else content[: int(size)], parse_constant=_fail)
    return InferAnswer(head, _tensors(head["outputs"], b"" if size is None else content[int(size) :]))


def _tensors(outputs: Sequence[Output], rest: bytes) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for output in outputs:
        assert list(output)[:3] == ["name", "datatype", "shape"]
        dtype = DTYPES[output["datatype"]]
        values: Tensor
        if "parameters" in output:
            size = output["parameters"]["binary_data_size"]
            values, rest = np.frombuffer(rest[:size], dtype), rest[size:]
        else:
            values = np.array(output["data"], dtype)
        tensors[output["name"]] = values.reshape(output["shape"])
    assert not rest
    return tensors


def _fail(name: str) -> None:
    raise AssertionError(f"a response in JSON holds {name}")


def error(response: httpx.Response) -> tuple[int, str]:
    """The status and the sentence of an error response, which holds nothing else."""
    assert response.headers["content-type"] == "application/json"
    content: dict[str, str] = response.json()
    assert list(content) == ["error"]
    assert len(response.content) < 1000
    return response.status_code, content["error"]
