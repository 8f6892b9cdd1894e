"""The `crossloom` command: runs one command and ends every way in an exit code and at most one line on stderr.

Imports what it needs as late as it can, so that an interrupt finds it ready from its first moment.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TRACEBACK = "CROSSLOOM_TRACEBACK"
"""Set, it shows where an error that is a fault of ours came from."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return 0, 1 for a failed check or an error, 2 for wrong usage (from argparse)."""
    started = _start()
    try:
        return _main(argv, started)
    except KeyboardInterrupt:
        return _tell("interrupted")
    finally:
        started()


def _start() -> Callable[[], None]:
    """End at once from here on when interrupted; return what ends that.

    An interrupt that is raised while modules are imported may be lost, or come out as another error, and nothing has
    begun yet.
    """
    import signal
    import threading

    def end(*_: object) -> None:
        import os

        os._exit(_tell("interrupted"))

    if threading.current_thread() is not threading.main_thread():  # which alone is interrupted
        return lambda: None
    before = signal.signal(signal.SIGINT, end)

    def started() -> None:
        if signal.getsignal(signal.SIGINT) is end:
            signal.signal(signal.SIGINT, before)

    return started


def _main(argv: list[str] | None, started: Callable[[], None]) -> int:
    import json
    from importlib import import_module
    from io import TextIOWrapper

    from .arguments import parser

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name that the terminal cannot show must not lose the rest
            stream.reconfigure(errors="backslashreplace")
    try:
        args = parser().parse_args(argv)
    except SystemExit as end:  # help was printed, or the usage is wrong
        if not end.code and _print("", 0):
            return 1
        raise
    from crossloom.sim.errors import CrossloomError

    try:
        command = import_module(f".commands.{args.command.replace('-', '_')}", __package__)
        started()
        result = command.run(args)
        text = json.dumps(result.data, default=_plain) if args.json else result.text
    except CrossloomError as error:
        return _say(str(error))
    except Exception as error:
        return _say(_unexpected(args.command, error))
    return _print(text + "\n", int(result.code))


def _unexpected(command: str, error: Exception) -> str:
    """Say in one line what the system refused, or which fault of ours this is."""
    import os
    import traceback

    if os.environ.get(TRACEBACK):
        traceback.print_exc()
    if isinstance(error, MemoryError):
        return f"{command}: out of memory; needed more than is free here; use fewer or smaller images"
    if isinstance(error, OSError) and error.strerror:
        at = f"{command}: {error.filename}" if error.filename else command
        remedy = "make room, or correct the path or its permissions"
        return f"{at}: {error.strerror}; needed files and folders that can be read and written; {remedy}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{last.filename.rpartition('/')[2]}, line {last.lineno}"
    return (
        f"{command}: {type(error).__name__} in {place} ({error}); needed none, it is a fault of Crossloom; "
        f"report it with what {TRACEBACK}=1 shows"
    )


def _say(message: str) -> int:
    """Print a message, whatever is in it, as one line on stderr, where there is one; return the exit code 1."""
    from crossloom.sim.text import printable

    return _tell(printable(message, 2000))


def _tell(line: str) -> int:
    """Print one line of ours on stderr, with nothing imported: numpy cannot be, when its import was interrupted."""
    try:
        if sys.stderr is not None:
            print(f"crossloom: {line}", file=sys.stderr, flush=True)
    except OSError:  # nobody listens; the exit code still tells
        _discard(sys.stderr)
    return 1


def _print(text: str, code: int) -> int:
    """Print on stdout; return the exit code, 1 where what was printed did not get through."""
    try:
        if sys.stdout is not None:
            sys.stdout.write(text)
            sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) has seen enough
        _discard(sys.stdout)
    except OSError as error:
        _discard(sys.stdout)
        needed = "needed a place with room; write to another one"
        return _say(f"standard output: cannot be written ({error.strerror}); {needed}")
    return code


def _discard(stream: object) -> None:
    """Send what a stream still holds to nowhere, so that Python does not complain of it at exit."""
    import contextlib
    import os

    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[attr-defined]  # a stream without one is no file
        os.close(nowhere)


def _plain(value: object) -> object:
    """Return numpy values as plain JSON ones; absent (masked) scores as null."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
