"""Arrow IPC stream: named columns of numbers; null where a value is missing or a row has no result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from diffeo.tables.cells import shown

from .. import offload
from ..answer import AnswerSchema, Tensor
from ..errors import FieldError
from ..requests import Limits, UnreadableColumn
from .parsing import arrow_ipc
from .parsing.columns import column_dtypes, column_vectors
from .table_codec import DecodedTable, StreamedTableCodec

if TYPE_CHECKING:
    import pyarrow as pa


class Arrow(StreamedTableCodec):
    """The format application/vnd.apache.arrow.stream."""

    name = "arrow"
    media_type = "application/vnd.apache.arrow.stream"
    single_array = False
    decode_multiple = 8
    encode_multiple = 3
    inline_bytes = offload.DECODE_TABLE_BYTES

    def decode_table(self, body: bytes, limits: Limits) -> DecodedTable:
        """The rows and the names of their columns."""
        table = arrow_ipc.read(body, limits.max_rows)
        unreadable = [
            UnreadableColumn(name, FieldError("", f"the column {shown(name)} holds {content}; expected numbers"))
            for name, content in table.others
        ]
        return DecodedTable(table.rows, None, table.names, tuple(unreadable))

    def stream_encoder(self, schema: AnswerSchema) -> "ArrowStreamEncoder":
        """Writes the Arrow schema, then one record batch a block."""
        import pyarrow as pa  # noqa: PLC0415  (slow to import, and only Arrow responses need it)

        fields = [pa.field(name, pa.from_numpy_dtype(dtype)) for name, dtype in column_dtypes(schema).items()]
        return ArrowStreamEncoder(schema, pa.schema(fields))


@dataclass(frozen=True, slots=True)
class ArrowStreamEncoder:
    """Writes encapsulated messages: the schema, the record batches, the end-of-stream marker."""

    answer_schema: AnswerSchema
    arrow_schema: "pa.Schema"
    content_length: None = None

    def header(self) -> bytes:
        return _to_bytes(self.arrow_schema.serialize())

    def block(self, tensors: Mapping[str, Tensor]) -> bytes:
        import pyarrow as pa  # noqa: PLC0415  (as above)

        vectors = column_vectors(self.answer_schema, tensors)
        arrays = [pa.array(vector, mask=np.isnan(vector)) for vector in vectors]
        return _to_bytes(pa.record_batch(arrays, schema=self.arrow_schema).serialize())

    def footer(self) -> bytes:
        return arrow_ipc.END_OF_STREAM


def _to_bytes(buffer: "pa.Buffer") -> bytes:
    content: bytes = buffer.to_pybytes()
    return content
