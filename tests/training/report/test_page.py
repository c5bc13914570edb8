"""report.html is well-formed, needs no other host, trusts no name, and shows every column and every finding."""

import itertools
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from diffeo.training.report.page.content import LossCurve, ReportContent
from diffeo.training.report.page.render import render, worst_columns, write_page
from tests.given.quality.report_contents import CURVE, HOSTILE_NAMES, normal

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """The elements of a page, its text, and whether every tag is closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()
        self.faults += [f"{tag} is not closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if len({name for name, _ in attrs}) != len(attrs):
            self.faults.append(f"{tag} repeats an attribute")
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """All text outside of tags."""
        return "".join(self.words)

    def values(self, attribute: str) -> list[str]:
        """The values of an attribute of all elements."""
        return [
            value or "" for _, attributes in self.elements for name, value in attributes.items() if name == attribute
        ]


CONTENTS: dict[str, tuple[str, ...]] = {
    "one column": ("a",),
    "two columns": ("x0", "x1"),
    "hostile names": HOSTILE_NAMES,
    "twenty columns": tuple(f"c{index}" for index in range(20)),
}


@pytest.fixture(scope="module", params=list(CONTENTS.values()), ids=list(CONTENTS))
def content(request: pytest.FixtureRequest) -> ReportContent:
    return normal(request.param)


@pytest.fixture(scope="module")
def source(content: ReportContent) -> str:
    return render(content)


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_every_tag_is_closed_in_order(page: Page) -> None:
    assert page.faults == []


def test_no_element_loads_anything_from_another_host(page: Page, source: str) -> None:
    assert page.values("src") == []
    assert all(
        value.startswith(("#", "data:image/png;base64,")) for value in page.values("href") + page.values("xlink:href")
    )
    assert {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "embed", "base", "form"} == set()
    assert "@import" not in source
    assert set(re.findall(r"url\((.)", source)) <= {"#"}
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_a_policy_forbids_what_a_mistake_could_load(page: Page) -> None:
    policies = [attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_the_page_names_every_column(page: Page, content: ReportContent) -> None:
    for name in content.columns:
        assert name in page.text


def test_addresses_occur_only_in_names(source: str, content: ReportContent) -> None:
    named = any("https://" in name for name in content.columns)
    assert ("https://" in source) == named
    assert "http://" not in source


def test_no_two_elements_have_the_same_id(page: Page) -> None:
    assert [name for name, count in Counter(page.values("id")).items() if count > 1] == []


def test_every_reference_inside_the_page_has_its_element(page: Page, source: str) -> None:
    ids = set(page.values("id"))
    references = {value[1:] for value in page.values("href") if value.startswith("#")}
    references |= set(re.findall(r"url\(#([^)]*)\)", source)) | set(page.values("aria-labelledby"))
    assert references <= ids


def test_every_figure_has_an_alternative_text(page: Page) -> None:
    figures = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(figures) == 4
    assert all(figure["role"] == "img" and len(figure["aria-label"] or "") > 40 for figure in figures)


def test_headings_descend_by_one_level(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(following <= level + 1 for level, following in itertools.pairwise(levels))


def test_the_verdict_comes_first_and_holds_every_finding(page: Page, content: ReportContent) -> None:
    text = " ".join(page.text.split())
    assert text.index("Verdict") < text.index("Loss beside simpler models")
    for finding in content.quality.findings:
        assert " ".join(finding.sentence.split()) in text


def test_the_colours_of_the_figures_are_those_of_the_page(source: str) -> None:
    assert "#0a0b0" not in source
    for variable in ("--ink", "--data", "--samples"):
        assert f"var({variable})" in source
    assert "prefers-color-scheme: dark" in source


def test_a_model_without_a_fit_has_no_loss_curve() -> None:
    assert "Loss during the fit" not in render(normal(("a", "b"), curve=None))


HARD_CURVES = {
    "one point": LossCurve("epoch", (1,), (2.0,), (2.0,), 1),
    "infinite losses": LossCurve("step", (1, 2, 3), (np.inf, 2.0, 1.0), (np.inf, 2.0, 1.5), 3, floor=0.5),
}


@pytest.mark.parametrize("curve", HARD_CURVES.values(), ids=HARD_CURVES.keys())
def test_a_hard_loss_curve_is_drawn(curve: LossCurve) -> None:
    assert Page(render(normal(("a", "b"), curve=curve))).faults == []


def test_samples_that_are_not_finite_and_a_constant_column_are_drawn() -> None:
    content = normal(("a", "b"))
    samples, held_out = content.samples.copy(), content.held_out.copy()
    samples[0, 0], held_out[:, 1] = np.inf, 3.0
    scores = content.log_prob_held_out.copy()
    scores[0] = -np.inf
    hard = replace(content, samples=samples, held_out=held_out, log_prob_held_out=scores, curve=CURVE)
    assert Page(render(hard)).faults == []


def test_kinds_and_notes_are_shown_as_text() -> None:
    content = replace(normal(("a", "b")), kinds=("whole number", "<i>"), notes=("3 rows of <t> are left out.",))
    page = Page(render(content))
    assert "whole number" in page.text
    assert "<i>" in page.text
    assert "3 rows of <t> are left out." in page.text


def test_a_wide_table_shows_the_columns_that_differ_most() -> None:
    names = tuple(f"c{index}" for index in range(20))
    content = normal(names)
    worse = tuple(
        column.model_copy(update={"p_value": 0.0 if column.name == "c17" else 1.0})
        for column in content.quality.columns
    )
    assert worst_columns(content.quality.model_copy(update={"columns": worse}), names)[0] == 17


def test_the_same_content_gives_the_same_bytes() -> None:
    content = normal(("a", "b"))
    assert render(content) == render(content)


def test_the_page_is_a_file_of_the_report_folder(tmp_path: Path) -> None:
    path = write_page(normal(("größe", "b")), tmp_path / "1.report")
    assert path == tmp_path / "1.report/report.html"
    assert "größe" in path.read_text(encoding="utf-8")
