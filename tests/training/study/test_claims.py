"""Each rule judges constructed rows: "holds" if they agree with the claim, "fails" if they contradict it."""

from collections.abc import Callable
from itertools import product

import pytest

from diffeo.training.study.claims import budget, jacobian, layers, richness, stability, topology, unit
from diffeo.training.study.claims.claim import Comparison, count, exceptions
from diffeo.training.study.results import Results, Row, Spread, Value

SIZES = tuple(product((512, 1024), (10, 20)))
FIXED_DETS = (0.01, 0.1, 1.0, 10.0, 100.0)

Kl = Callable[[str, int, int, int], float]


def grid(kl: Kl) -> list[Row]:
    """The coursework's grid with KL = kl(data, layers, hidden, epochs) + 0.001 * seed."""
    return [
        Row(
            {
                "experiment": "grid",
                "data": d,
                "layers": k,
                "hidden": h,
                "epochs": e,
                "seed": s,
                "block": 0,
                "severed": 0,
            },
            {"kl": kl(d, k, h, e) + 0.001 * s, "nll": 1 + kl(d, k, h, e) + 0.001 * s, "seconds_per_epoch": h / 512},
        )
        for d, k, (h, e), s in product(("moons", "circles"), (1, 3, 5), SIZES, (0, 1, 2))
    ] + [
        Row({"experiment": "laws", "data": data}, {"entropy": entropy, "log_scale": -1.0})
        for data, entropy in (("moons", 0.2892), ("circles", 0.6061))
    ]


@pytest.mark.parametrize(
    ("kl", "verdict"),
    [
        (lambda _d, k, _h, _e: 1 / k, "holds"),
        (lambda _d, k, _h, _e: 0.1 * k, "fails"),
        (lambda _d, _k, _h, _e: 0.5, "fails"),
        (lambda d, k, _h, _e: 1 / k if d == "moons" else 0.5, "holds from the fewest to the most layers (4 of 8"),
    ],
)
def test_claim_1_holds_if_kl_decreases_with_layers(kl: Kl, verdict: str) -> None:
    judged = layers.judge(Results(grid(kl)))
    assert judged.verdict.startswith(verdict)


def reading(one: float, five: float, entropy: float) -> unit.Reading:
    return unit.Reading("moons", "512/10", "nats", Spread(one, one, one), Spread(five, five, five), entropy)


@pytest.mark.parametrize(
    ("one", "five", "entropy", "judgement"),
    [
        (3.18009, 0.71656, 0.2, "consistent"),
        (3.18009, 0.9, 0.2, "possible, but not our losses"),
        (3.18009, 0.9, 0.8, "impossible: below the entropy"),
        (-0.5, -0.9, -2.0, "no: our loss is not positive"),
    ],
)
def test_a_unit_is_consistent_if_one_factor_explains_both_losses(
    one: float, five: float, entropy: float, judgement: str
) -> None:
    assert reading(one, five, entropy).judgement == judgement


def targets(gap: float, closed: float) -> Results:
    """A wider gap lowers the KL by `gap`, an open ring lowers it by `closed`."""
    rows = grid(lambda d, _k, _h, _e: 0.2 if d == "moons" else 0.9)
    off = {
        "moons, gap +0.25": 0.2 - gap, "moons, gap +0.5": 0.2 - 2 * gap,
        "circles, factor 0.7": 0.9 + gap, "circles, factor 0.3": 0.9 - gap,
        "moons, noise 0.1": 0.1, "circles, noise 0.1": 0.5,
        "circles, opened by 30 degrees": 0.9 - closed, "circles, opened by 90 degrees": 0.9 - closed,
        "circles, opened by 180 degrees": 0.9 - closed, "one circle": 0.3 + closed, "one half circle": 0.3,
    }  # fmt: skip
    settings: dict[str, Value] = {"experiment": "topology", "layers": 5, "hidden": 512, "epochs": 10}
    return Results([*rows, *(Row(settings | {"data": name, "seed": 0}, {"kl": kl}) for name, kl in off.items())])


@pytest.mark.parametrize(
    ("gap", "closed", "reason"),
    [(0.05, 0.0, "the reason holds"), (0.0, 0.4, "the reason fails: closed rings"), (0.0, 0.0, "not settled")],
)
def test_claim_2_judges_the_fact_and_the_reason_separately(gap: float, closed: float, reason: str) -> None:
    verdict = topology.judge(targets(gap, closed)).verdict
    assert verdict.startswith("the fact holds")
    assert reason in verdict


@pytest.mark.parametrize(
    ("kl", "verdict"),
    [
        (lambda _d, _k, _h, e: 1 / e, "holds; the epochs help more"),
        (lambda _d, _k, h, _e: 100 / h, "holds; the width helps more"),
        (lambda _d, _k, h, e: 1 / e + 100 / h, "holds; width and epochs help equally"),
        (lambda _d, _k, h, e: h * e * 1e-5, "fails"),
    ],
)
def test_claim_3_names_whether_width_or_epochs_help_more(kl: Kl, verdict: str) -> None:
    assert budget.judge(Results(grid(kl))).verdict.startswith(verdict)


