"""A key is a line with a name, a scope, a hash and perhaps a quota; the file of the lines may change at any time."""

import ast
import asyncio
import hashlib
import inspect
import os
from pathlib import Path

import pytest

from diffeo.service.errors import SettingsInvalid
from diffeo.service.process.server import serve
from diffeo.service.security import api_keys, key_store
from diffeo.service.security.api_keys import ApiKey, KeyScope, find_key, new_key, parse_keys
from diffeo.service.security.key_store import KeyStore
from diffeo.service.settings import Settings, read_settings

HASH = hashlib.sha256(b"secret").hexdigest()
LINE = f"alice:read:{HASH}"


def test_a_line_has_name_scope_hash_and_perhaps_a_quota() -> None:
    text = f"# keys of the team\n\n{LINE}\n  bob_2-x:admin:{HASH}:1000  \n"
    alice, bob = parse_keys(text, "keys")
    assert alice == ApiKey("alice", KeyScope.READ, bytes.fromhex(HASH), None)
    assert bob == ApiKey("bob_2-x", KeyScope.ADMIN, bytes.fromhex(HASH), 1000)
    assert parse_keys(f"{alice.line}\n{bob.line}", "keys") == (alice, bob)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("alice", "expected name:scope"),
        ("alice:read", "expected name:scope"),
        (f"{LINE}:1:2", "expected name:scope"),
        (f":read:{HASH}", "the name must be"),
        (f"10.0.0.1:read:{HASH}", "the name must be"),
        (f"{'a' * 65}:read:{HASH}", "the name must be"),
        (f"alice:write:{HASH}", "the scope must be read or admin"),
        (f"alice:READ:{HASH}", "the scope must be read or admin"),
        ("alice:read:secret", "the hash must be 64"),
        (f"alice:read:{HASH.upper()}", "the hash must be 64"),
        (f"alice:read:{hashlib.sha256(b'').hexdigest()}", "the hash is that of an empty key"),
        (f"{LINE}:", "the rows per second must be"),
        (f"{LINE}:0", "the rows per second must be"),
        (f"{LINE}:1.5", "the rows per second must be"),
        (f"{LINE}:{'9' * 13}", "the rows per second must be"),
        (f"{LINE}\n{LINE}", "line 3: the name alice occurs twice"),
    ],
)
def test_a_wrong_line_is_an_error_that_names_its_place_and_does_not_repeat_it(line: str, reason: str) -> None:
    with pytest.raises(SettingsInvalid, match=f"^keys, line [23]: .*{reason.partition(': ')[2] or reason}") as raised:
        parse_keys(f"# first line\n{line}", "keys")
    assert "secret" not in str(raised.value)
    assert HASH not in str(raised.value)


def test_a_new_key_is_found_by_itself_and_by_nothing_else() -> None:
    made = [new_key(f"key{number}", KeyScope.READ) for number in range(20)]
    keys = [key for _, key in made]
    for secret, key in made:
        assert find_key(keys, secret.encode()) is key
        for wrong in (secret[:-1], secret + "a", secret.upper(), key.digest.hex(), key.line, ""):
            assert find_key(keys, wrong.encode()) is None
        # 32 random bytes in base64, so nobody can search for a key by its hash.
        assert len(secret) == len("diffeo_") + 43
    assert len({secret for secret, _ in made}) == len(made)


def test_every_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(_: bytes, digest: bytes) -> bool:
        compared.append(digest)
        return len(compared) == 1

    monkeypatch.setattr("hmac.compare_digest", compare)
    keys = [new_key(f"key{number}", KeyScope.READ)[1] for number in range(5)]
    # The search does not stop at the key that it has found.
    assert find_key(keys, b"anything") is keys[0]
    assert compared == [key.digest for key in keys]


@pytest.mark.parametrize("module", [api_keys, key_store])
def test_no_operator_compares_a_secret_or_its_hash(module: object) -> None:
    assert inspect.ismodule(module)
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Compare):
            assert not {"digest", "presented", "secret"} & {
                getattr(part, "id", getattr(part, "attr", "")) for part in ast.walk(node)
            }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(LINE)
    return path


def names(store: KeyStore) -> list[str]:
    return [key.name for key in store.keys]


def test_a_changed_file_counts_when_two_polls_have_found_the_same(file: Path) -> None:
    store = KeyStore(f"fixed:admin:{HASH}", file)
    assert names(store) == ["fixed", "alice"]
    file.write_text(f"bob:read:{HASH}\n")
    store.poll()
    assert names(store) == ["fixed", "alice"]
    store.poll()
    assert names(store) == ["fixed", "bob"]
    file.write_text("# everyone is revoked\n")
    store.poll()
    store.poll()
    assert names(store) == ["fixed"]


def test_a_file_that_is_replaced_by_one_of_the_same_size_counts_too(file: Path) -> None:
    store = KeyStore(None, file)
    (other := file.with_name("other")).write_text(LINE.replace("alice", "carol"))
    other.replace(file)
    store.poll()
    store.poll()
    assert names(store) == ["carol"]


@pytest.mark.parametrize(
    "content", [b"alice", b"\xff\xfe", LINE.encode() + b"\n" + LINE.encode(), b"#" * (2**20 + 1), None]
)
def test_a_file_that_becomes_wrong_changes_nothing(
    file: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    store = KeyStore(None, file)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    for _ in range(5):
        store.poll()
    assert names(store) == ["alice"]
    # Once, not at every poll.
    assert [record.message for record in caplog.records] == [
        "the file of API keys is wrong; the keys before it stay valid"
    ]
    file.write_text(f"bob:read:{HASH}")
    store.poll()
    store.poll()
    assert names(store) == ["bob"]


def test_a_poll_that_fails_ends_no_watch(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, polls = KeyStore(None, file), 0

    def poll() -> None:
        nonlocal polls
        polls += 1
        raise RuntimeError("can't start new thread")

    async def watch() -> None:
        watching = asyncio.create_task(store.watch())
        while polls < 3 and not watching.done():  # noqa: ASYNC110  (a poll is enough here)
            await asyncio.sleep(0.001)
        watching.cancel()

    monkeypatch.setattr(key_store, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(store, "poll", poll)
    asyncio.run(watch())
    assert polls >= 3


@pytest.mark.parametrize("content", [b"alice", b"\xff", f"fixed:read:{HASH}".encode(), None])
def test_a_file_that_is_wrong_at_the_start_is_an_error(file: Path, content: bytes | None) -> None:
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsInvalid, match=str(file)):
        KeyStore(f"fixed:admin:{HASH}", file)


def test_the_settings_name_the_file_from_any_folder(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = read_settings({"api_keys_file": file.name})
    monkeypatch.chdir("/")
    # A worker gets the settings as JSON, in a folder of its own.
    store = key_store.of(Settings.model_validate_json(settings.model_dump_json()))
    assert store is not None
    assert names(store) == ["alice"]
    assert key_store.of(read_settings({})) is None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_with_a_wrong_file_says_so_and_does_not_start(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("diffeo.service.observability.logs.configure", lambda *_: None)
    (tmp_path / "keys").write_text("alice:read")
    settings = read_settings({"api_keys_file": tmp_path / "keys", "workers": workers, "port": 0})
    with pytest.raises(SettingsInvalid, match=r"keys, line 1: expected name:scope"):
        serve(settings)


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_something_that_is_no_file_is_an_error_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "keys"
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(SettingsInvalid, match=str(path)):
        KeyStore(None, path)
