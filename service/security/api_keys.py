"""API keys: names, scopes and quotas of those who may call the service. Only the SHA-256 of a key is stored.

A key is 256 random bits, so nobody can guess it from its hash, and a slow hash as for passwords would gain nothing: it
would cost every request milliseconds.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from ..errors import SettingsInvalid

# A name goes to logs and metrics. It holds no dot and no colon, so it is never mistaken for an address.
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
EMPTY_DIGEST: Final = hashlib.sha256(b"").hexdigest()
RATE: Final = re.compile(r"[1-9][0-9]{0,11}")
# Scanners for leaked secrets find a key by its beginning.
KEY_PREFIX: Final = "diffeo_"
KEY_BYTES: Final = 32
COMMENT: Final = "#"
FORMAT: Final = "name:scope:sha256-of-the-key, and optionally :rows-per-second"


class KeyScope(StrEnum):
    """The permission of a key: READ uses models, ADMIN may call every path."""

    READ = "read"
    ADMIN = "admin"

    def allows(self, required: "KeyScope") -> bool:
        """True if a key of this scope may do what needs the scope `required`."""
        return self in {KeyScope.ADMIN, required}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key as the service knows it.

    Attributes:
        name: who uses the key.
        scope: what it allows.
        digest: SHA-256 of the key.
        rows_per_second: its quota; None if it has none.
    """

    name: str
    scope: KeyScope
    digest: bytes
    rows_per_second: int | None = None

    @classmethod
    def parse(cls, line: str) -> Self:
        """The key that a line describes.

        The error does not repeat the line: it may hold a key where its hash belongs.

        Raises:
            ValueError: the line is not in the format.
        """
        name, scope, digest, rate, *more = [*line.split(":"), "", "", ""]
        if any(more) or line.count(":") not in {2, 3}:
            raise ValueError(f"expected {FORMAT}")
        if not NAME.fullmatch(name):
            raise ValueError("the name must be 1 to 64 letters, digits, - or _")
        if scope not in list(KeyScope):
            raise ValueError(f"the scope must be {' or '.join(KeyScope)}")
        if not DIGEST.fullmatch(digest):
            raise ValueError("the hash must be 64 hexadecimal digits in lower case; `diffeo key` prints it")
        if hmac.compare_digest(digest, EMPTY_DIGEST):
            raise ValueError("the hash is that of an empty key, which every request has; `diffeo key` makes a key")
        if line.count(":") == 3 and not RATE.fullmatch(rate):  # noqa: PLR2004  (the colons before a quota)
            raise ValueError("the rows per second must be a whole number above 0")
        return cls(name, KeyScope(scope), bytes.fromhex(digest), int(rate) if rate else None)

    @property
    def line(self) -> str:
        """The line that describes this key."""
        rate = "" if self.rows_per_second is None else f":{self.rows_per_second}"
        return f"{self.name}:{self.scope}:{self.digest.hex()}{rate}"


def parse_keys(text: str, source: str) -> tuple[ApiKey, ...]:
    """The keys of a text: one line for each. Empty lines and lines that begin with # are left out.

    Args:
        text: the lines.
        source: names the text in the error.

    Raises:
        SettingsInvalid: a line is not in the format, or a name occurs twice.
    """
    keys: dict[str, ApiKey] = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = line.strip()
        if not content or content.startswith(COMMENT):
            continue
        try:
            key = ApiKey.parse(content)
        except ValueError as error:
            raise SettingsInvalid(f"{source}, line {number}: {error}") from None
        if key.name in keys:
            raise SettingsInvalid(f"{source}, line {number}: the name {key.name} occurs twice")
        keys[key.name] = key
    return tuple(keys.values())


def find_key(keys: Iterable[ApiKey], presented: bytes) -> ApiKey | None:
    """The key that a client presents; None if the service does not know it.

    The time that this takes depends only on the number of keys: each of them is compared, and each comparison takes the
    same time whether the first byte differs or the last.
    """
    digest = hashlib.sha256(presented).digest()
    found: ApiKey | None = None
    for key in keys:
        if hmac.compare_digest(digest, key.digest):
            found = key
    return found


def new_key(name: str, scope: KeyScope, rows_per_second: int | None = None) -> tuple[str, ApiKey]:
    """A new random key, and what the service must know of it."""
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    return key, ApiKey(name, scope, hashlib.sha256(key.encode()).digest(), rows_per_second)


def names(keys: Sequence[ApiKey]) -> set[str]:
    """The names of the keys."""
    return {key.name for key in keys}
