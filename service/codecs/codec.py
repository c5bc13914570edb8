"""What a wire format is: bytes to a Payload, an Answer to bytes. A codec knows no model and no HTTP."""

from collections.abc import Mapping
from typing import Protocol

from service.answer import Answer
from service.requests import Payload


class Codec(Protocol):
    """One wire format."""

    @property
    def name(self) -> str:
        """What `?format=` calls it."""
        ...

    @property
    def media_type(self) -> str:
        """What `Content-Type` and `Accept` call it."""
        ...

    @property
    def single(self) -> bool:
        """True when a body carries exactly one unnamed array."""
        ...

    @property
    def streams(self) -> bool:
        """True when the first bytes are known before the last rows, so that a sample of any size can be sent."""
        ...

    def decode(self, body: bytes, query: Mapping[str, str]) -> Payload:
        """The payload of a request.

        Raises:
            MalformedBody: the bytes are not this format.
            InvalidRequest: a value in them cannot be a row or a parameter.
        """
        ...

    def encode(self, answer: Answer) -> bytes:
        """The body of an answer.

        Raises:
            NotAcceptable: this format cannot carry what was asked for.
        """
        ...
