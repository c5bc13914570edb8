"""Arrow IPC stream: one column a name, null where a value is missing or a row has no answer; a batch a piece."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..answer import Answer, Tensor
from ..query import read_query
from ..requests import Payload
from .codec import Outline
from .parsing import arrow_ipc
from .parsing.columns import schema, vectors
from .parsing.whole import outline_of, whole

if TYPE_CHECKING:
    import pyarrow as pa


class Arrow:
    """application/vnd.apache.arrow.stream."""

    name = "arrow"
    media_type = "application/vnd.apache.arrow.stream"
    single = False

    def decode(self, body: bytes, query: Mapping[str, str]) -> Payload:
        """Rows and the names of their columns from the body, parameters from the query string."""
        parameters = read_query(query)
        if not body:
            return Payload(parameters)
        names, rows = arrow_ipc.read(body)
        return Payload(parameters, rows, None, names)

    def encode(self, answer: Answer) -> bytes:
        """One record batch."""
        return whole(self.stream(outline_of(answer)), answer)

    def stream(self, outline: Outline) -> "ArrowStream":
        """The schema, then one record batch a piece."""
        import pyarrow as pa  # noqa: PLC0415  (a server that is never asked for Arrow does not pay for it)

        fields = [pa.field(name, pa.from_numpy_dtype(dtype)) for name, dtype in schema(outline).items()]
        return ArrowStream(outline, pa.schema(fields))


@dataclass(frozen=True, slots=True)
class ArrowStream:
    """Encapsulated messages: the schema, the batches, the mark of the end."""

    outline: Outline
    schema: "pa.Schema"
    length: None = None

    def head(self) -> bytes:
        return _plain(self.schema.serialize())

    def piece(self, tensors: Mapping[str, Tensor]) -> bytes:
        import pyarrow as pa  # noqa: PLC0415  (as above)

        arrays = [pa.array(vector, mask=np.isnan(vector)) for vector in vectors(self.outline, tensors)]
        return _plain(pa.record_batch(arrays, schema=self.schema).serialize())

    def tail(self) -> bytes:
        return arrow_ipc.END


def _plain(buffer: "pa.Buffer") -> bytes:
    content: bytes = buffer.to_pybytes()
    return content
