"""The API keys that are valid now: those of the settings, and those of a file that is read again when it changes."""

import asyncio
import logging
import os
import stat
from pathlib import Path
from typing import Final

from .. import offload
from ..errors import SettingsInvalid
from ..settings import Settings
from .api_keys import ApiKey, find_key, names, parse_keys

# A key that was added or revoked counts after two polls.
POLL_SECONDS: Final = 0.5
TEXT_SOURCE: Final = "DIFFEO_API_KEYS"
MAX_FILE_BYTES: Final = 2**20

Fingerprint = tuple[int, int, int, int]

log = logging.getLogger("diffeo")


class KeyStore:
    """The keys of one service.

    Args:
        text: lines of keys, from the settings; None without them.
        file: a file of such lines; None without one.

    Raises:
        SettingsInvalid: a line is wrong, a name occurs twice, or the file cannot be read.
    """

    def __init__(self, text: str | None, file: Path | None) -> None:
        self._file = file
        self._fixed = parse_keys(text or "", TEXT_SOURCE)
        self._keys: tuple[ApiKey, ...] = self._fixed
        self._loaded = self._seen = _fingerprint(file)
        if file is not None:
            self._keys = self._read(file)

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """The keys that are valid now."""
        return self._keys

    def find(self, presented: bytes) -> ApiKey | None:
        """The key that a client presents; None if it is not valid."""
        return find_key(self._keys, presented)

    async def watch(self) -> None:
        """Follow the changes of the file until cancelled."""
        while self._file is not None:
            await asyncio.sleep(POLL_SECONDS)
            try:
                # The file may be on a network disk, so the event loop does not wait for it.
                await offload.in_thread(self.poll)
            except Exception:
                # A revoked key must not stay valid because one poll failed, for example if no thread could start.
                log.exception("the file of API keys could not be checked")

    def poll(self) -> None:
        """Read the file again if it has changed, and two polls in a row found the same: it is then written completely.

        A file that is wrong or missing changes nothing: the keys that were valid before stay valid.
        """
        if self._file is None:
            return
        found, before = _fingerprint(self._file), self._seen
        self._seen = found
        if found == self._loaded or found != before:
            return
        self._loaded = found
        try:
            keys = self._read(self._file)
        except SettingsInvalid as error:
            log.error("the file of API keys is wrong; the keys before it stay valid", extra={"reason": str(error)})  # noqa: TRY400  (the reason is enough)
            return
        added, revoked = names(keys) - names(self._keys), names(self._keys) - names(keys)
        self._keys = keys
        log.info("the file of API keys was read again", extra={"added": sorted(added), "revoked": sorted(revoked)})

    def _read(self, file: Path) -> tuple[ApiKey, ...]:
        try:
            keys = parse_keys(_content(file).decode(), str(file))
        except OSError as error:
            raise SettingsInvalid(f"the file of API keys {file} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsInvalid(f"the file of API keys {file} is not UTF-8 text") from None
        if twice := names(keys) & names(self._fixed):
            raise SettingsInvalid(f"{file} and {TEXT_SOURCE} both name {', '.join(sorted(twice))}")
        return (*self._fixed, *keys)


def of(settings: Settings) -> KeyStore | None:
    """The keys that the settings name; None if every client may call every path.

    Raises:
        SettingsInvalid: as for `KeyStore`.
    """
    # A file without a line is no mistake: nobody can call the service until a key is added.
    if settings.api_keys is None and settings.api_keys_file is None:
        return None
    return KeyStore(settings.api_keys, settings.api_keys_file)


def _content(file: Path) -> bytes:
    # Without O_NONBLOCK, opening a pipe would wait for somebody who writes into it.
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise SettingsInvalid(f"{file} is no file; the API keys are in a file of lines")
        content = opened.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise SettingsInvalid(f"the file of API keys {file} is larger than {MAX_FILE_BYTES} bytes")
    return content


def _fingerprint(file: Path | None) -> Fingerprint | None:
    """A value that changes when the file changes; None if there is no file."""
    if file is None:
        return None
    try:
        found = os.stat(file)  # noqa: PTH116  (one call for each poll)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
