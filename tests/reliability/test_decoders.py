"""Any bytes give a payload or a RequestError in every decoder, and no body at the limit takes much memory."""

from time import process_time

import pytest

from benchmarks.reliability import body_costs
from benchmarks.reliability.bodies import BODIES
from diffeo.service import offload
from tests.reliability.fuzz.decoders import DECODERS
from tests.reliability.fuzz.run import run_batch

# Large beside the memory that a library keeps for itself.
LIMIT = 32 * 2**20
HEAVY = (
    "json: rows of 64, one null",
    "json: another key [[],[],...]",
    "csv: 1000 missing cells a row",
    "npz: above the limit",
    "arrow: 512 columns of bytes, one of float64, in 2 batches",
    "v2: deflated [[],[],...]",
)


@pytest.mark.parametrize("name", DECODERS)
def test_any_bytes_give_a_payload_or_a_request_error(name: str) -> None:
    result = run_batch(name, 1500, 6, seed=1, most_mebibytes=4)
    assert result.failures == ()
    assert result.small + result.large == 1506


@pytest.mark.parametrize("name", HEAVY)
def test_a_body_at_the_limit_takes_at_most_eight_times_its_allowed_size(name: str) -> None:
    assert body_costs.measure_in_child(name, LIMIT).multiple < body_costs.ALLOWED_MULTIPLE


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_decoded_on_the_event_loop_holds_it_for_a_short_time(name: str) -> None:
    codec = BODIES[name](LIMIT // 256).codec
    body = BODIES[name](offload.DECODE_BYTES if codec == "v2" else body_costs.CODEC[codec].inline_bytes)
    seconds = []
    for _ in range(3):
        began = process_time()
        body_costs.decode(body, LIMIT)
        seconds.append(process_time() - began)
    assert min(seconds) * 1000 < body_costs.ALLOWED_HOLD_MS
