"""An answer in one piece is the stream's parts joined, so the two cannot drift apart."""

from ...answer import Answer
from ..codec import Outline, Stream


def outline_of(answer: Answer) -> Outline:
    """What a stream would have known of the answer before its rows."""
    dtypes = {name: tensor.dtype for name, tensor in answer.tensors.items()}
    return Outline(max(map(len, answer.tensors.values()), default=0), answer.columns, dtypes)


def whole(stream: Stream, answer: Answer) -> bytes:
    """The body whose only block of rows is the answer's."""
    return b"".join((stream.head(), stream.piece(answer.tensors), stream.tail()))
