"""npz: tensors by name, each an npy of its own; a request holds x or z, an answer all that was asked for."""

import io
import zipfile
from collections.abc import Mapping
from typing import Final

import numpy as np

from diffeo.bundle import npy

from ..answer import Answer
from ..errors import MalformedBody
from ..query import read_query
from ..requests import Payload
from .codec import Outline
from .parsing import zip_member

ROWS: Final[Mapping[bytes, str]] = {b"x.npy": "x", b"z.npy": "z"}
INVALID_ROWS: Final = "invalid_rows"
# The first day that zip can name: the same answer is the same bytes on every day.
EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class Npz:
    """application/x-npz."""

    name = "npz"
    media_type = "application/x-npz"
    single = False

    def decode(self, body: bytes, query: Mapping[str, str]) -> Payload:
        """Rows from the only member, parameters from the query string."""
        parameters = read_query(query)
        if not body:
            return Payload(parameters)
        member = zip_member.only_member(body)
        if member.name not in ROWS:
            raise MalformedBody("the archive's member has another name; expected x.npy or z.npy")
        try:
            return Payload(parameters, npy.read(zip_member.unpacked(member)), ROWS[member.name])
        except npy.NpyInvalid as error:
            raise MalformedBody(str(error)) from error

    def encode(self, answer: Answer) -> bytes:
        """Every tensor as NAME.npy, and as invalid_rows.npy the rows without an answer where there are any."""
        files = {name: npy.write(tensor) for name, tensor in answer.tensors.items()}
        if answer.invalid_rows:
            files[INVALID_ROWS] = _integers([row.row for row in answer.invalid_rows])
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
            for name, content in files.items():
                file.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH), content)
        return buffer.getvalue()

    def stream(self, _: Outline) -> None:
        """A member's checksum and size come before it, so an archive is sent whole."""
        return


def _integers(rows: list[int]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array(rows, dtype=np.int64), allow_pickle=False)
    return buffer.getvalue()
