"""The largest tolerance of each check of a certificate. Training measures against these, and a reader accepts no more.

A certificate is only as good as its tolerances: one that allows an error of 1e300 proves nothing.
"""

from collections.abc import Mapping
from typing import Final

from .manifest import CheckName

# Each tolerance with its reason. Float32 carries 24 bits; a flow of some ten couplings loses a few of them.
TOLERANCES: Final[Mapping[CheckName, float]] = {
    "parity": 1e-4,  # of the worst row
    "round_trip": 1e-3,  # in standard deviations of the data
    "log_abs_det_jacobian": 1e-3,  # nats
    "batch_invariance": 1e-6,  # a row's answer must not depend on the rows beside it
    "non_finite_within_20_sigma": 0.0,
    "normalisation": 1e-3,  # of the mass, which is 1
    "sample_law": 1e-2,  # nats; x of a sample is rounded to float32, where the density may be steep
    "two_sample": 3.0,  # a larger distance has a probability below 1e-7 for each column
    "row_isolation": 1e-6,  # as batch_invariance
}
# Of graphs in 8-bit integers.
VARIANT_TOLERANCES: Final[Mapping[CheckName, float]] = {
    **TOLERANCES,
    "round_trip": 5e-2,  # in standard deviations of the data, on the worst row at the edge of a step
    "round_trip_p90": 1e-4,  # rows at no edge: the error of float32
    "log_abs_det_jacobian": 5e-2,  # nats, on the worst row at the edge of a step
    "delta_log_prob_mean": 1e-2,  # nats; a mean loss is quoted to two digits
    "delta_log_prob_p999": 2e-1,  # nats; one row in a thousand is off by a fifth
    "delta_log_prob_max": 1.0,  # nats; the worst row's density keeps its order of magnitude
}
# Fewest rows of a check: training measures the fewest rows, 512, for log_abs_det_jacobian.
LEAST_ROWS: Final = 256
