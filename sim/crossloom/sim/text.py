"""Text that comes from files and command lines, made safe to print: one line, nothing that a terminal obeys."""

from __future__ import annotations

MOST = 100
"""Characters of a text from a file that are printed."""


def printable(text: object, most: int = MOST) -> str:
    r"""Return `text` on one line of at most `most` characters: what is not printable as an escape, the rest cut off.

    Line breaks, terminal sequences, marks that turn the direction of writing and halves of characters are not
    printable.

    >>> printable("a\x1b[2J\nb")
    'a\\x1b[2J\\nb'
    >>> printable("x" * 200, 8)
    'xxxxx...'
    """
    plain = str(text)
    start = plain[: most + 1]  # an escape is longer than its character: no more of the text is needed
    line = "".join(c if c.isprintable() else _escape(c) for c in start)
    if len(plain) <= most and len(line) <= most:
        return line
    return line[: max(most - 3, 0)] + "..."


def fitted(text: str, most: int = 300) -> str:
    """Return a message as `printable` does, but without its middle: where it was and what to do stand at its ends.

    >>> fitted("x" * 400 + ": no such file; check the path", 60)
    'xxxxxxxxxxxxxxxxxxxxxxxxxxxxx...no such file; check the path'
    """
    line = printable(text, 10_000)
    tail = (most - 3) // 2
    return line if len(line) <= most else f"{line[: most - 3 - tail]}...{line[-tail:]}"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
