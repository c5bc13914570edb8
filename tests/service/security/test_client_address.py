"""The address of a client is that of its connection, unless a trusted proxy names another; no client can choose it."""

from ipaddress import ip_network

import pytest

from diffeo.service.security.client_address import ClientAddresses

PROXIES = ClientAddresses([ip_network("10.0.0.0/8"), ip_network("::1")])
CLIENT = "198.51.100.7"


def address(peer: str, **headers: str | list[str]) -> str:
    pairs = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return PROXIES.of({"client": (peer, 1), "headers": pairs})


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (CLIENT, CLIENT),
        (f"1.2.3.4, {CLIENT}", CLIENT),  # the client sent the left part itself
        (f"1.2.3.4, {CLIENT}, 10.1.1.1", CLIENT),  # two proxies
        (f"10.9.9.9, {CLIENT}", CLIENT),
        (f"{CLIENT}:1234", CLIENT),
        ("[2001:db8::1]:99", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        (f"::ffff:{CLIENT}", CLIENT),
        ("unknown", "10.0.0.1"),
        (f"{CLIENT}, evil", "10.0.0.1"),
        ("", "10.0.0.1"),
        (",,,", "10.0.0.1"),
        ("10.2.2.2, 10.3.3.3", "10.2.2.2"),
        ("1.2.3.4," * 5000 + CLIENT, CLIENT),
    ],
)
def test_behind_a_trusted_proxy_the_last_address_that_is_no_proxy_counts(forwarded: str, expected: str) -> None:
    assert address("10.0.0.1", x_forwarded_for=forwarded) == expected
    assert address("::1", x_forwarded_for=forwarded) == expected.replace("10.0.0.1", "::1")
    # From anyone else the header means nothing.
    assert address("192.0.2.1", x_forwarded_for=forwarded) == "192.0.2.1"


def test_several_headers_are_one_list() -> None:
    assert address("10.0.0.1", x_forwarded_for=["1.2.3.4", CLIENT]) == CLIENT


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (f"for={CLIENT}", CLIENT),
        (f"for=1.2.3.4, For={CLIENT};proto=https;by=10.0.0.1", CLIENT),
        ('proto=https;for="[2001:db8::1]:99"', "2001:db8::1"),
        ("for=_hidden", "10.0.0.1"),
        ("by=1.2.3.4", "10.0.0.1"),
        (f"for={CLIENT}, for=10.1.1.1", CLIENT),
    ],
)
def test_the_standard_header_counts_where_the_other_is_missing(forwarded: str, expected: str) -> None:
    assert address("10.0.0.1", forwarded=forwarded) == expected
    # A client can send this one past a proxy that writes only X-Forwarded-For.
    assert address("10.0.0.1", forwarded="for=1.2.3.4", x_forwarded_for=CLIENT) == CLIENT


def test_a_connection_without_an_address_has_none() -> None:
    assert PROXIES.of({"client": None, "headers": [(b"x-forwarded-for", b"1.2.3.4")]}) == ""
    assert PROXIES.of({"client": ("a-socket", 0), "headers": [(b"x-forwarded-for", b"1.2.3.4")]}) == "a-socket"
