"""Turns what a person or the system sends to end a command into an orderly end; imports what it needs late."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


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

        self.seen = 0
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
        # Raised where nobody can catch it, it would be printed as a traceback.
        sys.unraisablehook = lambda _: None
        raise KeyboardInterrupt if number == signal.SIGINT else Ended
