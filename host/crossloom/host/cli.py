"""The `crossloom` command: runs one command and ends every way in an exit code and at most one line on stderr.

Imports what it needs as late as it can, so that an interrupt finds it ready from its first moment.
"""

from __future__ import annotations

import sys

from .interrupts import Ended, Interrupts


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return 0, 1 for a failed check or an error, 2 for wrong usage (from argparse).

    128 and the number of the signal where one other than the keyboard's ended it.
    """
    try:
        interrupts = Interrupts(_tell)
    except KeyboardInterrupt:
        return _tell("interrupted")
    import warnings

    shown = warnings.showwarning
    try:
        if not sys.warnoptions:  # they are of other packages, for those who write programs
            warnings.showwarning = lambda *_, **__: None
        return _main(argv, interrupts)
    except (KeyboardInterrupt, Ended):
        return interrupts.tell() if interrupts.seen else _tell("interrupted")
    finally:
        warnings.showwarning = shown
        interrupts.restore()


def _main(argv: list[str] | None, interrupts: Interrupts) -> int:
    import json
    from contextlib import suppress
    from importlib import import_module
    from io import TextIOWrapper

    from .arguments import parser

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name that the terminal cannot show must not lose the rest
            with suppress(OSError, ValueError):  # of a stream that is closed or in a state of its own
                stream.reconfigure(errors="backslashreplace")
    try:
        args = parser().parse_args(argv)
    except SystemExit as end:  # help was printed, or the usage is wrong
        if not end.code and _print("", 0):
            return 1
        raise
    try:
        from crossloom.sim.errors import CrossloomError

        command = import_module(f".commands.{args.command.replace('-', '_')}", __package__)
    except Exception as error:
        return _fault(args.command, error)
    try:
        interrupts.begin()
        result = command.run(args)
        text = json.dumps(result.data, default=_plain) if args.json else result.text
    except Exception as error:
        if interrupts.seen:  # an interrupt that came out as another error
            return interrupts.tell()
        return _say(str(error)) if isinstance(error, CrossloomError) else _fault(args.command, error)
    return _print(text + "\n", int(result.code))


def _fault(command: str, error: Exception) -> int:
    """Print what nobody expected as one line; return the exit code 1."""
    try:
        from .faults import unexpected

        message = unexpected(command, error)
    except Exception:  # no file can be opened, or no memory is left
        what = getattr(error, "strerror", None) or type(error).__name__
        return _tell(f"{command}: {what}; needed files and memory to start with; free some, or install Crossloom again")
    return _say(message)


def _say(message: str) -> int:
    """Print a message, whatever is in it, as one line on stderr, where there is one; return the exit code 1."""
    from crossloom.sim.text import fitted

    return _tell(fitted(message))


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
