"""The metrics in the code and in docs, dashboard and alert rules are the same: a missing name on either side fails."""

import re
from pathlib import Path

import pytest
import yaml

from diffeo.service.observability.prometheus import PrometheusMetrics
from diffeo.service.observability.shared_counters import SharedCounters

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs/operations.md"
DASHBOARD = ROOT / "deploy/grafana/dashboards/diffeo.json"
RULES = ROOT / "deploy/prometheus/rules.yml"
RULES_TEST = ROOT / "deploy/prometheus/rules_test.yml"
NAME = re.compile(r"\bdiffeo_[a-z_]+\b")
TABLE_ROW = re.compile(r"^\| `(diffeo_[a-z_]+)` \| (\w+) \| ([^|]*) \|", re.MULTILINE)
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def exported() -> dict[str, str]:
    """The type of each exported metric, by the name that a table of metrics has."""
    metrics = PrometheusMetrics(SharedCounters(), (), tuple, "onnx")
    return {metric.name + "_total" * (metric.type == "counter"): metric.type for metric in metrics.collect()}


def series(name: str, kind: str) -> set[str]:
    """The names of the time series of one metric."""
    return {name.removesuffix("_total") + suffix for suffix in SUFFIXES[kind]}


def all_series() -> set[str]:
    """The names of all time series that a query can select."""
    return set[str]().union(*(series(name, kind) for name, kind in exported().items()))


def named_in(path: Path) -> set[str]:
    return set(NAME.findall(path.read_text(encoding="utf-8")))


def files_that_may_name_metrics() -> list[Path]:
    folders = (ROOT / "docs", ROOT / "deploy")
    found = [
        path for folder in folders for path in folder.rglob("*") if path.suffix in {".md", ".yml", ".yaml", ".json"}
    ]
    return [ROOT / "README.md", ROOT / "docker-compose.yml", *sorted(found)]


@pytest.mark.parametrize("path", files_that_may_name_metrics(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_metric_that_a_file_names_exists(path: Path) -> None:
    assert named_in(path) <= all_series() | exported().keys()


def test_every_metric_is_in_the_table_of_the_docs_with_its_type() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    assert {name: kind for name, kind, _ in TABLE_ROW.findall(text)} == exported()


def test_every_metric_is_in_the_dashboard() -> None:
    queried = named_in(DASHBOARD)
    assert [name for name, kind in exported().items() if not series(name, kind) & queried] == []


def test_the_tests_of_the_rules_provide_every_series_of_the_rules() -> None:
    assert named_in(RULES) == named_in(RULES_TEST) <= all_series()


def test_every_metric_name_ends_in_its_unit_or_in_total() -> None:
    for name, kind in exported().items():
        assert name.endswith("_total") == (kind == "counter")
        assert "duration" not in name or name.endswith("_seconds")


@pytest.mark.parametrize("path", [RULES, RULES_TEST], ids=lambda path: path.name)
def test_the_alert_rules_are_valid_yaml(path: Path) -> None:
    assert yaml.safe_load(path.read_text(encoding="utf-8"))
