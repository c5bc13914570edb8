"""Rules of operators that move numbers: Reshape, Transpose, Expand, Concat, Split. Each row keeps its place."""

import math
from collections.abc import Sequence

from .. import limits
from ..value import INT64, ROWS, Shape, Size, Unprovable, Value, axis_of, broadcast, known, make, product
from .rule import Call


def shape_of(call: Call) -> Value:
    """Shape: the sizes, among them the number of rows."""
    value = call.value(0)
    rank = value.rank
    start, end = call.integer("start", 0), call.integer("end", rank)
    return known(INT64, value.shape[slice(*slice(start, end).indices(rank))])


def reshape(call: Call) -> Value:
    """Reshape: the products of the sizes before and after the batch axis stay the same."""
    value, target = call.value(0), _content(call.value(1), "its shape")
    if call.flag("allowzero", default=False):
        raise Unprovable("it allows sizes of zero")
    if value.tells_rows:
        raise Unprovable("it reshapes the number of rows")
    sizes: list[Size] = []
    for index, size in enumerate(target):
        if size == 0 and index >= value.rank:
            raise Unprovable(f"its shape copies the axis {index}, which its input lacks")
        sizes.append(value.shape[index] if size == 0 else size)
    shape = tuple(_without_unknown(value, sizes))
    _check_same_rows(value.shape, shape)
    return _moved(value, shape)


def flatten(call: Call) -> Value:
    """Flatten to a matrix."""
    value = call.value(0)
    axis = call.integer("axis", 1)
    if not -value.rank <= axis <= value.rank:
        raise Unprovable(f"axis {axis} of a tensor with {value.rank} axes")
    axis = axis + value.rank if axis < 0 else axis
    shape = tuple(_merged(part) for part in (value.shape[:axis], value.shape[axis:]))
    _check_same_rows(value.shape, shape)
    return _moved(value, shape)


def expand(call: Call) -> Value:
    """Expand by broadcasting."""
    value = call.value(0)
    if value.tells_rows:
        raise Unprovable("it expands the number of rows")
    target = _content(call.value(1), "its shape")
    return make(value.element, broadcast(value.shape, target), value.bounds)


def squeeze(call: Call) -> Value:
    """Squeeze of named axes."""
    value = call.value(0)
    if call.optional(1) is None:
        raise Unprovable("it names no axes, and a batch of one row has one axis of size 1 more")
    listed = call.value(1).integers("its list of axes")
    if not listed:
        raise Unprovable("its list of axes is empty, which takes away every axis of size 1")
    axes = {axis_of(axis, value.rank) for axis in listed}
    if any(value.shape[axis] != 1 for axis in axes):
        raise Unprovable(f"it takes away an axis of {list(value.shape)} that is not of size 1")
    return _moved(value, tuple(size for axis, size in enumerate(value.shape) if axis not in axes))


def unsqueeze(call: Call) -> Value:
    """Unsqueeze: new axes of size 1."""
    value, listed = call.value(0), call.value(1).integers("its list of axes")
    rank = value.rank + len(listed)
    axes = {axis_of(axis, rank) for axis in listed}
    if len(axes) != len(listed):
        raise Unprovable("it names an axis twice")
    old = iter(value.shape)
    return _moved(value, tuple(1 if axis in axes else next(old) for axis in range(rank)))


def transpose(call: Call) -> Value:
    """Transpose: the batch axis moves along."""
    value = call.value(0)
    order = call.integers("perm") or tuple(reversed(range(value.rank)))
    if sorted(order) != list(range(value.rank)):
        raise Unprovable(f"its order {list(order)[:8]} is no permutation of {value.rank} axes")
    return make(value.element, [value.shape[axis] for axis in order], value.bounds)


