"""The analysis of a graph takes little memory itself, and stops at the node that exceeds a limit."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, helper, numpy_helper

from diffeo.bundle.errors import GraphRefused
from diffeo.bundle.graph import analysis, content, limits, tensor
from diffeo.bundle.graph.operators import FLOAT_RULES
from diffeo.bundle.graph.rules.rule import Call
from diffeo.bundle.graph.value import INT64, ROWS, Size, Unprovable, Value, known

MOST = limits.MAX_KNOWN_INTEGERS
WHOLE = known(INT64, range(MOST))


def derive(operator: str, *inputs: Value, **attributes: int | tuple[int, ...]) -> Value:
    result = FLOAT_RULES[operator].derive(Call(inputs, attributes, 18, 1))
    assert isinstance(result, Value)
    return result


def weight() -> Value:
    numbers = numpy_helper.from_array(np.arange(MOST + 1, dtype=np.int64), "w")
    return tensor.read("a file", memoryview(numbers.SerializeToString())).value


LONG: dict[str, Callable[[], Value]] = {
    "Concat": lambda: derive("Concat", *[WHOLE] * 1000),
    "Constant": lambda: derive("Constant", value_ints=tuple(range(MOST + 1))),
    "Gather": lambda: derive("Gather", WHOLE, derive("Concat", WHOLE, WHOLE)),
    "Slice": lambda: derive("Slice", derive("Concat", WHOLE, WHOLE), *[known(INT64, [n]) for n in (0, 2 * MOST - 1)]),
    "Reshape": lambda: derive("Reshape", derive("Concat", WHOLE, WHOLE), known(INT64, [-1])),
    "a weight": weight,
}


@pytest.mark.parametrize("name", LONG)
def test_a_long_list_of_integers_keeps_its_bounds_and_not_its_content(name: str) -> None:
    LONG[name]()
    tracemalloc.start()
    value = LONG[name]()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (value.content, value.rank) == (None, 1)
    assert value.elements > MOST
    assert value.bounds is not None
    assert (value.bounds[0], value.bounds[1] >= MOST - 1) == (0, True)
    assert peak < 100 * MOST


@pytest.mark.parametrize("name", ["Concat", "Cast"])
def test_a_list_of_the_most_integers_keeps_its_content(name: str) -> None:
    value = derive("Concat", WHOLE) if name == "Concat" else derive("Cast", WHOLE, to=INT64)
    assert value.content == tuple(range(MOST))


def test_a_long_list_with_the_number_of_rows_is_refused() -> None:
    rows = known(INT64, [ROWS])
    assert derive("Concat", *[rows] * MOST).content == (ROWS,) * MOST
    with pytest.raises(Unprovable, match="number of rows"):
        derive("Concat", *[rows] * (MOST + 1))
    with pytest.raises(Unprovable, match="number of rows"):
        known(INT64, [ROWS] * (MOST + 1))


class Unsearched(tuple[Size, ...]):
    """A list that fails if it is searched."""

    __slots__ = ()

    def __contains__(self, key: object) -> bool:
        raise AssertionError(f"the list of integers is searched for {key}")


def test_a_list_of_integers_with_bounds_is_not_searched_for_the_number_of_rows() -> None:
    assert not Value(INT64, (2,), Unsearched((1, 2)), (1, 2)).tells_rows
    assert known(INT64, [1, ROWS]).tells_rows
    assert not known(INT64, []).tells_rows


CHAINS: dict[str, tuple[str, str, int]] = {
    "constants": ("Expand", "c much", limits.MAX_COMPUTED_BYTES // 2**22),
    "bytes for each row": ("Expand", "x wide", limits.MAX_ALL_ROW_BYTES // 2**19),
    "known integers": ("Concat", "list", limits.MAX_ALL_KNOWN_INTEGERS // MOST),
}


@pytest.mark.parametrize("words", CHAINS)
def test_the_analysis_stops_at_the_node_that_exceeds_a_limit(words: str) -> None:
    operator, inputs, fits = CHAINS[words]
    for count in (fits, fits + 1):
        graph = _graph(operator, inputs, count)
        given = {"x": Value(TensorProto.FLOAT, (ROWS, 1))}
        if count == fits:
            analysis.analyse("a file", graph, given, FLOAT_RULES)
            continue
        with pytest.raises(GraphRefused, match=f"'p{fits}'.*{words}"):
            analysis.analyse("a file", graph, given, FLOAT_RULES)


def _graph(operator: str, inputs: str, count: int) -> content.Content:
    constants: dict[str, npt.NDArray[np.generic]] = {
        "c": np.ones(1, np.float32), "much": np.array([2**20], np.int64), "wide": np.array([1, 2**17], np.int64),
        "list": np.zeros(MOST, np.int64),
    }  # fmt: skip
    nodes = [helper.make_node(operator, inputs.split(), [f"p{index}"]) for index in range(count)]
    for node in nodes if operator == "Concat" else ():
        node.attribute.append(helper.make_attribute("axis", 0))
    weights = [numpy_helper.from_array(numbers, name) for name, numbers in constants.items()]
    graph = helper.make_graph(nodes, "g", [], [], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return content.read("a file", model.SerializeToString())
