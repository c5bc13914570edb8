"""A perfect model matches in every check, each mismatch is found and named, and every sentence and option is true."""

import shlex
import time
from dataclasses import replace

import numpy as np
import pytest

from diffeo.bundle.schema.quality import LEVEL, BaselineScore, Finding, Quality
from diffeo.training.quality.baselines.baselines import BaselineLogProb, Baselines
from diffeo.training.quality.findings import losses
from diffeo.training.quality.measure import measure
from diffeo.training.quality.verdict import verdict
from tests.given.quality.known_models import COLUMNS, MISMATCHES, KnownModel, Mismatch, cube, normal

SEED = 11


def quality_of(model: KnownModel, **options: object) -> Quality:
    return measure(model.train, model.held_out, model.samples, model.log_prob, model.z, COLUMNS, **options)  # type: ignore[arg-type]


def finding(quality: Quality, kind: str) -> Finding:
    (found,) = [each for each in quality.findings if each.kind == kind]
    return found


@pytest.fixture(scope="module")
def perfect() -> Quality:
    model = normal(SEED)
    baselines = Baselines.fit(model.train, model.held_out).log_prob(model.held_out)
    return quality_of(model, baselines=baselines)


def test_a_perfect_model_matches_in_every_check(perfect: Quality) -> None:
    assert [each.sentence for each in perfect.findings if not each.matched] == []
    assert len(perfect.findings) == 9
    assert len(verdict(perfect)) == 9


@pytest.mark.parametrize("mismatch", MISMATCHES.values(), ids=MISMATCHES.keys())
def test_a_mismatch_is_found_and_named(mismatch: Mismatch) -> None:
    found = finding(quality_of(mismatch.spoil(mismatch.law(SEED))), mismatch.kind)
    assert not found.matched
    for word in mismatch.words:
        assert word in found.sentence
    assert found.advice is not None


@pytest.mark.parametrize("mismatch", MISMATCHES.values(), ids=MISMATCHES.keys())
def test_the_same_check_passes_before_the_model_is_spoiled(mismatch: Mismatch) -> None:
    assert finding(quality_of(mismatch.law(SEED)), mismatch.kind).matched


def test_a_match_says_on_how_many_rows_no_difference_was_found(perfect: Quality) -> None:
    assert "no difference found" in finding(perfect, "columns").sentence
    assert "on 1,000 rows" in finding(perfect, "columns").sentence
    assert "AUC" in finding(perfect, "two_sample").sentence


def test_differences_come_first_in_the_verdict() -> None:
    mismatch = MISMATCHES["a shifted column"]
    quality = quality_of(mismatch.spoil(mismatch.law(SEED)))
    failed = [each for each in quality.findings if not each.matched]
    assert [each.split(":")[0] for each in verdict(quality)[: len(failed)]] == [
        each.sentence.split(":")[0] for each in failed
    ]


def test_the_bounds_that_the_verdict_advises_hold_every_training_row() -> None:
    mismatch = MISMATCHES["mass outside of the range"]
    model = mismatch.spoil(mismatch.law(SEED))
    advice = finding(quality_of(model), "range").advice
    assert advice is not None
    (bounds,) = shlex.split(advice.partition("--bounds ")[2].rstrip("."))
    assert set(bounds.split(",")) == {"height=0:1", "weight=0:1", "age=0:1"}


def test_whole_numbers_with_broken_samples_are_advised_as_integers() -> None:
    rolls = np.random.default_rng(0).integers(1, 7, (4000, 3)).astype(float)
    model = KnownModel(rolls[:1000], rolls[1000:2000], rolls[2000:] + 0.01, np.zeros(1000), normal(0).z)
    advice = finding(quality_of(model), "columns").advice
    assert advice == "The data are whole numbers and the samples are not: --integers height,weight,age."


def test_a_lead_over_a_baseline_is_paired_by_row(perfect: Quality) -> None:
    gaussian, mixture = perfect.baselines
    assert gaussian.lead == pytest.approx(gaussian.nll - perfect.model.nll, abs=1e-5)
    assert gaussian.lead_standard_error < 0.2 * gaussian.standard_error
    assert mixture.nll <= gaussian.nll + 3 * gaussian.standard_error


