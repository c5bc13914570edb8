"""Rules of Slice, Gather and GatherElements: never along the batch axis, and never outside of a table."""

from typing import Final

from ..value import INT32, INT64, ROWS, Size, Unprovable, Value, axis_of, known, make
from .rule import Call

# An end that means "to the last row" in exported graphs; no batch has as many rows.
LAST: Final = 2**31 - 1


def slices(call: Call) -> Value:
    """Slice with constant starts, ends, axes and steps."""
    value = call.value(0)
    starts, ends = call.value(1).integers("its list of starts"), call.value(2).integers("its list of ends")
    axes, steps = call.optional(3), call.optional(4)
    listed = axes.integers("its list of axes") if axes is not None else tuple(range(len(starts)))
    strides = steps.integers("its list of steps") if steps is not None else (1,) * len(starts)
    if not len(starts) == len(ends) == len(listed) == len(strides):
        raise Unprovable("its lists have different lengths")
    sizes: list[Size] = list(value.shape)
    content = value.content
    chosen = [axis_of(axis, value.rank) for axis in listed]
    if len(set(chosen)) != len(chosen) or 0 in strides:
        raise Unprovable("it names an axis twice or has a step of zero")
    for axis, start, end, step in zip(chosen, starts, ends, strides, strict=True):
        size = sizes[axis]
        if not isinstance(size, int):
            if (start, step) != (0, 1) or end < LAST:
                raise Unprovable("it takes some rows of the batch")
            continue
        if step < 0 and (start < -size or end >= LAST):
            raise Unprovable("its start or end has another meaning with a negative step")
        taken = _indices(size, start, end, step)
        sizes[axis] = len(taken)
        content = tuple(content[index] for index in taken) if content is not None else None
    if content is not None:
        return known(value.element, content)
    return make(value.element, sizes, value.bounds)


def gather(call: Call) -> Value:
    """Gather: columns by constant numbers, or from a constant table by numbers of a row that are known to fit."""
    table, index = call.value(0), call.value(1)
    axis = axis_of(call.integer("axis", 0), table.rank)
    if index.tells_rows:
        raise Unprovable("it looks up the number of rows")
    if table.content is not None and index.content is not None:
        size = len(table.content)
        chosen = [table.content[axis_of(number, size)] for number in index.integers("its list of positions")]
        return known(table.element, chosen, scalar=index.rank == 0)
    if table.tells_rows:
        raise Unprovable("it makes a number of the number of rows")
    if table.axis is not None and index.axis is not None:
        raise Unprovable("it looks up rows by numbers of other rows")
    _check_within(index, table.shape[axis])
    return make(table.element, (*table.shape[:axis], *index.shape, *table.shape[axis + 1 :]), table.bounds)


def gather_elements(call: Call) -> Value:
    """GatherElements: numbers of a row by positions in the same row."""
    table, index = call.value(0), call.value(1)
    if table.rank != index.rank or table.axis != index.axis:
        raise Unprovable("its input and its positions do not have the same rows")
    axis = axis_of(call.integer("axis", 0), table.rank)
    _check_within(index, table.shape[axis])
    for other, (size, wanted) in enumerate(zip(table.shape, index.shape, strict=True)):
        if other != axis and isinstance(size, int) and isinstance(wanted, int) and wanted > size:
            raise Unprovable(f"its positions {list(index.shape)} do not fit {list(table.shape)}")
    return make(table.element, index.shape, table.bounds)


def _check_within(index: Value, size: Size) -> None:
    if size is ROWS or not isinstance(size, int):
        raise Unprovable("it looks up rows of the batch")
    if index.element not in {INT32, INT64}:
        raise Unprovable("its positions are no int32 and no int64")
    if index.bounds is None or not (-size <= index.bounds[0] and index.bounds[1] < size):
        raise Unprovable(f"its positions are not known to be within {size} places, and one outside ends the call")


def _indices(size: int, start: int, end: int, step: int) -> range:
    if step > 0:
        begin, stop = (max(0, point + size if point < 0 else point) for point in (start, end))
        return range(min(begin, size), min(stop, size), step)
    begin = min(size - 1, start + size if start < 0 else start)
    stop = max(-1, end + size if end < 0 else end)
    return range(begin, min(stop, size - 1), step)
