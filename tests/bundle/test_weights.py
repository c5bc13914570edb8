"""A weight that both graphs hold under one name is the same in both, bit by bit."""

import re
from pathlib import Path

import pytest

from diffeo.bundle import graph
from diffeo.bundle.errors import GraphsDisagree
from diffeo.bundle.manifest import FileName
from diffeo.bundle.read import read

ROOT = Path(__file__).parents[2]
FILES = dict(read(ROOT / "models/moons/1").files)
NAME = b"flow.transforms.3.conditioner.net.2.weight"
# The tag of the numbers, which follow the name.
RAW_DATA = b"\x4a"
GRAPHS: tuple[FileName, ...] = ("forward.onnx", "inverse.onnx")


@pytest.mark.parametrize("name", ["moons", "circles"])
def test_the_weights_of_the_shipped_models_agree(name: str) -> None:
    graph.check_weights(read(ROOT / "models" / name / "1").files)


def flipped(file: FileName, bit: int) -> bytes:
    """The graph with one bit of a weight changed."""
    content = bytearray(FILES[file])
    content[content.index(NAME + RAW_DATA) + len(NAME) + 200] ^= bit
    return bytes(content)


@pytest.mark.parametrize("bit", [1, 128])
@pytest.mark.parametrize("file", GRAPHS)
def test_one_bit_of_a_weight_is_noticed(file: FileName, bit: int) -> None:
    sentence = f"forward.onnx and inverse.onnx hold different numbers as '{NAME.decode()}'"
    with pytest.raises(GraphsDisagree, match=re.escape(sentence)):
        graph.check_weights({**FILES, file: flipped(file, bit)})


def test_the_same_change_of_both_graphs_is_another_flow() -> None:
    graph.check_weights({**FILES, **{file: flipped(file, 1) for file in GRAPHS}})


@pytest.mark.parametrize("file", GRAPHS)
def test_a_weight_of_another_name_is_not_compared(file: FileName) -> None:
    graph.check_weights({**FILES, file: flipped(file, 1).replace(NAME, NAME.replace(b"flow.", b"Flow."))})
