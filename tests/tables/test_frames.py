"""A frame is matched by the names of its columns and answered by a frame of the same kind."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import polars as pl
import pytest

from diffeo import Client
from diffeo.client.client import RemoteModel
from diffeo.errors import WrongTable
from diffeo.local.model import LocalModel, open_model
from diffeo.tables import frames
from tests.given.clients.sync_facade import CLIENTS, SyncModel
from tests.given.flows import affine

Frame = type[pd.DataFrame] | type[pl.DataFrame]
Model = RemoteModel | LocalModel | SyncModel
DATA = {"weight": [-2, 2, None], "name": ["a", "b", "c"], "height": [1.0, 3.0, 0.0]}
X = np.array([[1, -2], [3, 2], [0, np.nan]])
every_kind = pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])


@pytest.fixture(scope="module", params=[*CLIENTS, "local"])
def model(url: str, request: pytest.FixtureRequest) -> Iterator[Model]:
    if request.param == "local":
        yield open_model(affine.DATA, "affine2d", None)
        return
    with CLIENTS[request.param](url) as client:
        yield client.model("affine2d")


@every_kind
def test_columns_are_matched_by_name_and_others_left_out(model: Model, kind: Frame) -> None:
    table = kind(DATA)
    np.testing.assert_allclose(model.log_prob(table), affine.log_prob(X), rtol=1e-6)
    z, ladj = model.transform(table, "forward")
    np.testing.assert_allclose(z, affine.forward(X) * [[1], [1], [np.nan]], rtol=1e-6)
    np.testing.assert_allclose(ladj[:2], [affine.LADJ] * 2, rtol=1e-6)


@every_kind
def test_forward_and_inverse_answer_with_a_frame_of_the_same_kind(model: Model, kind: Frame) -> None:
    z = model.forward(kind(DATA)[:2])
    assert isinstance(z, kind)
    assert list(z.columns) == ["z0", "z1"]
    x = model.inverse(z)
    assert isinstance(x, kind)
    assert list(x.columns) == ["height", "weight"]
    np.testing.assert_allclose(x.to_numpy(), X[:2], rtol=1e-6)


def test_an_index_is_kept(model: Model) -> None:
    table = pd.DataFrame(DATA, index=["p", "q", "r"])
    assert list(model.forward(table).index) == ["p", "q", "r"]


@every_kind
def test_sample_frame_gives_the_sample_in_a_frame_of_the_given_class(model: Model, kind: Frame) -> None:
    drawn = model.sample_frame(kind, 5, seed=7)
    assert isinstance(drawn, kind)
    assert list(drawn.columns) == ["height", "weight"]
    np.testing.assert_array_equal(drawn.to_numpy(), model.sample(5, seed=7))


@every_kind
def test_a_frame_that_does_not_fit_the_model_is_refused(model: Model, kind: Frame) -> None:
    with pytest.raises(WrongTable, match="the table has height; the model takes height, weight; missing: weight"):
        model.log_prob(kind({"height": [1.0]}))
    with pytest.raises(WrongTable, match=r"the column 'weight' holds .*; expected numbers"):
        model.forward(kind({"height": [1.0], "weight": ["2.0"]}))
    with pytest.raises(WrongTable, match="missing: z0, z1"):
        model.inverse(kind(DATA))


def test_a_name_that_occurs_twice_is_refused() -> None:
    twice = pd.DataFrame([[1.0, 2.0]], columns=["a", "a"])
    with pytest.raises(WrongTable, match="the table names the column a twice"):
        frames.rows(twice, ["a"])


@pytest.mark.parametrize("kind", [dict, np.ndarray, type("DataFrame", (pd.DataFrame,), {})])
def test_a_class_that_is_not_a_frame_of_pandas_or_polars_is_refused(url: str, kind: type) -> None:
    with Client(url) as client, pytest.raises(WrongTable, match=r"name pandas\.DataFrame or polars\.DataFrame"):
        client.model("affine2d").sample_frame(kind, 1)


@pytest.mark.parametrize("dtype", ["Int64", "Float32", "object", "float64[pyarrow]", "int32"])
def test_every_type_of_number_in_pandas_is_read(dtype: str) -> None:
    column = pd.Series([0, 1], dtype=dtype)
    np.testing.assert_array_equal(frames.rows(pd.DataFrame({"a": column}), ["a"]), [[0.0], [1.0]])


def test_a_missing_value_is_nan() -> None:
    missing = [pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), pl.DataFrame({"a": [1, None]})]
    for table in missing:
        np.testing.assert_array_equal(frames.rows(table, ["a"]), [[1.0], [np.nan]])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([True, False]),
        pd.Series([True, None], dtype="boolean"),
        pd.Series([1 + 2j, 0]),
        pd.Series(["1", "2"]),
        pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"])),
        pd.Series(pd.to_timedelta([1, 2])),
        pd.Series([1, 2], dtype="category"),
        pd.Series([b"1", b"2"]),
        pd.Series([1, True], dtype=object),
        pl.Series([True, False]),
        pl.Series(["1", "2"]),
        pl.Series([None, None]),
    ],
    ids=lambda column: f"{type(column).__module__.partition('.')[0]} {column.dtype}",
)
def test_a_column_of_another_type_is_refused_by_name(column: "pd.Series[float] | pl.Series") -> None:
    frame = pd.DataFrame({"a": column}) if isinstance(column, pd.Series) else pl.DataFrame({"a": column})
    with pytest.raises(WrongTable, match=r"column 'a'.*(expected numbers|is no number)"):
        frames.rows(frame, ["a"])


def test_a_frame_with_the_labels_that_pandas_gives_is_read_by_position() -> None:
    np.testing.assert_array_equal(frames.rows(pd.DataFrame([[1, 2]]), ["a", "b"]), [[1, 2]])
    with pytest.raises(WrongTable, match="3 columns without names; the model takes 2: a, b"):
        frames.rows(pd.DataFrame([[1, 2, 3]]), ["a", "b"])
    with pytest.raises(WrongTable, match="the table has 1, 2; the model takes a, b; missing: a, b"):
        frames.rows(pd.DataFrame([[1, 2]], columns=[1, 2]), ["a", "b"])


def test_a_subclass_of_a_frame_is_matched_by_name_too() -> None:
    class Places(pd.DataFrame):
        """A subclass, such as geopandas has."""

    frame = Places({"b": [2.0], "a": [1.0]})
    np.testing.assert_array_equal(frames.rows(frame, ["a", "b"]), [[1, 2]])
    assert list(frames.like(frame, np.ones((1, 1)), ["c"]).columns) == ["c"]
