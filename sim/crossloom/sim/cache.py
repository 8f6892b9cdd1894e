"""A private folder of libraries and arrays, found again by the hash of all that made them and checked before use."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import DeviceError
from .libraries import complaint

_KEPT = {".so": 64, ".npy": 4}  # the newest so many stay
_BLOCK = 1 << 20
# Ours in the folder: libraries, arrays, their descriptions (checksums, before), locks, folders that build, and benches.
_OURS = re.compile(r"([0-9a-f]{40})\.(so|npy|json|sha256|lock)|build-\w+|benches")
_KEY = re.compile(r"[0-9a-f]{40}")
_LONGEST_SECONDS = 3600
_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/crossloom` or `~/.cache/crossloom`, made for its owner alone; DeviceError if others can write.

    Libraries in it are loaded into this process: whoever can write there runs code here.
    """
    folder = _base() / "crossloom"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise DeviceError(
                f"{folder}: belongs to user {status.st_uid}, mode {status.st_mode & 0o777:o}; a folder that only you "
                "can write is needed; set XDG_CACHE_HOME"
            )
        folder.chmod(0o700)
    except OSError as error:
        raise DeviceError(
            f"{folder}: cannot be made ({error.strerror}); a folder for built libraries is needed; set XDG_CACHE_HOME"
        ) from None
    return folder


def _base() -> Path:
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named.startswith("/"):
        return Path(named)
    try:
        home = Path.home()
    except RuntimeError:
        home = Path()
    if not home.is_absolute():
        raise DeviceError("HOME: no absolute path; a folder for built libraries is needed; set HOME or XDG_CACHE_HOME")
    return home / ".cache"


