"""A redirect holds a path of this service, whatever path was asked for; a policy names the scripts of its page."""

import base64
import hashlib
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffeo.service.security.pages import content_security_policy, redirect_target

BASE = "http://service.test/"


@pytest.mark.parametrize(
    ("path", "query", "target"),
    [
        ("/models/", b"", b"/models"),
        ("/models/", b"a=1", b"/models?a=1"),
        ("/docs", b"", b"/docs/"),
        ("//evil.example/", b"", b"/evil.example"),
        ("///evil.example//", b"", b"/evil.example"),
        ("/\\evil.example/", b"", b"/%5Cevil.example"),
        ("/a b\r\nx: y/", b"", b"/a%20b%0D%0Ax:%20y"),
        ("/?//evil.example/", b"", b"/%3F//evil.example"),
        ("/", b"", b"/"),
        ("", b"", b"/"),
    ],
)
def test_a_redirect_is_a_path_with_one_slash(path: str, query: bytes, target: bytes) -> None:
    assert redirect_target({"path": path, "query_string": query}) == target


@given(st.text(st.sampled_from("/\\.@:#? \t\r\n%é") | st.characters(codec="ascii"), max_size=20))
def test_no_path_leads_to_another_host(path: str) -> None:
    target = redirect_target({"path": path, "query_string": b""}).decode("ascii")
    assert urlsplit(urljoin(BASE, target)).netloc == "service.test"
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))
    assert target.isprintable()


def test_a_policy_names_the_hash_of_each_script_and_allows_no_other() -> None:
    scripts = [b"let a = 1", b"\n  let b = 2\n"]
    page = b"<html><script>" + b"</script><script src='/x.js'></script><script>".join(scripts) + b"</script></html>"
    policy = content_security_policy(page)
    for script in scripts:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" in policy
    assert policy.count("'sha256-") == 2
    assert content_security_policy(b"<html></html>").count("'sha256-") == 0
