"""The interface of a body format: it decodes bytes to a Payload and encodes an Answer. It uses no model and no HTTP."""

from collections.abc import Mapping
from typing import Protocol

from ..answer import Answer, AnswerSchema, Tensor
from ..requests import DEFAULT_LIMITS, Limits, Payload


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

    @property
    def decode_multiple(self) -> int:
        """The most bytes of memory that decoding takes for each of the `unpacked_bytes`."""
        ...

    @property
    def encode_multiple(self) -> int:
        """The most bytes of memory that encoding takes for each byte of the tensors, invalid rows aside."""
        ...

    @property
    def inline_bytes(self) -> int:
        """The most `unpacked_bytes` that are decoded on the event loop; a larger body is decoded in a thread."""
        ...

    def unpacked_bytes(self, body: bytes) -> int:
        """How many bytes a request holds when it is decompressed: the size of the work to decode it."""
        ...

    def decode(self, body: bytes, query: Mapping[str, str], limits: Limits = DEFAULT_LIMITS) -> Payload:
        """Decode a request.

        Args:
            body: the whole body.
            query: the parameters of the query string.
            limits: where decoding stops. A short body may be decoded beyond `max_rows`; parsing the request counts too.

        Raises:
            MalformedBody: the bytes are not this format.
            InvalidRequest: a value cannot be a row or a parameter.
            TooLarge: the body holds more rows, or more bytes when it is decompressed, than the limits allow.
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
