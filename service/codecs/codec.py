"""What a wire format is: bytes to a Payload, an Answer to bytes. A codec knows no model and no HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..answer import Answer, Tensor
from ..requests import Payload


@dataclass(frozen=True, slots=True)
class Outline:
    """What is known of an answer before its rows are: enough for the first bytes of a stream.

    Attributes:
        rows: how many rows will come.
        columns: the names of the columns of x.
        dtypes: the type of each tensor by its name, in the order in which they are shown.
    """

    rows: int
    columns: tuple[str, ...]
    dtypes: Mapping[str, np.dtype[np.floating]]


class Stream(Protocol):
    """One body in parts: the head, then a piece for each block of rows in order, then the tail."""

    @property
    def length(self) -> int | None:
        """Bytes of the whole body, where they are known before the rows."""
        ...

    def head(self) -> bytes:
        """What comes before the rows."""
        ...

    def piece(self, tensors: Mapping[str, Tensor]) -> bytes:
        """The next rows: every tensor of the outline, NaN in a row without an answer."""
        ...

    def tail(self) -> bytes:
        """What comes after the rows."""
        ...


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

    def decode(self, body: bytes, query: Mapping[str, str]) -> Payload:
        """The payload of a request.

        Raises:
            MalformedBody: the bytes are not this format.
            InvalidRequest: a value in them cannot be a row or a parameter.
            TooLarge: they unpack to more than the format may hold.
        """
        ...

    def encode(self, answer: Answer) -> bytes:
        """The body of an answer.

        Raises:
            NotAcceptable: this format cannot carry what was asked for.
        """
        ...

    def stream(self, outline: Outline) -> Stream | None:
        """The body in parts, so that a sample of any size is sent with flat memory; None if it must be whole."""
        ...
