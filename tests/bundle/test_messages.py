"""A message that the reader accepts holds the numbers that a protobuf library reads from it."""

import itertools

import numpy as np
import pytest
from onnx import AttributeProto, TensorProto

from diffeo.bundle.errors import GraphRefused
from diffeo.bundle.graph import limits, messages, protobuf, tensor

# Eight bytes are one fixed number of 64 bits, or two of 32 bits, or eight varints.
PAYLOADS = {protobuf.VARINT: b"\1", protobuf.FIXED64: bytes(8), protobuf.BYTES: b"\x08" + bytes(8), 5: bytes(4)}
ATTRIBUTE = {2: "f", 3: "i", 4: "s", 5: "t", 7: "floats", 8: "ints"}
TENSOR = {
    1: "dims", 2: "data_type", 4: "float_data", 5: "int32_data", 7: "int64_data", 9: "raw_data", 10: "double_data",
}  # fmt: skip


def field(number: int, wire: int, payload: bytes) -> bytes:
    return bytes([number << 3 | wire]) + payload


@pytest.mark.parametrize("wire", PAYLOADS)
def test_each_list_has_the_length_that_protobuf_reads(wire: int) -> None:
    read = 0
    for schema, fields, library in (
        (messages.ATTRIBUTE, ATTRIBUTE, AttributeProto),
        (messages.TENSOR, TENSOR, TensorProto),
    ):
        for number, name in fields.items():
            content = field(number, wire, PAYLOADS[wire])
            try:
                message = messages.read("a file", memoryview(content), schema)
            except GraphRefused:
                continue
            if schema[number] not in {"message", "bytes"}:
                expected = getattr(library.FromString(content), name)
                found = [*message.integers.get(number, ()), *message.floats.get(number, ())]
                assert found == (list(expected) if schema[number] in messages.REPEATED else [expected])
            read += 1
    # A reader that refuses every field fails here.
    assert read > 0


OWN: dict[messages.Kind, tuple[int, ...]] = {
    "integer": (0,), "integers": (0, 2), "float": (5,), "floats": (5, 2), "doubles": (1, 2), "text": (2,),
    "texts": (2,), "bytes": (2,), "message": (2,), "messages": (2,),
}  # fmt: skip
WIRES = [(kind, wire) for kind, wire in itertools.product(OWN, PAYLOADS) if wire not in OWN[kind]]


@pytest.mark.parametrize(("kind", "wire"), WIRES)
def test_a_field_with_the_wire_type_of_another_kind_is_refused(kind: messages.Kind, wire: int) -> None:
    with pytest.raises(GraphRefused, match=f"the wire type {wire}"):
        messages.read("a file", memoryview(field(1, wire, PAYLOADS[wire])), {1: kind})


def test_a_list_in_many_parts_has_the_limit_of_one_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_LISTED_NUMBERS", 100)
    for number, part in ((7, field(7, 0, b"\1")), (7, field(7, 2, b"\2\1\1")), (4, field(4, 5, bytes(4)))):
        count = 2 if part[1] == 2 else 1
        assert messages.read("a file", memoryview(part * (100 // count)), messages.TENSOR).has(number)
        with pytest.raises(GraphRefused, match="more than 100 numbers"):
            messages.read("a file", memoryview(part * 101), messages.TENSOR)


NUMBERS = {
    TensorProto.BOOL: (-1, 2, 200, 255), TensorProto.UINT8: (-1, 256), TensorProto.INT8: (-129, 128),
    TensorProto.INT32: (-(2**31) - 1, 2**31),
}  # fmt: skip


@pytest.mark.parametrize(
    ("element", "number"), [(element, number) for element, numbers in NUMBERS.items() for number in numbers]
)
def test_a_number_outside_of_the_type_of_its_weight_is_refused_in_each_encoding(element: int, number: int) -> None:
    listed = TensorProto(name="w", data_type=element, dims=[2]).SerializeToString() + field(
        5, 2, _packed(varint(1) + varint(number))
    )
    contents = [listed]
    if element == TensorProto.BOOL:
        raw = bytes([1, number % 256])
        contents.append(TensorProto(name="w", data_type=element, dims=[2], raw_data=raw).SerializeToString())
    for content in contents:
        with pytest.raises(GraphRefused, match="outside"):
            tensor.read("a file", memoryview(content))


@pytest.mark.parametrize("element", [*NUMBERS, TensorProto.INT64, TensorProto.FLOAT, TensorProto.DOUBLE])
def test_the_bounds_of_a_weight_hold_its_numbers_in_each_encoding(element: int) -> None:
    numbers = [0, 1, 1, 0]
    field_of: dict[int, str] = {1: "float_data", 11: "double_data", 7: "int64_data"}
    dtype = {9: "u1", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 1: "<f4", 11: "<f8"}[element]
    for encoding in ({"raw_data": np.array(numbers, dtype).tobytes()}, {field_of.get(element, "int32_data"): numbers}):
        content = TensorProto(name="w", data_type=element, dims=[2, 2], **encoding).SerializeToString()
        value = tensor.read("a file", memoryview(content)).value
        assert value.shape == (2, 2)
        assert value.bounds == (None if element in tensor.FLOATS else (0, 1))


def varint(number: int) -> bytes:
    number %= 2**64
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _packed(content: bytes) -> bytes:
    return varint(len(content)) + content