def test_a_model_that_is_worse_than_a_gaussian_is_told_so() -> None:
    model = normal(SEED)
    baselines = [BaselineLogProb("gaussian", 1, model.log_prob)]
    quality = quality_of(replace(model, log_prob=model.log_prob - 0.5), baselines=baselines)
    found = finding(quality, "baselines")
    assert not found.matched
    assert ": 0.5 ± " in found.sentence
    assert "worse than one Gaussian" in found.sentence
    assert "--budget" in (found.advice or "")


@pytest.mark.parametrize(
    ("lead", "error", "words"),
    [
        (0.5, 0.1, "0.5 ± 0.1 better than one Gaussian"),
        (-0.5, 0.1, "0.5 ± 0.1 worse than one Gaussian"),
        (0.1, 0.1, "no different (0.1 ± 0.1) from one Gaussian"),
        (-3e-8, 2e-8, "equal to one Gaussian"),
    ],
)
def test_the_lead_over_a_baseline_is_said_in_words(perfect: Quality, lead: float, error: float, words: str) -> None:
    score = BaselineScore(
        name="gaussian", components=1, nll=2.0, standard_error=0.1, lead=lead, lead_standard_error=error
    )
    assert words in losses.baselines(perfect.model_copy(update={"baselines": (score,)})).sentence


def test_held_out_rows_without_a_density_are_counted() -> None:
    model = normal(SEED)
    log_prob = model.log_prob.copy()
    log_prob[:3] = -np.inf
    quality = quality_of(replace(model, log_prob=log_prob))
    assert quality.model.rows_without_density == 3
    assert "3 held-out rows no density" in finding(quality, "baselines").sentence


def test_weights_change_the_law_that_samples_are_compared_with() -> None:
    model = normal(SEED, rows=4000)
    shift = 0.5
    # Weights exp(shift z_0 - shift^2 / 2) move the law of z_0 from N(0, 1) to N(shift, 1).
    weights = np.exp(shift * model.z[:, 0] - shift**2 / 2)
    moved = replace(model, samples=model.samples + shift * np.array([2.0, 3.0, 0.0]))
    assert finding(quality_of(moved, weights=weights), "columns").matched
    assert not finding(quality_of(moved), "columns").matched
    kept = weights.sum() / weights.max()
    assert quality_of(moved, weights=weights).representative_rows == pytest.approx(kept, abs=4 * np.sqrt(kept))


def test_a_quality_is_read_back_from_json(perfect: Quality) -> None:
    assert Quality.model_validate_json(perfect.model_dump_json()) == perfect


def test_the_same_seed_measures_the_same_numbers() -> None:
    assert quality_of(cube(1), seed=5) == quality_of(cube(1), seed=5)


@pytest.mark.parametrize("rows", [2, 3, 15])
def test_few_rows_are_compared_without_a_difference_found(rows: int) -> None:
    quality = quality_of(normal(SEED, rows))
    assert all(each.matched for each in quality.findings)


def test_one_column_is_compared() -> None:
    model = normal(SEED)
    train, held_out, samples = (rows[:, :1] for rows in (model.train, model.held_out, model.samples))
    quality = measure(train, held_out, samples, model.log_prob, model.z[:, :1], ["height"])
    assert quality.pairs == ()
    assert all(each.matched for each in quality.findings)


def test_a_table_of_many_columns_keeps_the_worst_ones() -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((400, 300))
    samples = x[200:] + 0.0
    samples[:, 299] += 5
    quality = measure(x[:100], x[100:200], samples, np.zeros(100), x[100:200], [f"c{index}" for index in range(300)])
    assert len(quality.columns) == 256
    assert quality.dimension == 300
    assert "c299" in {column.name for column in quality.columns if column.p_value < LEVEL}
    assert len(quality.model_dump_json(indent=1)) < 400_000


@pytest.mark.slow
def test_a_million_rows_of_twenty_columns_take_a_few_seconds() -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((1_000_000, 20))
    held_out, samples = generator.standard_normal((100_000, 20)), generator.standard_normal((100_000, 20))
    began = time.process_time()
    quality = measure(x, held_out, samples, held_out[:, 0], held_out, [f"c{index}" for index in range(20)])
    assert time.process_time() - began < 60
    assert quality.compared_rows == 20_000
