"""A web page reaches the service neither under a name of its own nor with a request that its browser sends unasked."""

import pytest

from diffeo.service.errors import CrossSite, HostNotAllowed, UnsupportedFormat
from diffeo.service.security import cross_site
from diffeo.service.security.allowed_hosts import AllowedHosts

ADDRESSES = "127.0.0.1 127.0.0.1:8000 [::1] [::1]:8000 192.0.2.7:1 0.0.0.0:8000 [2001:db8::1]:80".split()
LOCAL_NAMES = "localhost LocalHost:8000 localhost. a.localhost:1 x diffeo:8000 service.test a.internal:80".split()
FOREIGN_NAMES = """
    evil.example evil.example:8000 evil.example. localhost.evil.example 127.0.0.1.evil.example 127.0.0.1.nip.io
    evil.com:8000 a.local xn--80ak6aa92e.com
""".split()
NO_NAMES = """
    :8000 x/livez? localhost@evil.example evil.example#localhost localhost:8000:1 .. [::1 ::1] [evil.example] x?
    localhost,evil.example localhost:99999999 0x7f000001.example \u00e9
""".split()


def is_allowed(hosts: AllowedHosts, host: str) -> bool:
    try:
        # Twice, because the second time the value is remembered.
        hosts.check(host.encode("latin-1"))
        hosts.check(host.encode("latin-1"))
    except HostNotAllowed as error:
        assert len(str(error)) < 300
        return False
    return True


def test_local_names_and_addresses_are_allowed_and_no_other_name() -> None:
    hosts = AllowedHosts(["local"])
    assert [host for host in ADDRESSES + LOCAL_NAMES if not is_allowed(hosts, host)] == []
    assert [host for host in [*FOREIGN_NAMES, *NO_NAMES, "", "x y"] if is_allowed(hosts, host)] == []


def test_a_list_allows_its_names_and_every_address() -> None:
    hosts = AllowedHosts(["flows.example", "*.Lan"])
    for host in ("flows.example", "FLOWS.example:443", "a.lan", "b.a.lan:80", *ADDRESSES):
        assert is_allowed(hosts, host), host
    for host in (
        "lan",
        "a.flows.example",
        "evilflows.example",
        "flows.example.evil.com",
        "localhost",
        "alan",
        *NO_NAMES,
    ):
        assert not is_allowed(hosts, host), host


def test_a_star_allows_everything() -> None:
    assert all(is_allowed(AllowedHosts(["*"]), host) for host in FOREIGN_NAMES + NO_NAMES)


def test_many_names_do_not_fill_the_memory() -> None:
    hosts = AllowedHosts(["*.lan"])
    for number in range(2000):
        assert is_allowed(hosts, f"h{number}.lan")
    assert not is_allowed(hosts, "h.evil")


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "TEXT/PLAIN;charset=utf-8", " text/plain ; x", "application/x-www-form-urlencoded",
     "multipart/form-data; boundary=x", "text/plain;application/json"],
)  # fmt: skip
@pytest.mark.parametrize("others", [{}, {b"sec-fetch-site": b"same-origin"}])
def test_a_media_type_of_html_forms_is_not_accepted(media_type: str, others: dict[bytes, bytes]) -> None:
    with pytest.raises(UnsupportedFormat, match="is not accepted"):
        cross_site.check({b"content-type": media_type.encode(), **others})


@pytest.mark.parametrize(
    "headers",
    [
        {b"sec-fetch-site": b"cross-site"},
        {b"sec-fetch-site": b"same-site"},
        {b"sec-fetch-site": b"anything", b"origin": b"http://localhost:8000", b"host": b"localhost:8000"},
        {b"sec-fetch-site": b"cross-site", b"content-type": b""},
        {b"origin": b"http://evil.example", b"host": b"localhost:8000"},
        {b"origin": b"http://localhost:9999", b"host": b"localhost:8000"},
        {b"origin": b"null", b"host": b"localhost:8000"},
        {b"origin": b"", b"host": b"localhost:8000"},
        {b"origin": b"http://[", b"host": b"localhost:8000"},
        {b"origin": b"http://evil.example"},
    ],
)
def test_a_request_of_another_site_needs_a_media_type(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(CrossSite):
        cross_site.check(headers)
    # The browser has asked the service before it sends this one, and the service did not agree.
    cross_site.check({**headers, b"content-type": b"application/json"})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"host": b"localhost:8000"},
        {b"sec-fetch-site": b"same-origin"},
        {b"sec-fetch-site": b"none"},
        {b"origin": b"http://localhost:8000", b"host": b"LOCALHOST:8000"},
        {b"origin": b"https://flows.example", b"host": b"flows.example"},
    ],
)
def test_a_request_without_a_body_needs_no_media_type_from_elsewhere(headers: dict[bytes, bytes]) -> None:
    cross_site.check(headers)
