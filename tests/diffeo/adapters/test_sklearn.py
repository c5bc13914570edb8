"""A flow passes the estimator checks of scikit-learn; each check runs with a flow as wide as the rows of the check."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from diffeo.adapters.sklearn import FlowDensity
from diffeo.density import Density
from diffeo.local.model import open_model
from tests.given.flows import affine
from tests.given.flows.standard_normal import StandardNormal

X = affine.inverse(np.random.default_rng(1).normal(size=(400, 2)))
# These checks make rows of another width than the flow in the first test, so they run with flows of that width.
WIDTHS = {
    "check_fit_score_takes_y": 3,
    "check_dont_overwrite_parameters": 3,
    "check_n_features_in_after_fitting": 4,
    "check_positive_only_tag_during_fit": 4,
    "check_estimators_dtypes": 5,
    "check_dtype_object": 10,
    "check_pipeline_consistency": 3,
    "check_estimators_nan_inf": 3,
    "check_estimators_pickle": 3,
    "check_f_contiguous_array_estimator": 3,
    "check_methods_sample_order_invariance": 3,
    "check_methods_subset_invariance": 3,
    "check_fit2d_1sample": 10,
    "check_dict_unchanged": 3,
    "check_fit2d_predict1d": 3,
}
# It needs SCIPY_ARRAY_API in the environment before SciPy is imported. Rows here are NumPy arrays or frames.
SKIPPED = {"check_array_api_input"}


def test_check_estimator_passes_except_for_checks_of_another_width() -> None:
    estimator = FlowDensity(open_model(affine.DATA, "affine2d", None))
    expected = dict.fromkeys(WIDTHS, "its rows have another number of columns than the flow")
    results = check_estimator(estimator, expected_failed_checks=expected, on_skip=None)
    statuses = {result["check_name"]: result["status"] for result in results}
    assert {name for name, status in statuses.items() if status == "xfail"} == set(WIDTHS)
    assert {name for name, status in statuses.items() if status == "skipped"} == SKIPPED
    assert list(statuses.values()).count("passed") == len(statuses) - len(WIDTHS) - len(SKIPPED) >= 25


@pytest.mark.parametrize(("name", "width"), WIDTHS.items())
def test_checks_of_another_width_pass_with_a_flow_of_that_width(name: str, width: int) -> None:
    estimator = FlowDensity(StandardNormal(width))
    checks = [check for _, check in estimator_checks_generator(estimator) if check.func.__name__ == name]
    assert checks
    for check in checks:
        check(estimator)


def test_scores_are_the_densities_of_the_flow(flow: Density) -> None:
    fitted = FlowDensity(flow).fit(X)
    np.testing.assert_array_equal(fitted.score_samples(X), flow.log_prob(X))
    np.testing.assert_allclose(fitted.score_samples(X), affine.log_prob(X), rtol=1e-5)
    assert fitted.score(X) == pytest.approx(affine.log_prob(X).sum(), rel=1e-5)


@pytest.mark.parametrize("contamination", [0.01, 0.25, 0.5])
def test_the_fraction_of_outliers_is_the_contamination(flow: Density, contamination: float) -> None:
    predicted = FlowDensity(flow, contamination=contamination).fit_predict(X)
    assert set(predicted) == {1, -1}
    assert (predicted == -1).mean() == pytest.approx(contamination, abs=0.005)
    assert flow.log_prob(X)[predicted == -1].max() < flow.log_prob(X)[predicted == 1].min()


@pytest.mark.parametrize("contamination", [0, -0.1, 0.6, np.nan])
def test_a_contamination_out_of_range_is_an_error(contamination: float) -> None:
    with pytest.raises(ValueError, match=r"expected more than 0, at most 0\.5"):
        FlowDensity(StandardNormal(2), contamination=contamination).fit(X)


def test_a_row_without_a_density_is_an_outlier(flow: Density) -> None:
    beyond = [[1e300, 0.0]]
    fitted = FlowDensity(flow).fit(X)
    assert np.isnan(fitted.score_samples(beyond))
    assert fitted.predict(beyond) == -1


def test_columns_of_a_frame_are_matched_by_name(flow: Density) -> None:
    swapped = pd.DataFrame(X[:, ::-1], columns=["weight", "height"])
    fitted = FlowDensity(flow).fit(swapped)
    np.testing.assert_array_equal(fitted.score_samples(swapped), flow.log_prob(X))
    drawn = fitted.sample(5, random_state=7)
    np.testing.assert_array_equal(drawn[:, ::-1], FlowDensity(flow).fit(X).sample(5, random_state=7))
    with pytest.raises(ValueError, match="the table has a, b; the model takes height, weight; missing:"):
        FlowDensity(flow).fit(swapped.set_axis(["a", "b"], axis=1))


def test_further_columns_of_a_frame_are_left_out(flow: Density) -> None:
    wide = pd.DataFrame({"weight": X[:, 1], "label": "a", "height": X[:, 0]})
    fitted = FlowDensity(flow).fit(wide)
    np.testing.assert_array_equal(fitted.score_samples(wide), flow.log_prob(X))
    drawn = FlowDensity(flow).fit(X).sample(5, random_state=7)
    np.testing.assert_array_equal(fitted.sample(5, random_state=7), drawn[:, ::-1])


@pytest.mark.parametrize("rows", [np.array([["1", "2"]]), np.array([["1", "2"]], object), np.zeros((1, 2), "m8[s]")])
def test_an_array_that_holds_no_numbers_is_refused(flow: Density, rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="number"):
        FlowDensity(flow).fit(rows)


def test_the_same_random_state_gives_the_same_sample(flow: Density) -> None:
    fitted = FlowDensity(flow).fit(X)
    drawn = flow.draw(5, seed=7, start=0, temperature=1.0, outputs=("x",))["x"]
    assert fitted.sample(5, random_state=7).tobytes() == drawn.tobytes()
    state = np.random.RandomState(1)
    assert fitted.sample(5, random_state=state).tobytes() != fitted.sample(5, random_state=state).tobytes()


def test_it_works_in_pipelines_searches_and_cross_validation(flow: Density) -> None:
    fitted = FlowDensity(flow)
    assert clone(fitted).flow is flow
    pipeline = make_pipeline(FunctionTransformer(lambda rows: rows + 1), clone(fitted)).fit(X)
    np.testing.assert_array_equal(pipeline.score_samples(X), flow.log_prob(X + 1))
    scores = cross_val_score(fitted, X, cv=4)
    assert scores.sum() == pytest.approx(affine.log_prob(X).sum(), rel=1e-5)
    search = GridSearchCV(fitted, {"contamination": [0.1, 0.2]}, cv=2).fit(X)
    assert search.best_estimator_.flow is flow


TRAINED = FlowDensity(steps=2, random_state=3)
# Checks whose rows a fit must refuse or take as they are; the others only read what a fit leaves behind.
CHECKS_OF_A_FIT = {
    "check_fit2d_1feature", "check_fit2d_1sample", "check_estimators_nan_inf", "check_n_features_in_after_fitting",
    "check_dtype_object", "check_estimators_empty_data_messages", "check_fit_idempotent", "check_estimators_pickle",
    "check_outliers_train",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CHECKS_OF_A_FIT))
def test_a_density_that_fits_its_own_flow_passes_the_checks(name: str) -> None:
    checks = [check for _, check in estimator_checks_generator(TRAINED) if check.func.__name__ == name]
    assert checks
    for check in checks:
        check(clone(TRAINED))


def test_without_a_flow_fit_trains_one_and_leaves_its_parameters_alone() -> None:
    frame = pd.DataFrame(X, columns=["a", "b"])
    fitted = FlowDensity(steps=5, contamination=0.1).fit(frame)
    assert fitted.flow is None
    assert fitted.flow_.columns == ("a", "b")
    assert fitted.score_samples(frame).mean() == pytest.approx(affine.log_prob(X).mean(), abs=0.2)
    assert (fitted.predict(frame) == -1).mean() == pytest.approx(0.1, abs=0.01)