def content_key(*parts: str | bytes) -> str:
    """A hash of strings and bytes, each with its length, so that no two lists look alike."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode(errors="surrogateescape") if isinstance(part, str) else part
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:40]


def _remove(path: Path) -> None:
    """Remove a file, a link (not what it leads to) or a folder, where there is one."""
    if path.is_dir() and not path.is_symlink():
        path.chmod(0o700)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


@contextmanager
def _locked(folder: Path, key: str, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a key, whose file goes again with it; yields whether it could be had without waiting."""
    path = folder / f"{key}.lock"
    while True:
        try:
            handle = _open_lock(path)
        except OSError as error:
            if not path.is_symlink() and not isinstance(error, (IsADirectoryError, PermissionError)):
                raise
            _remove(path)  # no lock of anybody
            handle = _open_lock(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(handle)
            yield False
            return
        except BaseException:
            os.close(handle)
            raise
        # Who held it before has removed the file: then another one counts.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.lstat()):
                break
        os.close(handle)
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def cached(
    key: str,
    build: Callable[[Path], Path],
    *,
    kind: str = "library",
    design: str = "",
    needs: Sequence[str] | None = (),
) -> Path:
    """The library of a key, built when there is none or a damaged one.

    `build(folder)` makes it in an empty folder and returns its path. Processes that ask at once wait for one build.
    A library counts only if it is what its description says, loads and exports the names `needs`; without `needs`
    (None) it is an object. `kind` and `design` say to a person what it is. Raises DeviceError where what was built is
    none, and where the folder cannot be used.
    """
    return _cached(key, ".so", build, lambda path: complaint(path, needs), kind, design)


def cached_array(key: str, build: Callable[[Path], Path], *, kind: str, design: str = "") -> Path:
    """The `.npy` file of a key, made when there is none or a damaged one; all else as `cached`."""
    return _cached(key, ".npy", build, lambda _: "", kind, design)


def _cached(
    key: str, suffix: str, build: Callable[[Path], Path], wrong_with: Callable[[Path], str], kind: str, design: str
) -> Path:
    folder = cache_folder()
    try:
        with _locked(folder, key):
            library, description = folder / f"{key}{suffix}", folder / f"{key}.json"
            if _described(library, description) and not wrong_with(library):
                os.utime(library)
                return library
            _log.info("%s: building %s %s", library, kind, design)
            _sweep(folder)
            work = folder / f"build-{key}"
            _remove(work)  # of a run that was killed: nobody else builds this
            work.mkdir(mode=0o700)
            try:
                made = build(work)
                if wrong := wrong_with(made):
                    where = f"{kind} {design}".strip()
                    raise DeviceError(
                        f"{where}: the compiler made no {made.name} that can be used ({wrong}); one that works is "
                        "needed; install it again, or put another one first on PATH"
                    )
                fresh = work / "description"
                text = {"kind": kind, "design": design, "bytes": made.stat().st_size, "sha256": _sha256(made)}
                fresh.write_text(json.dumps(text), encoding="ascii")
                for path in (description, library):
                    _remove(path)
                made.replace(library)
                fresh.replace(description)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        at = error.filename or folder
        needed = "room, and files that can be read and written, are needed"
        mend = "make room, run 'crossloom cache --clear', or set XDG_CACHE_HOME"
        raise DeviceError(f"{at}: {error.strerror or error}; {needed}; {mend}") from None
    return library


def _described(library: Path, description: Path) -> bool:
    """Whether a library is, to the bit, what its description tells of."""
    try:
        found = json.loads(description.read_text(encoding="ascii"))
        return library.stat().st_size == found["bytes"] and bool(found["sha256"] == _sha256(library))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _sweep(folder: Path) -> None:
    """Remove the oldest libraries and arrays beyond those kept, and what runs that were killed have left."""
    entries = cache_entries()
    for suffix, kept in _KEPT.items():
        for entry in [entry for entry in entries if entry.path.suffix == suffix][kept:]:
            for path in (entry.path, entry.path.with_suffix(".json"), entry.path.with_suffix(".sha256")):
                with suppress(OSError):
                    _remove(path)
    for path in [*folder.glob("build-*"), *folder.glob("*.lock")]:
        # Earlier versions did not name a folder by its lock; no program of theirs runs longer than this.
        with suppress(OSError):
            named = _KEY.fullmatch(path.stem.removeprefix("build-"))
            if named or (_OURS.fullmatch(path.name) and time.time() - path.stat().st_mtime > _LONGEST_SECONDS):
                _remove_unused(folder, path)


def _remove_unused(folder: Path, path: Path) -> bool:
    """Remove a file or folder of a key that nobody builds now; return whether it is gone."""
    with suppress(OSError), _locked(folder, path.stem.removeprefix("build-"), wait=False) as free:
        if free:
            _remove(path)
        return free
    return False


@dataclass(frozen=True)
class Entry:
    """One library, array or folder in the cache: what it is, how long it was not used, how many bytes it takes."""

    path: Path
    kind: str
    design: str
    seconds: float
    size: int


def cache_entries() -> list[Entry]:
    """What the cache holds, the last used first."""
    found = []
    for path in cache_folder().iterdir():
        ours = _OURS.fullmatch(path.name)
        if not ours or path.is_symlink() or ours[2] in ("json", "sha256", "lock"):
            continue
        kind, design = ("test benches" if path.name == "benches" else "unfinished build"), ""
        if ours[2]:
            kind, design = _named(path.with_suffix(".json"))
        with suppress(FileNotFoundError):  # removed in between
            size, seconds = _size(path), max(0.0, time.time() - path.stat().st_mtime)
            found.append(Entry(path, kind, design, seconds, size))
    return sorted(found, key=lambda entry: entry.seconds)


def _named(description: Path) -> tuple[str, str]:
    try:
        found = json.loads(description.read_text(encoding="ascii"))
        return str(found["kind"]), str(found["design"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return "no description", ""


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.lstat().st_size
    return sum(found.lstat().st_size for found in path.rglob("*") if not found.is_dir())


def clear_cache() -> list[Path]:
    """Remove what was built and what of it was left behind; return what stays, as it is being built.

    Nothing that is not ours is touched, and no link followed.
    """
    folder, left = cache_folder(), []
    for path in sorted(folder.iterdir()):
        if _OURS.fullmatch(path.name) and not path.is_symlink() and not _remove_unused(folder, path):
            left.append(path)
    return [path for path in left if path.name.startswith("build-") and path.exists()]
