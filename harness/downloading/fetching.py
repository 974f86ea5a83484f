"""A file from a web server: resumed where it was cut, and checked before anybody reads it."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from harness.errors import DataError, UnavailableError

_TIMEOUT_S = 60
_AT_ONCE = 1 << 20
_TRIES = 5
"""In a row without one more byte; a transfer that moves on is tried for as long as it does."""

Progress = Callable[[int, int], object]
"""Is told bytes here and bytes in all, which is 0 where nobody knows."""


def fetch(url: str, target: Path, *, sha256: str, size: int = 0, progress: Progress = lambda here, all_: None) -> Path:
    """The file at an address, as `target`; a part of it that lies beside from an earlier try is gone on with.

    Proxies are those of the environment (https_proxy, no_proxy). A size of 0 is not known. Raises UnavailableError
    where the net gives up, DataError where what came is not what was expected.
    """
    if target.is_file() and digest_of(target) == sha256:
        return target
    if os.environ.get("HARNESS_OFFLINE") == "1":
        raise UnavailableError(f"{url} is not fetched, for HARNESS_OFFLINE is 1")
    part = target.with_name(f"{target.name}.part")
    _need_room(target.parent, size - _length(part))
    tries, before = 0, -1
    while not _fetched(url, part, size, progress):
        here = _length(part)
        tries = tries + 1 if here <= before else 1
        before = max(before, here)
        if tries >= _TRIES:
            raise UnavailableError(
                f"{url} broke off {tries} times at {here:,} bytes: the same command goes on from there later"
            )
    if (found := digest_of(part)) != sha256:
        length = _length(part)
        part.unlink()
        raise DataError(
            f"{url} is not what was expected ({length:,} bytes of SHA-256 {found[:16]}..., expected {sha256[:16]}...): "
            "it was removed. Try again, or get the file from the homepage"
        )
    part.replace(target)
    return target


def digest_of(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _fetched(url: str, part: Path, size: int, progress: Progress) -> bool:
    """Add to a part what comes; whether it is whole. Raises UnavailableError where trying again is of no use."""
    here = _length(part)
    if size and here == size:
        return True
    request = urllib.request.Request(url, headers={"User-Agent": "anomaly-harness"})  # noqa: S310  of a plugin's part
    if here:
        request.add_header("Range", f"bytes={here}-")
    try:
        with urllib.request.build_opener().open(request, timeout=_TIMEOUT_S) as answer:  # with the proxies of now
            goes_on = answer.status == http.HTTPStatus.PARTIAL_CONTENT and _starts_at(answer, here)
            here = here if goes_on else 0
            left = int(answer.headers.get("Content-Length") or 0)
            total = size or (here + left if left else 0)
            with part.open("ab" if goes_on else "wb") as file:
                while block := answer.read(_AT_ONCE):
                    here += len(block)
                    if size and here > size:
                        raise UnavailableError(f"{url} gives more than the {size:,} bytes that it should have")
                    file.write(block)
                    progress(here, total)
            return here >= total if total else True
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return True  # there is no more: the digest tells whether it is the file
        if error.code < 500:
            raise UnavailableError(f"{url} cannot be fetched: {error.code} {error.reason}") from error
        return False
    except (http.client.HTTPException, ConnectionError, TimeoutError):
        return False
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionResetError | TimeoutError):
            return False
        raise UnavailableError(f"{url} cannot be reached: {error.reason}") from error
    except OSError as error:
        raise UnavailableError(f"{str(part)!r} cannot be written: {error.strerror or error}") from error


def _starts_at(answer: http.client.HTTPResponse, here: int) -> bool:
    return (answer.headers.get("Content-Range") or "").startswith(f"bytes {here}-")


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _need_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise UnavailableError(f"{str(folder)!r} has room for {free:,} bytes, and {size:,} are to come")
