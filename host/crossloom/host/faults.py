"""Says in one line what the system refused, or which fault of ours an error is that nobody expected."""

from __future__ import annotations

import os
import traceback

from crossloom.sim.text import printable

TRACEBACK = "CROSSLOOM_TRACEBACK"
"""Set, it shows where an error that is a fault of ours came from."""


def unexpected(command: str, error: BaseException) -> str:
    """Return what a command found, what is needed and what to do, in one line."""
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    what = printable(error, 120)
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "bad_alloc" in str(error):
        remedy = "use fewer or smaller images, smaller batches or fewer steps"
        return f"{command}: out of memory; needed more than is free here; {remedy}"
    if isinstance(error, OSError):
        named = isinstance(error.filename, (str, bytes))
        at = f"{command}: {printable(os.fsdecode(error.filename))}" if named else command
        remedy = "make room, or correct the path or its permissions"
        return f"{at}: {error.strerror or what}; needed files and folders that can be read and written; {remedy}"
    if isinstance(error, RecursionError):
        return f"{command}: nested too deeply ({what}); needed a simpler file; correct it"
    if isinstance(error, UnicodeError):
        return f"{command}: {what}; needed text and names that can be encoded; set PYTHONUTF8=1, or rename the file"
    if isinstance(error, ImportError):
        return f"{command}: {what}; needed packages that can be imported; install them again with 'pip install'"
    if isinstance(error, ValueError) and "embedded null" in str(error):  # as every function of the system says it
        return f"{command}: a name with a null character; needed one without; correct the path"
    found = traceback.extract_tb(error.__traceback__)
    place = f"{found[-1].filename.rpartition('/')[2]}, line {found[-1].lineno}" if found else "an unknown place"
    return (
        f"{command}: {type(error).__name__} in {place} ({what}); needed none, it is a fault of Crossloom; "
        f"report it with what {TRACEBACK}=1 shows"
    )
