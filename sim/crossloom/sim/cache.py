"""A private folder of built libraries, found again by the hash of everything that went into them."""

import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import DeviceError

_KEPT = 64  # the newest this many stay
_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/crossloom` or `~/.cache/crossloom`, made for its owner alone; DeviceError if others can write.

    Libraries in it are loaded into this process: whoever can write there runs code here.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    folder = (Path(base) if base.startswith("/") else Path.home() / ".cache") / "crossloom"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise DeviceError(
            f"{folder}: cannot be made ({error.strerror}); a folder for built libraries is needed; set XDG_CACHE_HOME"
        ) from None
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise DeviceError(
            f"{folder}: belongs to user {status.st_uid}, mode {status.st_mode & 0o777:o}; a folder that only you can"
            " write is needed; set XDG_CACHE_HOME"
        )
    folder.chmod(0o700)
    return folder


def content_key(*parts: str | bytes) -> str:
    """A hash of strings and bytes, each with its length, so that no two lists look alike."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:40]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def cached(key: str, build: Callable[[Path], Path]) -> Path:
    """The library of a key, built when there is none or a damaged one.

    `build(folder)` makes it in an empty folder and returns its path. Processes that ask at once wait for one build.
    A library counts only with its own checksum beside it.
    """
    folder = cache_folder()
    library, checksum = folder / f"{key}.so", folder / f"{key}.sha256"
    with _locked(folder / f"{key}.lock"):
        if library.is_file() and checksum.is_file():
            if checksum.read_text(encoding="ascii", errors="replace") == _digest(library):
                os.utime(library)
                return library
            _log.warning("%s: differs from its checksum; building it again", library)
        with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as work:
            made = build(Path(work))
            digest = _digest(made)
            checksum.unlink(missing_ok=True)
            made.replace(library)
            fresh = Path(work) / "checksum"
            fresh.write_text(digest, encoding="ascii")
            fresh.replace(checksum)
        _prune(folder)
    return library


def _prune(folder: Path) -> None:
    """Remove the oldest libraries beyond those kept."""
    libraries = sorted(folder.glob("*.so"), key=lambda path: path.stat().st_mtime, reverse=True)
    for library in libraries[_KEPT:]:
        library.unlink(missing_ok=True)
        library.with_suffix(".sha256").unlink(missing_ok=True)


def clear_cache() -> None:
    """Remove everything that was built."""
    shutil.rmtree(cache_folder())
