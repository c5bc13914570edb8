"""Graphs with content that no flow needs, and graphs beyond each limit of the format."""

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from .edited_graph import Array, Case, Constants, Edit, add, live, node, rename, silent

OTHER_OPERATORS = """
    RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial Bernoulli Dropout If Loop Scan NonZero
    Unique TopK Compress CumSum ReduceMean ReduceMin ReduceProd Mean Sum BatchNormalization LayerNormalization
    InstanceNormalization Einsum Resize Tile ConstantOfShape Range ScatterND ScatterElements GatherND OneHot
    SequenceConstruct StringNormalizer ImageDecoder LSTM GRU RNN Conv MaxPool TfIdfVectorizer DynamicQuantizeLinear
    QLinearMatMul Det NonMaxSuppression EyeLike ReverseSequence Hardmax LogSoftmax ArgMax Trilu Pad Mod Size Round
    QuantizeLinear MatMulInteger DequantizeLinear
""".split()
OPSETS = (0, 1, 7, 12, 24, 9999, 2**40)
IR_VERSIONS = (0, 1, 3, 13, 9999)
OTHER_TYPES = (0, 4, 5, 8, 10, 12, 13, 14, 15, 16, 17, 99)
SHAPES = ((2**62, 8), (2**31, 2**31), (-1, 4), (4, 4), (0, 2**62), (2**63 - 1,), (1,) * 9, (2, -3))
BAD_TEXT = {"no UTF-8": b"\xff\xfe_", "half a character": b"\xc3_", "a surrogate": b"\xed\xa0\x80", "zero": b"a\0c"}
PLACE = b"@@@"


def cases() -> Iterator[Case]:
    """Every case of this file."""
    for operator in OTHER_OPERATORS:
        yield Case(f"the operator {operator}", _spare(operator), "not allowed")
    for domain in ("evil", "com.microsoft", "ai.onnx.ml", "ai.onnx.training"):
        yield Case(f"the domain {domain}", _spare("Neg", domain=domain), "not allowed")
    yield from _versions()
    yield from _weights()
    yield from _names()
    yield from _wiring()
    yield from _sizes()


def _spare(operator: str, inputs: str = "x", domain: str = "", **attributes: int | list[int]) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        part = node(operator, inputs, "spare", **attributes)
        part.domain = domain
        add(model, [part])

    return edit


def _versions() -> Iterator[Case]:
    def opset(version: int) -> Edit:
        return lambda model: setattr(model.opset_import[0], "version", version)

    for version in OPSETS:
        yield Case(f"operator set {version}", opset(version), "operator set")
    yield Case("no operator set", lambda model: model.ClearField("opset_import"), "operator set")
    yield Case(
        "two operator sets", lambda model: model.opset_import.append(helper.make_opsetid("ai.onnx", 20)), "operator"
    )
    for version in IR_VERSIONS:
        yield Case(f"IR version {version}", _with_ir(version), "IR version")


def _with_ir(version: int) -> Edit:
    return lambda model: setattr(model, "ir_version", version)


def _weights() -> Iterator[Case]:
    for location in ("../../etc/hostname", "/etc/hostname", "*/_ORT_MEM_ADDR_/*", ""):
        yield Case(f"a weight in {location or 'no file'}", _external(location), "another file")
    for shape in SHAPES:
        yield Case(f"a weight of shape {shape}", _weight(shape), "weight")
    for element in OTHER_TYPES:
        yield Case(f"a weight of type {element}", _typed(element), "type")
    yield Case("sparse weights", _sparse, "sparse")
    yield Case(
        "a weight twice", lambda model: model.graph.initializer.append(model.graph.initializer[0]), "two weights"
    )
    yield Case("a weight with two contents", _two_contents, "bytes")
    for number in (2, 127, 200, 255):
        yield Case(f"a bool of {number} in raw bytes", _wide_bool(number), "outside bool")
    yield Case("axes of another wire type", _other_wire, "wire type")


def _external(location: str) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    return edit


def _weight(shape: tuple[int, ...]) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        tensor = TensorProto(name="spare_weight", data_type=TensorProto.FLOAT, dims=shape, raw_data=bytes(16))
        model.graph.initializer.append(tensor)

    return edit


def _typed(element: int) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(TensorProto(name="spare_weight", data_type=element, dims=[1], raw_data=bytes(8)))

    return edit


def _sparse(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "spare")
    indices = numpy_helper.from_array(np.zeros(1, np.int64))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3]))