def concat(call: Call) -> Value:
    """Concat along another axis than the batch."""
    values = call.all()
    if len({(value.element, value.rank) for value in values}) != 1:
        raise Unprovable("its inputs have different types or numbers of axes")
    first = values[0]
    axis = axis_of(call.integer("axis", 0), first.rank)
    contents = [value.content for value in values if value.content is not None]
    # The length comes first: a long list would take much memory only to be dropped.
    if len(contents) == len(values) and sum(map(len, contents)) <= limits.MAX_KNOWN_INTEGERS:
        return known(first.element, [size for content in contents for size in content])
    total = 0
    for value in values:
        size = value.shape[axis]
        if not isinstance(size, int):
            raise Unprovable("it joins tensors along the rows of the batch")
        if value.tells_rows:
            raise Unprovable("it makes a number of the number of rows")
        if value.shape[:axis] + value.shape[axis + 1 :] != first.shape[:axis] + first.shape[axis + 1 :]:
            raise Unprovable("its inputs have different sizes")
        total += size
    bounds = [value.bounds for value in values]
    known_bounds = [pair for pair in bounds if pair is not None]
    both = (min(low for low, _ in known_bounds), max(high for _, high in known_bounds)) if known_bounds else None
    sizes = (*first.shape[:axis], total, *first.shape[axis + 1 :])
    return make(first.element, sizes, both if len(known_bounds) == len(bounds) else None)


def split(call: Call) -> tuple[Value, ...]:
    """Split along another axis than the batch."""
    value = call.value(0)
    axis = axis_of(call.integer("axis", 0), value.rank)
    whole = value.shape[axis]
    if not isinstance(whole, int):
        raise Unprovable("it splits the rows of the batch")
    given = call.optional(1)
    if given is None:
        count = call.integer("num_outputs", call.outputs)
        if count != call.outputs or not 1 <= count <= whole:
            raise Unprovable(f"it splits {whole} columns into {count} parts for {call.outputs} outputs")
        part = -(-whole // count)
        sizes = [min(part, whole - part * index) for index in range(count)]
    else:
        sizes = list(given.integers("its list of sizes"))
    if len(sizes) != call.outputs or sum(sizes) != whole:
        raise Unprovable(f"its sizes {sizes[:8]} do not fit {whole} columns and {call.outputs} outputs")
    return tuple(
        make(value.element, (*value.shape[:axis], size, *value.shape[axis + 1 :]), value.bounds) for size in sizes
    )


def _content(value: Value, meaning: str) -> tuple[Size, ...]:
    if value.content is None or value.rank != 1 or value.element != INT64:
        raise Unprovable(f"{meaning} is not a known list of integers")
    return value.content


def _without_unknown(value: Value, sizes: Sequence[Size]) -> list[Size]:
    if sizes.count(-1) > 1:
        raise Unprovable("its shape leaves two sizes open")
    if -1 not in sizes:
        return list(sizes)
    others = [size for size in sizes if size != -1]
    if value.axis is not None and ROWS not in others:
        size: Size = ROWS
        fits = 0 < product(others) == product(value.shape)
    else:
        size, rest = divmod(product(value.shape), max(1, product(others)))
        fits = rest == 0 < product(others)
    if not fits:
        raise Unprovable(f"its shape {list(sizes)} does not fit {list(value.shape)}")
    return [size if other == -1 else other for other in sizes]


def _check_same_rows(before: Shape, after: Shape) -> None:
    if (ROWS in before) != (ROWS in after):
        raise Unprovable(f"the batch axis of {list(before)} is lost in {list(after)}")
    if ROWS not in before:
        same = product(before) == product(after)
    else:
        parts = [
            (product(shape[: shape.index(ROWS)]), product(shape[shape.index(ROWS) :])) for shape in (before, after)
        ]
        same = parts[0] == parts[1]
    if not same:
        raise Unprovable(f"{list(before)} does not keep its rows apart as {list(after)}")


def _merged(sizes: Shape) -> Size:
    if ROWS not in sizes:
        return math.prod(size for size in sizes if isinstance(size, int))
    if product(sizes) != 1:
        raise Unprovable("it joins the batch axis with another axis")
    return ROWS


def _moved(value: Value, shape: Shape) -> Value:
    if value.content is not None and len(shape) <= 1:
        return Value(value.element, shape, value.content, value.bounds)
    if value.tells_rows:
        raise Unprovable("it makes a number of the number of rows")
    return make(value.element, shape, value.bounds)
