"""Results are the same after writing and reading, and can be filtered and averaged."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.training.fitting.evaluation import Evaluation
from diffeo.training.study import curves, results
from diffeo.training.study.results import Results, Row, Spread, number


def rows(*values: float, **settings: results.Value) -> Results:
    return Results(Row({"seed": seed} | settings, {"kl": value}) for seed, value in enumerate(values))


def test_a_spread_has_mean_lowest_and_highest_value() -> None:
    assert rows(1.0, 2.0, 6.0).spread("kl") == Spread(3.0, 1.0, 6.0)
    assert str(rows(0.1234, 0.2).spread("kl")) == "0.162 (0.123 to 0.200)"
    assert rows(1.0).spread("kl").plus(0.5) == Spread(1.5, 1.5, 1.5)


def test_rows_are_filtered_by_their_settings() -> None:
    both = Results([*rows(1.0, 2.0, data="moons", det=0.1), *rows(5.0, data="circles")])
    assert both.where(data="moons").values("kl") == [1.0, 2.0]
    assert both.where(det=None).values("kl") == [5.0]
    assert both.distinct("data") == ["moons", "circles"]
    assert both.distinct("det") == [0.1]
    assert not both.has("nll")


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.sampled_from([None, 0.01, 1.0, 100.0]))
def test_results_that_were_read_are_written_identically(value: float, det: float | None) -> None:
    row = Row(
        {"id": "0a1b2c3d", "experiment": "grid", "data": "moons, noise 0.1", "det": det, "seed": 2}, {"kl": value}
    )
    text = results.to_csv(Results([row]))
    read = results.from_csv(text)
    assert results.to_csv(read) == text
    assert read.rows[0].settings["det"] == det
    assert read.rows[0].metrics["kl"] == pytest.approx(value, rel=1e-5)


def test_the_order_of_the_rows_does_not_change_the_file() -> None:
    some = [*rows(1.0, 2.0, experiment="grid", data="circles"), *rows(3.0, 4.0, experiment="grid", data="moons")]
    assert results.to_csv(Results(some)) == results.to_csv(Results(reversed(some)))
    assert results.from_csv(results.to_csv(Results(some))).distinct("data") == ["moons", "circles"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.12345, "0.123"),
        (2.0, "2.00"),
        (188.2, "188"),
        (1979.3, "1,979"),
        (1.2e-7, "1.2e-7"),
        (3e7, "3.0e7"),
    ],
)
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert number(value) == text
    assert number(-value).lstrip("-") == text


def test_losses_by_epoch_are_the_same_after_writing_and_reading() -> None:
    records = {
        "b": [Evaluation(1, 2.5, 2.25, 0, rollback=False), Evaluation(2, 1.5, math.nan, 3, rollback=True)],
        "a": [],
    }
    read = curves.from_csv(curves.to_csv(records))
    assert curves.to_csv(read) == curves.to_csv(records)
    assert read["b"][1].rollback
    assert read["b"][0] == records["b"][0]
