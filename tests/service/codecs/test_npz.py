"""The npz format: every output as a file of its name; a request is one file whose sizes are checked first."""

import io
import re
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from diffeo.bundle import npy
from diffeo.service.answer import Answer, InvalidRow, Tensor
from diffeo.service.codecs.npz import Npz
from diffeo.service.errors import MalformedBody, TooLarge
from diffeo.service.requests import DEFAULT_LIMITS

NPZ = Npz()
X = np.array([[0.5, -1], [2, 3], [4, 5]], np.float32)
LOCAL, ENTRY, END = 0, -22 - 51, -22  # positions of the three records; the name x.npy has 5 letters


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def streamed(content: bytes, *, wide: bool) -> bytes:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    buffer = Pipe()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("x.npy", "w", force_zip64=wide) as member,
    ):
        member.write(content)
    return buffer.getvalue()


def patched(body: bytes, at: int, form: str, *values: int) -> bytes:
    changed = bytearray(body)
    struct.pack_into(form, changed, at % len(body), *values)
    return bytes(changed)


def savez(name: str, table: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: table})
    return buffer.getvalue()


def savez_compressed(name: str, table: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{name: table})
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["x", "z"])
@pytest.mark.parametrize("save", [savez, savez_compressed])
def test_the_file_of_an_archive_is_read_under_its_name(name: str, save: Callable[[str, np.ndarray], bytes]) -> None:
    payload = NPZ.decode(save(name, X), {"model": "m"})
    assert (payload.rows_name, payload.parameters) == (name, {"model": "m"})
    np.testing.assert_array_equal(payload.rows, X, strict=True)


@pytest.mark.parametrize("wide", [False, True])
def test_an_archive_written_to_a_pipe_with_sizes_after_the_data_is_read(*, wide: bool) -> None:
    np.testing.assert_array_equal(NPZ.decode(streamed(npy.write(X), wide=wide), {}).rows, X)


def test_numpy_reads_every_tensor_and_the_invalid_rows() -> None:
    log_prob = np.array([0.25, np.nan, 1], np.float32)
    tensors: dict[str, Tensor] = {"x": X.astype(np.float64)[:, ::-1], "log_prob": log_prob}
    body = NPZ.encode(Answer("m", 1, ("a", "b"), tensors, {}, (InvalidRow(1, "non_finite_input"),)))
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        assert file.files == ["x", "log_prob", "invalid_rows"]
        np.testing.assert_array_equal(file["x"], tensors["x"], strict=True)
        np.testing.assert_array_equal(file["log_prob"], log_prob, strict=True)
        np.testing.assert_array_equal(file["invalid_rows"], np.array([1], np.int64), strict=True)


def test_the_same_answer_has_the_same_bytes_on_every_day(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Answer("m", 1, ("a", "b"), {"x": X})
    content = NPZ.encode(answer)
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert NPZ.encode(answer) == content
    (member,) = zipfile.ZipFile(io.BytesIO(content)).infolist()
    assert (member.date_time, member.compress_type) == ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED)


CONTENT = npy.write(X)
PLAIN = packed({"x.npy": CONTENT})
DEFLATED = packed({"x.npy": CONTENT}, zipfile.ZIP_DEFLATED)
STREAM = zlib.compress(CONTENT, wbits=-15)


def deflated(stream: bytes, gap: bytes = b"", flags: int = 0) -> bytes:
    """An archive whose file claims to decompress to CONTENT; `gap` is between its bytes and the directory."""
    fields = (flags, 8, 0, 33, zlib.crc32(CONTENT), len(stream), len(CONTENT), 5, 0)
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, *fields) + b"x.npy" + stream + gap
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, *fields, 0, 0, 0, 0, 0) + b"x.npy"
    return local + entry + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local), 0)


def flagged(flags: int) -> bytes:
    return patched(patched(PLAIN, LOCAL + 6, "<H", flags), ENTRY + 8, "<H", flags)


NOT_AT_END = "directory of the archive is not at its end"
OVERLAP = "parts of the archive overlap or have bytes between them"
METHOD = "encrypted, or compressed with another method than deflate"
DISAGREE = "directory of the archive and the header of its file disagree"
NO_ENTRY = "directory of the archive has no valid entry"
MISMATCH = "does not match its size and checksum"

