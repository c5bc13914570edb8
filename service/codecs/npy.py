"""npy: one table of float32 or float64 each way; parameters travel in the query string."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diffeo.bundle import npy

from ..answer import Answer, Tensor
from ..errors import MalformedBody, NotAcceptable
from ..query import read_query
from ..requests import Payload
from .codec import Outline
from .parsing.columns import TABLES
from .parsing.whole import outline_of, whole


class Npy:
    """application/x-npy."""

    name = "npy"
    media_type = "application/x-npy"
    single = True

    def decode(self, body: bytes, query: Mapping[str, str]) -> Payload:
        """Rows from the body, parameters from the query string."""
        parameters = read_query(query)
        if not body:
            return Payload(parameters)
        try:
            return Payload(parameters, npy.read(body))
        except npy.NpyInvalid as error:
            raise MalformedBody(str(error)) from error

    def encode(self, answer: Answer) -> bytes:
        """The one tensor that was asked for."""
        return whole(self.stream(outline_of(answer)), answer)

    def stream(self, outline: Outline) -> "NpyStream":
        """The header, which needs the shape alone, then the rows as they lie in memory."""
        if len(outline.dtypes) != 1:
            names = ", ".join(outline.dtypes)
            raise NotAcceptable(f"npy carries one array and the answer has {names}: name one of them in return")
        ((name, dtype),) = outline.dtypes.items()
        return NpyStream((outline.rows, len(outline.columns)) if name in TABLES else (outline.rows,), dtype)


@dataclass(frozen=True, slots=True)
class NpyStream:
    """An npy file in parts: the header knows the rows before they come."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.floating]

    @property
    def length(self) -> int:
        """Bytes of the file, so that a stream which breaks is a short read to every client."""
        return len(self.head()) + self.dtype.itemsize * math.prod(self.shape)

    def head(self) -> bytes:
        return npy.header(self.shape, self.dtype)

    def piece(self, tensors: Mapping[str, Tensor]) -> bytes:
        (tensor,) = tensors.values()
        return tensor.tobytes()

    def tail(self) -> bytes:
        return b""