def _two_contents(model: onnx.ModelProto) -> None:
    tensor = TensorProto(name="spare", data_type=TensorProto.FLOAT, dims=[1], raw_data=bytes(4), float_data=[1.0])
    model.graph.initializer.append(tensor)


def _wide_bool(number: int) -> Edit:
    """A position that is within its table as a bool, and far outside as the number that a runtime computes with."""

    def edit(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(
            TensorProto(name="odd", data_type=TensorProto.BOOL, dims=[], raw_data=bytes([number]))
        )
        nodes = [
            node("Cast", "odd", "position", to=7), node("Sub", "position whole", "at"),
            node("Greater", "lp big", "rare"), node("Where", "rare at s0", "place"),
            node("Gather", "v1 place", "extra", axis=0),
        ]  # fmt: skip
        silent(nodes, {"whole": np.array(number, np.int64)})(model)

    return edit


def _other_wire(model: onnx.ModelProto) -> bytes:
    """The largest number of a batch: a protobuf library skips the list of axes, and then every axis is meant."""
    model.opset_import[0].version = 17
    nodes = [
        node("Unsqueeze", "x i234", "row"), node("ReduceMax", "row", "most", axes=[1, 2, 3, 4]),
        node("Squeeze", "most i1234", "extra"),
    ]  # fmt: skip
    silent(nodes, {"i234": np.array([2, 3, 4]), "i1234": np.array([1, 2, 3, 4])})(model)
    content = bytes(model.SerializeToString())
    packed, fixed = (b"\x0a\x04axes" + part for part in (b"@\1@\2@\3@\4", b"\x45\1\2\3\4\x6a\1a"))
    assert content.count(packed) == 1
    return content.replace(packed, fixed)


def _names() -> Iterator[Case]:
    places: dict[str, Callable[[onnx.ModelProto, str], object]] = {
        "a node": lambda model, text: setattr(model.graph.node[0], "name", text),
        "a tensor": lambda model, text: rename(model, model.graph.node[0].output[0], text),
        "the graph": lambda model, text: setattr(model.graph, "name", text),
        "the producer": lambda model, text: setattr(model, "producer_name", text),
        "a comment": lambda model, text: setattr(model.graph.node[0], "doc_string", text),
        "an operator": lambda model, text: setattr(model.graph.node[0], "op_type", text),
        "a weight": lambda model, text: setattr(model.graph.initializer[0], "name", text),
        "a size": lambda model, text: setattr(model.graph.input[0].type.tensor_type.shape.dim[0], "dim_param", text),
        "an operator set": lambda model, text: setattr(model.opset_import[0], "domain", text),
        "metadata": lambda model, text: model.metadata_props.add(key=text, value="x"),
    }
    for place, put in places.items():
        for kind, text in BAD_TEXT.items():
            yield Case(f"{place} named by {kind}", _named(put, text), "name or text")
    for place, put in places.items():
        yield Case(f"{place} with a long name", _named(put, b"n" * 5000), "5000 bytes")


def _named(put: Callable[[onnx.ModelProto, str], object], text: bytes) -> Edit:
    # The library of ONNX refuses such text, so a text of the same length is written and then replaced in the bytes.
    stand_in = PLACE + b"_" * max(0, len(text) - len(PLACE))

    def edit(model: onnx.ModelProto) -> bytes:
        put(model, stand_in.decode())
        content = bytes(model.SerializeToString())
        assert stand_in in content
        return content.replace(stand_in, text.ljust(len(PLACE), b"_"))

    return edit


def _wiring() -> Iterator[Case]:
    yield Case("a cycle", lambda model: add(model, [node("Add", "q x", "p"), node("Neg", "p", "q")]), "no earlier node")
    yield Case("a node that reads itself", lambda model: add(model, [node("Neg", "p", "p")]), "no earlier node")
    yield Case("an unknown input", lambda model: add(model, [node("Neg", "nowhere", "p")]), "no earlier node")
    yield Case("nodes in another order", _reversed, "no earlier node")
    yield Case("an output twice", lambda model: add(model, [node("Neg", "x", "log_prob")]), "exists already")
    yield Case("an input computed again", lambda model: add(model, [node("Neg", "x", "x")]), "exists already")
    yield Case(
        "two outputs of one name", lambda model: add(model, [node("Split", "x", "p p", axis=1)]), "two of one name"
    )
    yield Case("a node without output", lambda model: add(model, [helper.make_node("Neg", ["x"], [])]), "no output")
    yield Case("a node without input", lambda model: add(model, [helper.make_node("Neg", [], ["p"])]), "inputs")
    yield Case("an input left out", lambda model: add(model, [node("Add", "x -", "p")]), "missing")
    yield Case("inputs too many", lambda model: add(model, [node("Neg", "x x", "p")]), "inputs")
    yield Case("an unknown attribute", lambda model: add(model, [node("Neg", "x", "p", evil=1)]), "evil")
    yield Case("an axis that is not there", lambda model: add(model, [node("Softmax", "x", "p", axis=7)]), "axis 7")
    yield Case("a nested graph", _nested, "nests")
    yield Case("a function", _function, "functions")
    yield Case("an attribute of another type", _lying_attribute, "another type")
    yield Case("an attribute twice", _repeated_attribute, "two attributes")
    yield Case("a reference to an attribute", _reference, "unknown field")
    yield Case("an unknown field", lambda model: model.SerializeToString() + b"\xfa\x07\x01a", "unknown field")
    yield Case("a second graph", lambda model: model.SerializeToString() + b"\x3a\x00", "twice")
    yield Case("no graph", lambda model: model.ClearField("graph"), "0 graphs")
    yield Case("nothing", lambda _: b"\0", "ONNX")
    yield Case("half a file", lambda model: model.SerializeToString()[:300], "ONNX")
    yield Case("an output of another name", lambda model: setattr(model.graph.output[2], "name", "y"), "returns")
    yield Case("an output too few", lambda model: model.graph.output.pop(), "returns")
    yield Case("an input too many", lambda model: model.graph.input.add(name="y"), "takes")
    yield Case("a single number as log_prob", live([node("ReduceMax", "x", "extra", keepdims=0)]), "refused")


def _reversed(model: onnx.ModelProto) -> None:
    nodes = list(reversed(model.graph.node))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _nested(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [])
    model.graph.node.append(helper.make_node("Identity", ["x"], ["spare"], body=inner))


def _function(model: onnx.ModelProto) -> None:
    inner = helper.make_node("Neg", ["a"], ["b"])
    model.functions.append(helper.make_function("mine", "f", ["a"], ["b"], [inner], [helper.make_opsetid("", 20)]))


def _lying_attribute(model: onnx.ModelProto) -> None:
    part = node("Softmax", "x", "spare", axis=1)
    part.attribute[0].type = AttributeProto.FLOAT
    model.graph.node.append(part)


def _repeated_attribute(model: onnx.ModelProto) -> None:
    part = node("Softmax", "x", "spare", axis=1)
    part.attribute.append(helper.make_attribute("axis", 0))
    model.graph.node.append(part)


def _reference(model: onnx.ModelProto) -> None:
    part = node("Softmax", "x", "spare", axis=1)
    part.attribute[0].ref_attr_name = "axis"
    model.graph.node.append(part)


def _sizes() -> Iterator[Case]:
    for power in (25, 28, 30, 31, 40):
        shape = {"much": np.array([2**power], np.int64)}
        ones = node("Expand", "v1 much", "p"), node("ReduceSum", "p", "extra", keepdims=0)
        yield Case(f"a constant of 2^{power} numbers", silent(ones, shape), "Expand")
    many = [node("Expand", "v1 much", f"p{index}") for index in range(40)]
    shape = {"much": np.array([2**20], np.int64)}
    yield Case(
        "forty constants of 2^20 numbers",
        silent([*many, node("ReduceSum", "p0", "extra", keepdims=0)], shape),
        "constants",
    )
    for power in (18, 20, 30):
        wide = {"much": np.array([1, 2**power], np.int64)}
        one = (
            node("Unsqueeze", "lp i1", "a"),
            node("Expand", "a much", "p"),
            node("ReduceMax", "p i1", "extra", keepdims=0),
        )
        yield Case(f"2^{power} numbers a row", silent(one, wide), "elements a row")
    held = [node("Unsqueeze", "lp i1", "a"), *(node("Expand", "a much", f"p{index}") for index in range(8))]
    joined = (
        node("Max", " ".join(f"p{index}" for index in range(8)), "p"),
        node("ReduceMax", "p i1", "extra", keepdims=0),
    )
    yield Case(
        "eight wide tensors at a time",
        silent([*held, *joined], {"much": np.array([1, 2**17], np.int64)}),
        "bytes for each row",
    )
    yield Case("seventy branches that a runtime keeps at the same time", branches(70), "at the same time")
    yield Case("integers that double", silent(*_doubled(30)), "refused")
    yield Case("a shape with the number of rows 5,000 times", silent(_repeated_rows(5_000)), "number of rows")
    target = {"target": np.full(4096, 2, np.int64)}
    for operator in ("Expand", "Reshape", "Unsqueeze"):
        yield Case(f"{operator} to 4,096 axes", silent([node(operator, "lp target", "extra")], target), "refused")
    yield Case("Max of 1,000 shapes", silent(_unequal(1_000)), "the shapes")
    lists = {f"list{index}": np.zeros(4096, np.int64) for index in range(1025)}
    names = " ".join(lists)
    yield Case(
        "1,025 lists of integers",
        silent([node("Concat", names, "p", axis=0), node("Cast", "p", "extra", to=1)], lists),
        "integers",
    )
    yield Case("many nodes with many inputs", _crowd(40, 8_000), "inputs and outputs")
    yield Case("20,001 nodes", _chain(20_001, wide=True), "nodes")
    yield Case("200,000 nodes", _chain(200_000, wide=True), "nodes")
    yield Case("a chain of 6,000 nodes", _chain(6_000), "deeper")
    yield Case("a chain of 20,000 signs", _chain(19_000, "Neg"), "deeper")
    yield Case("nine axes", silent([*_axes(8), node("ReduceMax", "a8 i0", "extra", keepdims=0)]), "axes")
    yield Case("10,000 inputs", _spare("Max", " ".join(["x"] * 10_000)), "values")
    yield Case("10,000 axes", _spare("Transpose", perm=list(range(10_000))), "too long")


def branches(count: int) -> Edit:
    """Wide tensors that are each read at once, and again by sums that come last where a runtime goes depth first."""
    nodes = [node("Unsqueeze", "lp i1", "a")]
    # A runtime would join branches that compute the same.
    factors: dict[str, Array] = {f"k{index}": np.array(index + 1, np.float32) for index in range(count)}
    for index in range(count):
        nodes += [
            node("Mul", f"a k{index}", f"a{index}"), node("Expand", f"a{index} much", f"e{index}"),
            node("ReduceSum", f"e{index} i1", f"r{index}"), node("ReduceMax", f"e{index} i1", f"t{index}"),
        ]  # fmt: skip
    for kind in "rt":
        sums = [f"{kind}0", *(f"{kind}_{index}" for index in range(1, count))]
        nodes += [node("Add", f"{sums[index - 1]} {kind}{index}", sums[index]) for index in range(1, count)]
    last = count - 1
    nodes += [node("Add", f"r_{last} t_{last}", "both"), node("Squeeze", "both i1", "extra")]
    return silent(nodes, {**factors, "much": np.array([1, 2**16], np.int64)})


def _doubled(levels: int) -> tuple[list[onnx.NodeProto], Constants]:
    joins = [node("Concat", f"t{index} t{index}", f"t{index + 1}", axis=0) for index in range(levels)]
    sums = [node("ReduceMax", f"t{levels} i0", "u", keepdims=0), node("Cast", "u", "extra", to=1)]
    return [*joins, *sums], {"t0": np.zeros(4096, np.int64)}


def _repeated_rows(count: int) -> list[onnx.NodeProto]:
    return [
        node("Shape", "lp", "n"), node("Concat", " ".join(["n"] * count), "p", axis=0), node("Cast", "p", "extra", to=1)
    ]  # fmt: skip


def _unequal(count: int) -> list[onnx.NodeProto]:
    return [node("Max", " ".join([*["x"] * count, "position"]), "p"), node("ReduceSum", "p i1", "extra", keepdims=0)]


def _crowd(nodes: int, inputs: int) -> Edit:
    return lambda model: add(model, [node("Max", " ".join(["x"] * inputs), f"p{index}") for index in range(nodes)])


def _axes(count: int) -> list[onnx.NodeProto]:
    first = node("Unsqueeze", "lp i0", "a1")
    return [first, *(node("Unsqueeze", f"a{index} i0", f"a{index + 1}") for index in range(1, count))]


def _chain(length: int, operator: str = "Identity", *, wide: bool = False) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        model.graph.node.extend(
            node(operator, "x" if wide or not index else f"c{index - 1}", f"c{index}") for index in range(length)
        )

    return edit
