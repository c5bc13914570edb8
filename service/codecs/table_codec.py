"""Base classes of the formats whose body is one table; the parameters of the request are in the query string."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from ..answer import Answer, AnswerSchema
from ..query import read_query
from ..requests import DEFAULT_LIMITS, Limits, Payload, Rows, UnreadableColumn
from .codec import StreamEncoder


class DecodedTable(NamedTuple):
    """The table in a body; the fields are those of `Payload`."""

    rows: Rows
    rows_name: str | None = None
    columns: tuple[str, ...] | None = None
    unreadable: tuple[UnreadableColumn, ...] = ()


class TableCodec(ABC):
    """Decodes the body as a table and the query string as parameters. A sample request has no body."""

    def unpacked_bytes(self, body: bytes) -> int:
        """The size of the body; see `Codec.unpacked_bytes`."""
        return len(body)

    def decode(self, body: bytes, query: Mapping[str, str], limits: Limits = DEFAULT_LIMITS) -> Payload:
        """Decode a request; see `Codec.decode`."""
        parameters = read_query(query)
        return Payload(parameters, *self.decode_table(body, limits)) if body else Payload(parameters)

    @abstractmethod
    def decode_table(self, body: bytes, limits: Limits) -> DecodedTable:
        """Decode a body that is not empty; see `Codec.decode` for the errors."""


class StreamedTableCodec(TableCodec):
    """Encodes an answer as a stream of one block, so that a response and a stream have the same bytes."""

    def encode(self, answer: Answer) -> bytes:
        """Encode an answer whose rows are all computed; see `Codec.encode`."""
        encoder = self.stream_encoder(AnswerSchema.of(answer))
        return b"".join((encoder.header(), encoder.block(answer.tensors), encoder.footer()))

    @abstractmethod
    def stream_encoder(self, schema: AnswerSchema) -> StreamEncoder:
        """The encoder of a streamed response."""
