"""npz: a zip archive of npy files. A request holds x.npy or z.npy; a response holds one file for each output."""

import io
import zipfile
from collections.abc import Mapping
from typing import Final

import numpy as np

from diffeo.bundle import npy

from .. import offload
from ..answer import Answer, AnswerSchema
from ..errors import MalformedBody
from ..requests import ROWS_NAMES, Limits
from .npy import read_npy
from .parsing import zip_member
from .table_codec import DecodedTable, TableCodec

# By file name, which tensor the file holds.
REQUEST_FILES: Final[Mapping[bytes, str]] = {f"{name}.npy".encode(): name for name in ROWS_NAMES}
INVALID_ROWS: Final = "invalid_rows"
# The first day that zip can express. A fixed date makes the bytes of an answer reproducible.
FILE_DATE: Final = (1980, 1, 1, 0, 0, 0)


class Npz(TableCodec):
    """The format application/x-npz."""

    name = "npz"
    media_type = "application/x-npz"
    single_array = False
    decode_multiple = 3
    encode_multiple = 3
    inline_bytes = offload.DECODE_BYTES

    def unpacked_bytes(self, body: bytes) -> int:
        """The size that the archive claims; no more than one byte beyond it is decompressed."""
        return zip_member.claimed_size(body) if body else 0

    def decode_table(self, body: bytes, limits: Limits) -> DecodedTable:
        """The rows in the only file of the archive, and their name x or z."""
        member = zip_member.only_member(body, limits.max_body_bytes)
        if member.name not in REQUEST_FILES:
            raise MalformedBody("the file in the npz archive has another name; send one file, x.npy or z.npy")
        return DecodedTable(read_npy(zip_member.unpack(member)), REQUEST_FILES[member.name])

    def encode(self, answer: Answer) -> bytes:
        """Every tensor as NAME.npy, and the numbers of the invalid rows, if any, as invalid_rows.npy."""
        files = {name: npy.write(tensor) for name, tensor in answer.tensors.items()}
        if answer.invalid_rows:
            files[INVALID_ROWS] = _integer_npy([row.row for row in answer.invalid_rows])
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(f"{name}.npy", FILE_DATE), content)
        return buffer.getvalue()

    def stream_encoder(self, _: AnswerSchema) -> None:
        """None: zip writes the checksum and the size of a file before its content."""
        return


def _integer_npy(values: list[int]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array(values, dtype=np.int64), allow_pickle=False)
    return buffer.getvalue()
