"""A real server: keys that come and go without a restart, quotas, pages of other sites, redirects and headers."""

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from diffeo import Client
from diffeo.bundle import npy
from diffeo.errors import Problem
from diffeo.service.security.api_keys import KeyScope, new_key
from tests.given.flows import affine
from tests.given.servers.metrics_scrape import Scrape
from tests.given.servers.seeded_load import wait_until
from tests.given.servers.server_process import Server

ROWS = npy.write(np.zeros((50, 2), np.float32))
NPY = {"content-type": "application/x-npy"}
ALICE, BOB, LIMITED = (
    new_key("alice", KeyScope.READ),
    new_key("bob", KeyScope.ADMIN),
    new_key("slow", KeyScope.READ, 2),
)


class Keyed:
    """A server whose keys are in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.write(ALICE[1].line, BOB[1].line, LIMITED[1].line)
        self.server = Server(affine.DATA, "--api-keys-file", str(file), "--trusted-proxies", "127.0.0.0/8")

    def write(self, *lines: str) -> None:
        """Write the file as an editor does, in place."""
        self.file.write_text("".join(f"{line}\n" for line in lines))

    def get(self, path: str, key: str) -> httpx.Response:
        return httpx.get(self.server.url + path, headers={"x-api-key": key})

    def score(self, key: str) -> httpx.Response:
        return httpx.post(self.server.url + "/log_prob?format=npy", content=ROWS, headers={**NPY, "x-api-key": key})


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Keyed]:
    running = Keyed(tmp_path / "keys")
    yield running
    if running.server.process.poll() is None:
        running.server.stop()


def test_keys_come_and_go_without_a_restart_and_logs_and_metrics_have_their_names(keyed: Keyed) -> None:
    url = keyed.server.url
    assert keyed.score(ALICE[0]).status_code == 200
    assert keyed.get("/metrics", ALICE[0]).status_code == 403
    assert httpx.get(url + "/models").status_code == 401
    assert httpx.get(url + "/livez").status_code == 200
    with Client(url, api_key=ALICE[0]) as client:
        assert len(client.model("affine2d").sample(5)) == 5
    with Client(url, retries=0) as client, pytest.raises(Problem, match="API key") as raised:
        client.models()
    assert raised.value.status == 401

    # A rejected request costs no quota.
    many = {"model": "affine2d", "num_samples": 5_000_000}
    rejected = httpx.post(url + "/sample", json=many, headers={"x-api-key": LIMITED[0]})
    assert rejected.status_code == 413
    # The first request takes the rows of 25 seconds, so the second is too early on the slowest machine too.
    first, second = keyed.score(LIMITED[0]), keyed.score(LIMITED[0])
    assert (first.status_code, second.status_code) == (200, 429)
    assert second.json()["type"] == "urn:diffeo:problem:quota-exceeded"
    assert 1 <= int(second.headers["retry-after"]) <= 25
    for response in (first, second):
        assert response.headers["ratelimit-policy"] == '"rows";q=2;qu="rows";w=1'
        assert re.fullmatch(r'"rows";r=0;t=\d+', response.headers["ratelimit"])
    assert "ratelimit" not in keyed.score(ALICE[0]).headers

    carol = new_key("carol", KeyScope.READ)
    assert keyed.score(carol[0]).status_code == 401
    keyed.write(carol[1].line, BOB[1].line)
    wait_until(lambda: keyed.score(carol[0]).status_code == 200)
    assert keyed.score(ALICE[0]).status_code == 401
    keyed.write("not a line")
    time.sleep(1.5)
    assert keyed.score(carol[0]).status_code == 200

    scrape = Scrape(keyed.get("/metrics", BOB[0]).text)
    assert scrape.of("diffeo_client_rows_total", client="alice") == 50 * 2 + 5
    assert scrape.of("diffeo_client_requests_total", client="carol") >= 2
    assert scrape.of("diffeo_requests_rejected_total", problem="unauthorized") >= 3
    assert scrape.of("diffeo_requests_rejected_total", problem="forbidden") == 1
    assert scrape.of("diffeo_requests_rejected_total", problem="quota-exceeded") >= 1
    httpx.get(url + "/models", headers={"x-forwarded-for": "198.51.100.7"})
    _, lines = keyed.server.stop()
    text = json.dumps(lines)
    for secret, key in (ALICE, BOB, LIMITED, carol):
        assert secret not in text
        assert key.digest.hex() not in text
    requests = [line for line in lines if line["logger"] == "diffeo.access"]
    assert {line["client"] for line in requests} >= {"alice", "slow", "carol", "127.0.0.1", "198.51.100.7"}
    assert requests[-1]["problem"] == "unauthorized"
    assert requests[-1]["client"] == "198.51.100.7"
    assert [line["added"] for line in lines if "added" in line] == [["carol"]]


def raw(url: str, head: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Send a request byte for byte, and return its response."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"connection: close\r\n\r\n" + body)
        received = b""
        while part := connection.recv(65536):
            received += part
    first, _, content = received.partition(b"\r\n\r\n")
    status, *fields = first.decode("latin-1").split("\r\n")
    return (
        int(status.split()[1]),
        {name.lower(): value for name, _, value in (f.partition(": ") for f in fields)},
        content,
    )


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/models/", "/models"),
        ("/models/?a=//b", "/models?a=//b"),
        ("/docs/", "/docs"),
        ("/log_prob/", "/log_prob"),
        ("http://evil.example/models/", "/models"),
        ("/models/affine2d/", "/models/affine2d"),
        ("/models/%5cevil.example/", "/models/%5Cevil.example"),
        ("/static-offline-docs", "/static-offline-docs/"),
    ],
)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "x"])
def test_a_redirect_names_no_host(url: str, target: str, location: str, host: str) -> None:
    method = "POST" if "log_prob" in target else "GET"
    status, headers, _ = raw(url, f"{method} {target} HTTP/1.1\nhost: {host}\nx-forwarded-host: evil.example\n")
    assert (status, headers["location"]) == (307, location)


@pytest.mark.parametrize(
    "target", ["//evil.example/models/", "///evil.example/", "/%2f/evil.example/", "/\\evil.example/"]
)
def test_no_path_redirects_to_another_host(url: str, target: str) -> None:
    status, headers, _ = raw(url, f"GET {target} HTTP/1.1\nhost: localhost\n")
    location = headers.get("location", "/")
    assert (status, location) == (404, "/") or (location.startswith("/") and not location.startswith(("//", "/\\")))


@pytest.mark.parametrize("path", ["/livez", "/models", "/v2", "/docs", "/nope", "/sample", "/metrics", "/v2/nope"])
def test_every_response_forbids_a_browser_to_guess_its_media_type(url: str, path: str) -> None:
    _, headers, _ = raw(url, f"GET {path} HTTP/1.1\nhost: localhost\norigin: http://evil.example\n")
    assert headers["x-content-type-options"] == "nosniff"
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize("path", ["/docs", "/docs/oauth2-redirect"])
def test_a_page_runs_only_its_own_scripts_and_appears_in_no_frame(url: str, path: str) -> None:
    status, headers, content = raw(url, f"GET {path} HTTP/1.1\nhost: localhost\n")
    policy = headers["content-security-policy"]
    assert status == 200
    assert "frame-ancestors 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert policy.count("'sha256-") == len(re.findall(rb"<script>", content)) == 1
    # Everything that the page loads comes from this service.
    for source in re.findall(rb'(?:src|href)="([^"]+)"', content):
        assert source.startswith(b"/static-offline-docs/")
        assert raw(url, f"GET {source.decode()} HTTP/1.1\nhost: localhost\n")[0] == 200


FOREIGN = "host: localhost:8000\norigin: http://evil.example\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /v2/models/affine2d/infer HTTP/1.1\n" + FOREIGN + "content-type: text/plain\n", 415),
        ("POST /v2/models/affine2d/infer HTTP/1.1\n" + FOREIGN, 403),
        ("POST /sample?num_samples=1 HTTP/1.1\n" + FOREIGN, 403),
        ("POST /sample?num_samples=1&format=csv HTTP/1.1\n" + FOREIGN + "content-type: multipart/form-data\n", 415),
        ("POST /sample?num_samples=1 HTTP/1.1\n" + FOREIGN + "content-type: application/x-www-form-urlencoded\n", 415),
        ("POST /sample?num_samples=1 HTTP/1.1\nhost: localhost\nsec-fetch-site: cross-site\n", 403),
        ("POST /sample?num_samples=1 HTTP/1.1\nhost: localhost:8000\n", 200),
        ("POST /sample?num_samples=1 HTTP/1.1\nhost: localhost:8000\norigin: http://localhost:8000\n", 200),
        ("POST /sample?num_samples=1 HTTP/1.0\n", 200),
        ("POST /v2/repository/index HTTP/1.1\nhost: localhost\n", 200),
        ("OPTIONS /log_prob HTTP/1.1\n" + FOREIGN + "access-control-request-method: POST\n", 405),
        ("POST /sample?num_samples=1 HTTP/1.1\nhost: evil.example\n", 421),
        ("GET /models HTTP/1.1\nhost: evil.example:8000\n", 421),
        ("GET /livez HTTP/1.1\nhost: localhost.evil.example\n", 421),
        ("GET http://localhost/models HTTP/1.1\nhost: evil.example\n", 421),
        ("GET /models HTTP/1.1\nhost: diffeo:8000\n", 200),
        ("GET /models HTTP/1.0\n", 200),
    ],
)
def test_a_request_that_a_page_of_another_site_can_make_a_browser_send_is_refused(
    url: str, head: str, status: int
) -> None:
    body = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}).encode()
    content = body if "infer" in head else b""
    answer = raw(url, head + f"content-length: {len(content)}\n", content)
    assert answer[0] == status, answer
    assert answer[1]["content-type"].startswith("application/") or status == 200


def test_v2_clients_that_name_no_media_type_are_answered(url: str) -> None:
    body = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}).encode()
    head = f"POST /v2/models/affine2d/infer HTTP/1.1\nhost: 127.0.0.1\ncontent-length: {len(body)}\n"
    assert raw(url, head, body)[0] == 200
