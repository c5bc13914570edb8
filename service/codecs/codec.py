"""The interface of a body format: it decodes bytes to a Payload and encodes an Answer. It uses no model and no HTTP."""

from collections.abc import Mapping
from typing import Protocol

from ..answer import Answer, AnswerSchema, Tensor
from ..requests import Payload


class StreamEncoder(Protocol):
    """Encodes one streamed response: the header, then each block of rows in order, then the footer."""

    @property
    def content_length(self) -> int | None:
        """Size of the whole body in bytes; None if it depends on the rows."""
        ...

    def header(self) -> bytes:
        """The bytes before the rows."""
        ...

    def block(self, tensors: Mapping[str, Tensor]) -> bytes:
        """The bytes of the next rows.

        Args:
            tensors: every tensor of the schema; NaN in a row without a result.
        """
        ...

    def footer(self) -> bytes:
        """The bytes after the rows."""
        ...


class Codec(Protocol):
    """One format of request and response bodies."""

    @property
    def name(self) -> str:
        """The value of `?format=` that selects this format."""
        ...

    @property
    def media_type(self) -> str:
        """The value of `Content-Type` and `Accept` that selects this format."""
        ...

    @property
    def single_array(self) -> bool:
        """True if a body holds exactly one array, without a name."""
        ...

    def decode(self, body: bytes, query: Mapping[str, str]) -> Payload:
        """Decode a request.

        Raises:
            MalformedBody: the bytes are not this format.
            InvalidRequest: a value cannot be a row or a parameter.
            TooLarge: the decompressed content exceeds the limit of the format.
        """
        ...

    def encode(self, answer: Answer) -> bytes:
        """Encode an answer whose rows are all computed.

        Raises:
            NotAcceptable: the format cannot hold the requested outputs.
        """
        ...

    def stream_encoder(self, schema: AnswerSchema) -> StreamEncoder | None:
        """An encoder that needs memory for one block of rows only; None if the format must be encoded at once."""
        ...
