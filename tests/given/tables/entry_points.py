"""The entry points of diffeo that take a table. Each takes one form of a table and returns its log densities."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import ipc

from diffeo import Client
from diffeo.adapters.sklearn import FlowDensity
from diffeo.cli import main
from diffeo.client.client import RemoteModel
from diffeo.local.model import LocalModel
from tests.given import job_files
from tests.given.clients.app_transport import AppTransport
from tests.given.flows import affine
from tests.given.servers.asgi_app import App
from tests.given.tables.cases import Values

Answer = npt.NDArray[np.floating]
Columns = Sequence[tuple[str, Values]]


class TableRefused(Exception):
    """The entry point refused the table with this sentence."""


@dataclass(frozen=True, slots=True)
class Fixtures:
    """The fixtures that the entry points of one test need: an app, a folder for files, and the captured output."""

    app: App
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def http(self, content: bytes, media_type: str) -> Answer:
        path = "/log_prob?model=affine2d&format=json"
        if media_type == "application/json":
            path = "/log_prob"
        response = self.app.post(path, content=content, headers={"content-type": media_type})
        if response.status_code != 200:
            raise TableRefused(response.json()["detail"])
        return np.array(response.json()["log_prob"], dtype=np.float64)

    def client(self, table: object) -> Answer:
        with Client("http://service.test", transport=AppTransport(self.app)) as client:
            return ask(client.model("affine2d"), table)

    def shell(self, name: str, content: bytes) -> Answer:
        (self.folder / name).write_bytes(content)
        command = ["log-prob", str(self.folder / name), "--model", "affine2d", "--models", str(affine.DATA)]
        code = main.main(command)
        printed = self.capsys.readouterr()
        if code:
            raise TableRefused(printed.err)
        lines = printed.out.splitlines()[1:]
        return np.array([np.nan if line == '""' else float(line) for line in lines])

    def job(self, name: str, content: bytes) -> Answer:
        (self.folder / name).write_bytes(content)
        out = self.folder / "out"
        job_files.run_into(out, job_files.log_prob_job(self.folder / name))
        if not job_files.manifest(out)["files"]:
            return np.empty(0)
        return np.asarray(job_files.load(out)["log_prob"].to_numpy())

    def job_over_table(self, name: str, columns: Columns) -> Answer:
        return self.job(name, job_files.save(self.folder / name, arrow(columns)).read_bytes())


def ask(model: RemoteModel | LocalModel, table: object) -> Answer:
    return model.log_prob(table)  # type: ignore[arg-type]  # a table of any other type is refused


def local(table: object) -> Answer:
    return ask(job_files.LOCAL_MODEL, table)


def sklearn(table: object) -> Answer:
    estimator = FlowDensity(job_files.LOCAL_MODEL)
    return estimator.fit(table).score_samples(table)  # type: ignore[arg-type]  # as above


def arrow(columns: Columns) -> pa.Table:
    return pa.Table.from_arrays([pa.array(values) for _, values in columns], names=[name for name, _ in columns])


def arrow_stream(columns: Columns) -> bytes:
    stream, table = io.BytesIO(), arrow(columns)
    with ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


def pandas(columns: Columns) -> pd.DataFrame:
    frame = pd.DataFrame({str(position): values for position, (_, values) in enumerate(columns)})
    return frame.set_axis([name for name, _ in columns], axis=1)


def polars(columns: Columns) -> pl.DataFrame:
    return pl.DataFrame([pl.Series(name, values) for name, values in columns])


def npy(array: object) -> bytes:
    stream = io.BytesIO()
    # A missing value of a list is None, which an array of numbers writes as NaN.
    np.save(stream, np.array(array, dtype=np.float64) if isinstance(array, list) else np.asarray(array))
    return stream.getvalue()


def values(array: object) -> list[object]:
    found: list[object] = array if isinstance(array, list) else np.ma.asanyarray(array).tolist()
    return found


def json_body(array: object) -> bytes:
    return json.dumps({"model": "affine2d", "x": values(array)}, allow_nan=False).encode()


def ndjson_body(array: object) -> bytes:
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in values(array)).encode()


CSV: Final[Mapping[str, Callable[[Fixtures, bytes], Answer]]] = {
    "HTTP csv": lambda fixtures, text: fixtures.http(text, "text/csv"),
    "shell csv": lambda fixtures, text: fixtures.shell("rows.csv", text),
    "job csv": lambda fixtures, text: fixtures.job("rows.csv", text),
}

COLUMNS: Final[Mapping[str, Callable[[Fixtures, Columns], Answer]]] = {
    "HTTP Arrow": lambda fixtures, columns: fixtures.http(arrow_stream(columns), "application/vnd.apache.arrow.stream"),
    "client pandas": lambda fixtures, columns: fixtures.client(pandas(columns)),
    "client polars": lambda fixtures, columns: fixtures.client(polars(columns)),
    "local pandas": lambda _, columns: local(pandas(columns)),
    "local polars": lambda _, columns: local(polars(columns)),
    "job Parquet": lambda fixtures, columns: fixtures.job_over_table("rows.parquet", columns),
    "job Arrow": lambda fixtures, columns: fixtures.job_over_table("rows.arrow", columns),
    "scikit-learn pandas": lambda _, columns: sklearn(pandas(columns)),
}

ARRAYS: Final[Mapping[str, Callable[[Fixtures, object], Answer]]] = {
    "HTTP JSON": lambda fixtures, array: fixtures.http(json_body(array), "application/json"),
    "HTTP ndjson": lambda fixtures, array: fixtures.http(ndjson_body(array), "application/x-ndjson"),
    "client array": lambda fixtures, array: fixtures.client(array),
    "local array": lambda _, array: local(array),
    "shell npy": lambda fixtures, array: fixtures.shell("rows.npy", npy(array)),
    "job npy": lambda fixtures, array: fixtures.job("rows.npy", npy(array)),
    "scikit-learn array": lambda _, array: sklearn(array),
}
