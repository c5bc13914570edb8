"""npy: one table of float32 or float64 each way; parameters travel in the query string."""

from collections.abc import Mapping

import numpy as np

from bundle import npy
from service.answer import Answer
from service.errors import MalformedBody, NotAcceptable
from service.query import read_query
from service.requests import Payload


class Npy:
    """application/x-npy."""

    name = "npy"
    media_type = "application/x-npy"
    single = True
    streams = True

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
        if len(answer.tensors) != 1:
            names = ", ".join(answer.tensors)
            raise NotAcceptable(f"npy carries one array and the answer has {names}: name one of them in return")
        (tensor,) = answer.tensors.values()
        return npy.write(np.ascontiguousarray(tensor))
