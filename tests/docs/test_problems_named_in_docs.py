"""docs/problems.md lists every problem type that the service can answer, with its status and title, and no other."""

import re
from pathlib import Path
from typing import Final

from diffeo.service.routes.problems import CLIENT_DISCONNECTED, INTERNAL, PROBLEM_TYPES, STATUS_CLIENT_DISCONNECTED

PAGE: Final = (Path(__file__).parents[2] / "docs/problems.md").read_text(encoding="utf-8")
ROW: Final = re.compile(r"^\| `([a-z-]+)` \| (\d+) \| ([^|]+) \|", re.MULTILINE)


def test_the_page_lists_every_problem_type_and_no_other() -> None:
    listed = [(name, int(status), title) for name, status, title in ROW.findall(PAGE)]
    known = [(problem.type, int(problem.status), problem.title) for problem in (*PROBLEM_TYPES.values(), INTERNAL)]
    assert sorted(listed) == sorted(known)


def test_the_page_names_the_problem_that_only_logs_and_metrics_show() -> None:
    assert f"`{CLIENT_DISCONNECTED}` with status {STATUS_CLIENT_DISCONNECTED}" in PAGE