def jacobians(error: float, cut: float) -> Results:
    rows = grid(lambda _d, _k, _h, _e: 0.2)
    price = {"columns": 2.0, "formula_seconds": 1.0, "jacobian_seconds": 5.0, "ladj_error": error}
    severed: dict[str, Value] = {
        "experiment": "severed",
        "data": "moons",
        "layers": 5,
        "hidden": 512,
        "epochs": 10,
        "severed": 1,
    }
    return Results([
        *rows,
        Row({"experiment": "jacobian", "seed": 0}, price),
        *(Row(severed | {"seed": seed}, {"kl": 0.2 + cut}) for seed in (0, 1)),
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("error", "cut", "verdict"),
    [(1e-14, 0.0, "holds"), (1e-14, 0.5, "holds only for the loss"), (0.1, 0.0, "fails")],
)
def test_claim_4_judges_the_loss_and_its_gradient(error: float, cut: float, verdict: str) -> None:
    judged = jacobian.judge_4(jacobians(error, cut)).verdict
    assert judged == verdict if verdict == "holds" else judged.startswith(verdict)


def determinants(error: Callable[[int], float], mass: float) -> Results:
    fitted = [
        Row({"experiment": "triangular", "data": "magic", "block": b, "det": None, "seed": 0},
            {"diagonal_error": error(b), "log_det_a": 1.0})
        for b in (1, 2)
    ]  # fmt: skip
    mass_row = Row({"experiment": "mass", "det": 10.0, "seed": 0}, {"mass": mass, "mass_without_det": mass / 10})
    return Results([*fitted, mass_row])


@pytest.mark.parametrize(
    ("error", "mass", "verdict"),
    [
        (lambda _block: 0.0, 1.0, "holds"),
        (lambda block: 0.1 * (block - 1), 1.0, "holds only if the diagonal blocks have size 1"),
        (lambda _block: 0.1, 1.0, "fails"),
        (lambda _block: 0.0, 0.5, "fails"),
    ],
)
def test_claim_5_judges_the_diagonal_and_the_integral(error: Callable[[int], float], mass: float, verdict: str) -> None:
    judged = jacobian.judge_5(determinants(error, mass)).verdict
    assert judged == verdict if verdict == "holds" else judged.startswith(verdict)


def fixed_determinants(
    metrics: Callable[[float], dict[str, float]], by_det: float = 2.0, by_condition: float = 1e3
) -> Results:
    base = {
        "parameters": 9.0, "condition": 2.0, "log_prob_error": 1e-6, "setbacks": 0.0, "skipped": 0.0, "nll": 1.0,
        "density": 1.0, "mean_ladj": 0.0, "coverage": 0.9, "sample_entropy": 1.0, "round_trip": 1e-6,
        "steps_to_level": 100.0,
    }  # fmt: skip
    settings = {"experiment": "triangular", "data": "magic"}
    rows = [
        Row(settings | {"block": 2, "det": det, "seed": s}, base | metrics(det))
        for det, s in product(FIXED_DETS, (0, 1))
    ]
    rows += [Row(settings | {"block": block, "det": None, "seed": s}, base) for block, s in product((0, 1, 2), (0, 1))]
    rows += [
        Row({"experiment": "designed", "det": det},
            {"condition": k, "round_trip": 1e-7 * (by_det if det > 1 else 1) * (by_condition if k > 10 else 1)})
        for det, k in product((0.01, 100.0), (10.0, 1e4))
    ]  # fmt: skip
    served = {"microseconds_per_sample": 3.0, "parity": 1e-6, "round_trip": 1e-6}
    rows.append(Row({"experiment": "served", "block": 0, "det": None, "seed": 0}, served))
    return Results(rows)


@pytest.mark.parametrize(
    ("metrics", "verdict"),
    [
        (lambda det: {"round_trip": 1e-6 * (1 + (det != 1)), "steps_to_level": 100 + 50 * (det != 1)}, "holds"),
        (lambda _det: {}, "fails"),
        (lambda det: {"steps_to_level": 100.0 + 50 * (det != 1)}, "holds only in part: stability fails"),
    ],
)
def test_claim_6_judges_float32_errors_and_training_steps(
    metrics: Callable[[float], dict[str, float]], verdict: str
) -> None:
    assert stability.judge(fixed_determinants(metrics)).verdict.startswith(verdict)


@pytest.mark.parametrize(("by_det", "by_condition", "named"), [(2.0, 1e3, True), (1e3, 2.0, False)])
def test_claim_6_names_the_condition_number_only_if_it_is_the_cause(
    by_det: float,
    by_condition: float,
    named: bool,  # noqa: FBT001
) -> None:
    verdict = stability.judge(fixed_determinants(lambda _det: {}, by_det, by_condition)).verdict
    assert ("the condition number causes instability" in verdict) is named


@pytest.mark.parametrize(
    ("metrics", "verdict"),
    [
        (lambda det: {"nll": 1 / det, "coverage": det / 200, "sample_entropy": det}, "holds"),
        (lambda _det: {}, "fails"),
        (lambda det: {"nll": 1 / det}, "holds only on magic; 2 of 6"),
        (
            lambda det: {"sample_entropy": det},
            "fails: the highest determinant has the lowest loss on no data set; 2 of 6",
        ),
        (
            lambda det: {"sample_entropy": det, "nll": det},
            "fails: the highest determinant has the lowest loss on no data set; 2 of 6",
        ),
    ],
)
def test_claim_7_judges_loss_coverage_and_entropy(metrics: Callable[[float], dict[str, float]], verdict: str) -> None:
    assert richness.judge(fixed_determinants(metrics)).verdict.startswith(verdict)


def test_exceptions_list_the_smaller_side() -> None:
    a, b, c = Comparison("a", holds=True), Comparison("b", holds=False), Comparison("c", holds=False)
    assert count([a, b, c]) == "1 of 3"
    assert exceptions([a, a, b]) == "Exceptions: b."
    assert exceptions([a, b, c]) == "It holds only for: a."
    assert exceptions([a]) == "There is no exception."
    assert exceptions([b]) == "It holds in no case."
