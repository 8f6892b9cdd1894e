"""One process a board: a lock that ends with its process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from crossloom.sim.errors import DeviceError

BOARD_LOCK = Path("/run/lock/crossloom-board")


class BoardLock:
    """Holds a board for this process until `release`; DeviceError names the process that has it."""

    def __init__(self, path: Path = BOARD_LOCK) -> None:
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise DeviceError(f"{path}: {error.strerror}; a lock for the board is needed: run as root") from None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._handle, 32).decode("ascii", "replace").strip()
            os.close(self._handle)
            who = f"process {holder}" if holder.isdigit() else "another process"
            raise DeviceError(f"{path}: {who} uses the board; one at a time can: end it, or wait for it") from None
        os.ftruncate(self._handle, 0)
        os.write(self._handle, f"{os.getpid()}\n".encode("ascii"))

    def release(self) -> None:
        """Give the board back; a second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
