"""Limits of a graph. Each is far above any flow we know, and bounds what a hostile graph can take.

`models/README.md` states them as part of the format.
"""

from typing import Final

# Versions of the default operator set whose operators the rules of this folder describe.
OPSETS: Final = range(13, 24)
IR_VERSIONS: Final = range(4, 13)

MAX_NODES: Final = 20_000
# The longest path from an input to an output, in nodes.
MAX_DEPTH: Final = 5_000
MAX_NODE_VALUES: Final = 8_192  # inputs or outputs of one node
MAX_ALL_NODE_VALUES: Final = 2**18  # inputs and outputs of all nodes
MAX_NAME_BYTES: Final = 1_024
MAX_ATTRIBUTES: Final = 16
MAX_ATTRIBUTE_ITEMS: Final = 8_192

MAX_RANK: Final = 8
MAX_SIZE: Final = 2**31 - 1  # of one axis
# Elements of one tensor in one row, and bytes of the tensors of one row that are needed at the same time.
MAX_ROW_ELEMENTS: Final = 2**17
MAX_ROW_BYTES: Final = 2 * 2**20
# Bytes of all tensors of one row. A runtime may execute nodes in another order than that of the file, and then keeps
# more tensors at a time, but never more than all. A flow of 64 columns, 32 layers and 4 hidden layers of 1,024 takes
# 1.2 MiB in float32 and 2.4 MiB in float64.
MAX_ALL_ROW_BYTES: Final = 8 * MAX_ROW_BYTES
# Bytes of the constants that operators compute from constants. Those in the file are bounded by its size.
MAX_COMPUTED_BYTES: Final = 64 * 2**20
# A whole vector of integers is known to the rules up to this length: shapes, axes, starts, ends, sizes of a split.
MAX_KNOWN_INTEGERS: Final = 4_096
# The integers of all those vectors together.
MAX_ALL_KNOWN_INTEGERS: Final = 2**22
# Integers that are stored one by one in place of raw bytes.
MAX_LISTED_NUMBERS: Final = 2**20
# Length of a sum of products of 8-bit integers: 65,000 * 255 * 128 < 2^31.
MAX_INTEGER_TERMS: Final = 65_000
MAX_REASON: Final = 300  # characters that a rule says about one node
