"""`diffeo key` prints the key once, and the line by which a service knows it."""

import re

import pytest

from diffeo.cli import main
from diffeo.service.security.api_keys import find_key, parse_keys


def test_the_key_goes_to_standard_error_and_its_line_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["key", "alice", "--scope", "admin", "--rows-per-second", "1000"]) == 0
    shown = capsys.readouterr()
    (key,) = parse_keys(shown.out, "output")
    assert (key.name, key.scope, key.rows_per_second) == ("alice", "admin", 1000)
    secret = shown.err.split()[-1]
    assert re.fullmatch(r"diffeo_[A-Za-z0-9_-]{43}", secret)
    assert find_key([key], secret.encode()) == key
    assert secret not in shown.out


def test_a_key_reads_and_has_no_quota_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["key", "bob"]) == 0
    (key,) = parse_keys(capsys.readouterr().out, "output")
    assert (key.scope, key.rows_per_second) == ("read", None)


@pytest.mark.parametrize(
    "arguments", [[""], ["a b"], ["a:b"], ["a", "--scope", "all"], ["a", "--rows-per-second", "0"], ["10.0.0.1"]]
)
def test_a_wrong_name_scope_or_rate_is_an_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main.main(["key", *arguments])
    assert end.value.code == 2
    assert capsys.readouterr().out == ""
