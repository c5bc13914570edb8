"""npy: one float32 or float64 array in each request and response."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from diffeo.bundle import npy

from .. import offload
from ..answer import AnswerSchema, Tensor
from ..errors import MalformedBody, NotAcceptable
from ..requests import Limits
from .parsing.columns import TABLE_TENSORS
from .table_codec import DecodedTable, StreamedTableCodec


class Npy(StreamedTableCodec):
    """The format application/x-npy."""

    name = "npy"
    media_type = "application/x-npy"
    single_array = True
    decode_multiple = 1
    encode_multiple = 2
    inline_bytes = offload.DECODE_BYTES

    def decode_table(self, body: bytes, _: Limits) -> DecodedTable:
        """The rows; npy has no names."""
        return DecodedTable(read_npy(body))

    def stream_encoder(self, schema: AnswerSchema) -> "NpyStreamEncoder":
        """Writes the npy header, then the rows as they are in memory."""
        if len(schema.dtypes) != 1:
            names = ", ".join(schema.dtypes)
            raise NotAcceptable(f"npy holds one array, but the answer has {names}; list only one of them in return")
        ((name, dtype),) = schema.dtypes.items()
        return NpyStreamEncoder((schema.rows, len(schema.columns)) if name in TABLE_TENSORS else (schema.rows,), dtype)


@dataclass(frozen=True, slots=True)
class NpyStreamEncoder:
    """Writes an npy file block by block: its header needs only the shape and the type."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.floating]

    @property
    def content_length(self) -> int:
        """Size of the file in bytes. A client that receives fewer bytes can see that the stream broke."""
        return len(self.header()) + self.dtype.itemsize * math.prod(self.shape)

    def header(self) -> bytes:
        return npy.header(self.shape, self.dtype)

    def block(self, tensors: Mapping[str, Tensor]) -> bytes:
        (tensor,) = tensors.values()
        return tensor.tobytes()

    def footer(self) -> bytes:
        return b""


def read_npy(content: bytes | memoryview) -> Tensor:
    """The table in an npy file, read-only and without a copy.

    Raises:
        MalformedBody: the bytes are not an npy file of one float table.
    """
    try:
        return npy.read(content)
    except npy.NpyInvalid as error:
        raise MalformedBody(str(error)) from error
