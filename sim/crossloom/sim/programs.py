"""Runs outside programs (compilers, simulators, vendor tools), ends them with us, says in one line what went wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import CrossloomError, DeviceError
from .text import printable

# Its standard input is a pipe that nobody writes to: it ends when we do, however that comes about, and then so do the
# program and all that it started. `wait` says on stderr how a program died, which is ours to say.
_GUARD = """
exec 3<&0 </dev/null
"$@" 3<&- &
program=$!
(read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 &
{ wait $program; } 2>/dev/null
code=$?
kill -KILL $!
{ wait $!; } 2>/dev/null
exit $code
"""
_SHELL = "/bin/sh"
_running: set[subprocess.Popen[str]] = set()
_versions: dict[tuple[str, ...], str] = {}
# What makes compilers find or do something else.
_STEERING = (
    *("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "LD_LIBRARY_PATH", "COMPILER_PATH"),
    *("GCC_EXEC_PREFIX", "CCC_OVERRIDE_OPTIONS", "VERILATOR_BIN"),
)


@contextmanager
def started(
    command: Sequence[str | Path],
    *,
    where: str,
    error: type[CrossloomError] = DeviceError,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    out: IO[bytes] | int = subprocess.PIPE,
) -> Iterator[subprocess.Popen[str]]:
    """Start a program in a group of processes of its own, all of which end with this context or with this process.

    Both of its outputs go to `out`. Raises `error` where it is missing or cannot be started.
    """
    name = Path(command[0]).name
    found = _found(command[0], where, error, os.environ if environment is None else environment)
    try:
        process = subprocess.Popen(
            [_SHELL, "-c", _GUARD, _SHELL, str(found), *map(str, command[1:])],
            cwd=cwd,
            env=None if environment is None else dict(environment),
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except (OSError, ValueError) as reason:
        what = getattr(reason, "strerror", None) or reason
        raise error(f"{where}: {name} cannot be started ({what}); free memory or processes, and try again") from None
    # Out of the reach of `communicate`, which would close it.
    held, process.stdin = process.stdin, None
    _running.add(process)
    try:
        yield process
    finally:
        _end(process)
        _running.discard(process)
        if held is not None:
            held.close()


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def ending_programs() -> Iterator[None]:
    """End every program that runs when this is interrupted: it must not wait for threads that wait for those."""
    try:
        yield
    except BaseException:
        for process in list(_running):
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        raise


def run_program(
    command: Sequence[str | Path],
    *,
    where: str,
    error: type[CrossloomError] = DeviceError,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = 3600,
) -> str:
    """Run a program and return what it said on both outputs.

    `environment` replaces the process' own. Raises `error` with the program's first complaint when it is missing,
    fails, or takes longer than `seconds`.
    """
    name = Path(command[0]).name
    with started(command, where=where, error=error, environment=environment, cwd=cwd) as process:
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            what = "a program that ends, or a smaller design, is needed"
            raise error(f"{where}: {name} ran past {seconds:g} s; {what}") from None
    if process.returncode:
        raise error(f"{where}: {name} {_failure(process.returncode, said)}")
    return said


def _failure(code: int, said: str) -> str:
    """How a program failed, its first complaint, and what to do."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    complaints = [line for line in lines if "error" in line.lower() or line.startswith("%")]
    if any(line.startswith("Traceback ") for line in lines):  # Python says at the end what it was
        complaints = lines[-1:]
    first = printable(next(iter([*complaints, *lines]), "it said nothing"), 160)
    number = -code if code < 0 else code - 128  # as Python and as a shell say it
    if 0 < number < 65:
        with suppress(ValueError):
            what = "more memory, or a program that works, is needed; end other programs, or install it again"
            return f"was ended by {signal.Signals(number).name}: {first}; {what}"
    if "No space left on device" in said:
        mend = "make room there, or set XDG_CACHE_HOME and TMPDIR to folders with room"
    elif code == 127:  # of a shell, or env, that found no such program
        mend = "install what is missing"
    elif code == 126 or not lines:  # as a shell says that it cannot run a program
        mend = "install it again"
    else:
        mend = "correct the sources"
    return f"failed ({code}): {first}; {mend}"


def program_identity(
    name: str,
    *,
    where: str,
    error: type[CrossloomError] = DeviceError,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """What tells a program from every other: its file, what it says of its version, and variables that steer it."""
    known = os.environ if environment is None else environment
    found = _found(name, where, error, known)
    file = file_identity(found, where=where, error=error)
    # Kept for the process: compilers are asked for with every library, and a file has one answer.
    if (key := tuple(file)) not in _versions:
        _versions[key] = run_program(
            [found, "--version"], where=where, error=error, environment=environment, seconds=30
        )
    return [*file, _versions[key], *(f"{variable}={known.get(variable, '')}" for variable in _STEERING)]


def file_identity(path: Path, *, where: str, error: type[CrossloomError] = DeviceError) -> list[str]:
    """What tells a file from others without reading it: where it really is, its size, when it was written."""
    try:
        path = path.resolve()
        status = path.stat()
    except (OSError, RuntimeError) as reason:  # a circle of links
        what = getattr(reason, "strerror", None) or reason
        raise error(f"{where}: {path}: {what}; it is needed here; install it again") from None
    return [str(path), str(status.st_size), str(status.st_mtime_ns)]


def _found(name: str | Path, where: str, error: type[CrossloomError], environment: Mapping[str, str]) -> Path:
    found = shutil.which(name, path=environment.get("PATH", ""))
    if found is None:
        raise error(f"{where}: no program {Path(name).name}; it is needed here; install it")
    return Path(found).absolute()