BAD_NPZ = {
    "no zip": (CONTENT, "does not end like a zip archive"),
    "a few bytes": (bytes(2) + b"PK\5\6" + bytes(6), "does not end like a zip archive"),
    "the last record under another name": (patched(PLAIN, END, "<L", 0), "does not end like a zip archive"),
    "an empty archive": (packed({}), "has 0 files"),
    "two members": (packed({"x.npy": CONTENT, "z.npy": CONTENT}), "has 2 files"),
    "another name": (packed({"y.npy": CONTENT}), "another name; send one file, x.npy or z.npy"),
    "a name without npy": (packed({"x": CONTENT}), "another name"),
    "a name with a path": (packed({"../x.npy": CONTENT}), "another name"),
    "a name in other letters": (packed({"X.NPY": CONTENT}), "another name"),
    "an npy of text": (packed({"x.npy": b"1,2"}), "header of npy"),
    "an npy of integers": (savez("x", np.zeros((1, 2), np.int64)), "expected float32 or float64"),
    "bzip2": (packed({"x.npy": CONTENT}, zipfile.ZIP_BZIP2), METHOD),
    "lzma": (packed({"x.npy": CONTENT}, zipfile.ZIP_LZMA), METHOD),
    "an encrypted member": (flagged(0x0001), METHOD),
    "a patch": (flagged(0x0020), METHOD),
    "a strongly encrypted member": (flagged(0x0041), METHOD),
    "a masked header": (flagged(0x2000), METHOD),
    "flags that disagree": (patched(PLAIN, LOCAL + 6, "<H", 0x800), DISAGREE),
    "methods that disagree": (patched(PLAIN, LOCAL + 8, "<H", 8), DISAGREE),
    "names that disagree": (patched(PLAIN, LOCAL + 30, "<B", ord("z")), DISAGREE),
    "bytes before it": (b"#!" + PLAIN, NOT_AT_END),
    "bytes before it that its directory knows": (b"#!" + patched(PLAIN, END + 16, "<L", len(PLAIN) - 71), "not begin"),
    "bytes behind it": (PLAIN + b"\0", "does not end like a zip archive"),
    "a comment": (patched(PLAIN, -2, "<H", 4) + b"note", "does not end like a zip archive"),
    "a comment that is not there": (patched(PLAIN, -2, "<H", 4), NOT_AT_END),
    "no member before the directory": (patched(PLAIN, LOCAL, "<L", 0), "does not begin with its file"),
    "no entry in the directory": (patched(PLAIN, ENTRY, "<L", 0), NO_ENTRY),
    "a directory of no bytes": (patched(PLAIN, END + 12, "<LL", 0, len(PLAIN) - 22), NO_ENTRY),
    "a directory of a few bytes": (
        patched(patched(PLAIN, END + 12, "<LL", 9, len(PLAIN) - 31), -31, "<4B", *b"PK\1\2"), NO_ENTRY
    ),
    "a directory that lies elsewhere": (patched(PLAIN, END + 16, "<L", 0), NOT_AT_END),
    "a directory beyond the end": (patched(PLAIN, END + 16, "<L", 0xFFFFFFFF), NOT_AT_END),
    "an entry that lies elsewhere": (patched(PLAIN, ENTRY + 42, "<L", 1), OVERLAP),
    "an entry that is longer": (patched(PLAIN, ENTRY + 30, "<H", 9), OVERLAP),
    "an entry with a comment beyond the end": (patched(PLAIN, ENTRY + 32, "<H", 0xFFFF), OVERLAP),
    "a member that reaches into the directory": (patched(PLAIN, ENTRY + 20, "<L", len(CONTENT) + 20), OVERLAP),
    "a member shorter than its place": (patched(PLAIN, ENTRY + 20, "<L", len(CONTENT) - 1), OVERLAP),
    "a header longer than the archive": (patched(PLAIN, LOCAL + 28, "<H", 0xFFFF), OVERLAP),
    "bytes between its parts": (deflated(STREAM, bytes(16)), OVERLAP),
    "bytes between its parts that are no sizes": (deflated(STREAM, bytes(13), 0x0008), OVERLAP),
    "a checksum of other bytes": (patched(PLAIN, ENTRY + 16, "<L", zlib.crc32(b"")), MISMATCH),
    "a stored member of another size": (patched(PLAIN, ENTRY + 24, "<L", len(CONTENT) + 1), MISMATCH),
    "a deflated member that holds more": (patched(DEFLATED, ENTRY + 24, "<L", len(CONTENT) - 1), MISMATCH),
    "a deflated member that holds less": (patched(DEFLATED, ENTRY + 24, "<L", len(CONTENT) + 1), MISMATCH),
    "a deflated member that is no deflate": (deflated(b"\7" + STREAM), "is not valid deflate data"),
    "a deflated member with more behind it": (deflated(STREAM + b"\0"), "ends before or after the file's last byte"),
    "a deflated member without its last block": (
        deflated(b"\0" + struct.pack("<HH", len(CONTENT), len(CONTENT) ^ 0xFFFF) + CONTENT),
        "ends before or after the file's last byte",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "words"), BAD_NPZ.values(), ids=BAD_NPZ.keys())
def test_a_body_that_is_not_an_archive_of_one_table_is_malformed(body: bytes, words: str) -> None:
    with pytest.raises(MalformedBody, match=re.escape(words)) as caught:
        NPZ.decode(body, {})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("body", [deflated(STREAM), deflated(STREAM, bytes(16), 0x0008)])
def test_a_valid_archive_made_by_hand_is_read(body: bytes) -> None:
    np.testing.assert_array_equal(NPZ.decode(body, {}).rows, X)


def test_a_file_that_claims_a_size_above_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge, match="67108865 bytes; the limit is 67108864"):
        NPZ.decode(patched(DEFLATED, ENTRY + 24, "<L", DEFAULT_LIMITS.max_body_bytes + 1), {})


def test_a_file_larger_than_its_claimed_size_is_not_decompressed() -> None:
    bomb = packed({"x.npy": b"\0" * 2**26}, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    with pytest.raises(MalformedBody):
        NPZ.decode(patched(bomb, ENTRY + 24, "<L", 1000), {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_a_directory_of_many_entries_is_malformed_and_is_not_read() -> None:
    entries = PLAIN[ENTRY:END] * 65535
    body = PLAIN[:ENTRY] + entries + patched(PLAIN[END:], 8, "<HHL", 65535, 65535, len(entries))
    tracemalloc.start()
    with pytest.raises(MalformedBody, match="65535 files"):
        NPZ.decode(body, {})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**16
