"""Turns what a person or the system sends to end a command into an orderly end; imports what it needs late."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_SECONDS = 20  # to put everything in order
_AGAIN_SECONDS = 0.05


class Ended(BaseException):
    """Raised in the main thread where SIGTERM or SIGHUP asks the process to end."""


class Interrupts:
    """The signals that end a command, from when it is made until `restore`.

    Until `begin` the process ends at once: an interrupt that is raised while modules are imported may be lost, or come
    out as another error, and nothing has begun yet. After it KeyboardInterrupt or Ended is raised, so that everything
    is put in order; a second signal ends at once again. What the caller ignores (nohup) or handles itself stays.
    """

    def __init__(self, tell: Callable[[str], int]) -> None:
        import contextlib
        import signal

        self.seen, self._lost = 0, False
        self._tell, self._begun = tell, False
        self._before: dict[int, object] = {}
        self._hook = sys.unraisablehook
        for name in _NAMES:
            number = getattr(signal, name)
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                with contextlib.suppress(ValueError):  # outside of the main thread, which alone is interrupted
                    self._before[number] = signal.signal(number, self._handle)

    def begin(self) -> None:
        """From here on there is something to put in order."""
        self._begun = True

    def restore(self) -> None:
        """Leave the signals as they were."""
        import signal

        sys.unraisablehook = self._hook
        if signal.SIGALRM in self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # as signal.signal gave it

    def tell(self) -> int:
        """Say what ended the command; return its exit code, as a shell has it except for the keyboard's."""
        import signal

        if self.seen == signal.SIGINT:
            return self._tell("interrupted")
        self._tell(f"ended by {signal.Signals(self.seen).name}")
        return 128 + self.seen

    def _handle(self, number: int, _: object) -> NoReturn:
        import os
        import signal

        again, self.seen = self.seen, number
        if again or not self._begun:
            os._exit(self.tell())
        sys.unraisablehook = self._lose
        if signal.getsignal(signal.SIGALRM) == signal.SIG_DFL:
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._wake)
        self._raise()

    def _raise(self) -> NoReturn:
        import signal

        if signal.SIGALRM in self._before:
            signal.setitimer(signal.ITIMER_REAL, _SECONDS)
        raise KeyboardInterrupt if self.seen == signal.SIGINT else Ended

    def _lose(self, _: object) -> None:
        """Raised where nobody can catch it (a destructor, C), it would be printed as a traceback: raise it again."""
        import signal

        self._lost = True
        if signal.SIGALRM in self._before:
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)

    def _wake(self, *_: object) -> None:
        """End at once where somebody caught it and went on."""
        import os

        if not self._lost:
            os._exit(self.tell())
        self._lost = False
        self._raise()
