"""Checks a running server against its OpenAPI document with schemathesis: `python -m tests.reliability.description`.

The document describes the paths below /v2 too. Half of the cases invent the names of models, half use the served one.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.reliability.figure import Figure, read_options, write
from tests.given.flows import affine
from tests.given.servers.watched_server import WatchedServer

SCHEMATHESIS: Final = Path(sys.executable).with_name("st")
CHECKS: Final = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
PHASES: Final = "examples,coverage,fuzzing"
SERVED: Final = '[parameters]\n"path.model" = "affine2d"\n"path.version" = 1\n'
CONFIGURATIONS: Final = ("", SERVED)
# For each operation of the document: about 22,000 cases in all, 25 minutes.
MANY: Final = 750
GENERATED: Final = re.compile(r"^ *([\d,]+) generated", re.MULTILINE)
FAILURES: Final = re.compile(r"^- (ST\d+.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Check:
    """A run of schemathesis: the number of its cases, one sentence for each violation, and its whole output."""

    cases: int
    violations: list[str]
    output: str


def main() -> None:
    """Check a server of two workers and write the figures."""
    options = read_options(__doc__)
    server = WatchedServer(affine.DATA)
    try:
        pids = server.pids
        found = list(check(server.url, 10 if options.quick else MANY, options.seed))
        ended = len(set(pids) - set(server.pids))
    finally:
        server.end()
    cases, violations = sum(each.cases for each in found), [each for one in found for each in one.violations]
    if violations:
        sys.stdout.writelines(each.output for each in found)
    figures = [
        Figure.at_least("cases generated from the description", cases, 986 if options.quick else 20_000, n=cases),
        Figure.at_most("violations of the description", len(violations), 0, n=cases),
        Figure.at_most("worker processes that ended", ended, 0, n=cases),
    ]
    write("description", "python -m tests.reliability.description", figures, seed=options.seed, quick=options.quick)


def check(url: str, most_examples: int, seed: int, configurations: Sequence[str] = CONFIGURATIONS) -> Iterator[Check]:
    """Run schemathesis in each configuration, with at most so many fuzzed examples of each operation."""
    for configuration in configurations:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "schemathesis.toml").write_text(configuration, encoding="utf-8")
            options = [f"--phases={PHASES}", f"--checks={CHECKS}", f"--max-examples={most_examples}", f"--seed={seed}"]
            command: list[str | Path] = [
                SCHEMATHESIS,
                "run",
                f"{url}/openapi.json",
                *options,
                "--continue-on-failure",
                "--no-color",
            ]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        generated = GENERATED.search(done.stdout)
        violations = FAILURES.findall(done.stdout)
        if done.returncode and not violations:
            violations = [f"schemathesis ended with {done.returncode}: {done.stderr[-500:]}"]
        yield Check(int(generated[1].replace(",", "")) if generated else 0, violations, done.stdout)


if __name__ == "__main__":
    main()
