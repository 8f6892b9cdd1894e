"""Super-classes: which classes share a branch, as given by hand, a file or a data set, or found by clustering."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

from crossloom.sim.errors import ConfigError, NetworkError
from crossloom.sim.network import MAX_BRANCHES
from crossloom.sim.types import MAX_NAME, check_identifier

from .config import Config
from .data.labelled import Dataset, Ints
from .discovery import FloatArray, group_classes
from .rules import shown, suggestion

MAX_FILE = 8 << 20
MAX_ORIGIN = 200
_IDENTIFIER = re.compile(f"[a-z][a-z0-9_]{{0,{MAX_NAME - 1}}}")


@dataclass(frozen=True)
class Hierarchy:
    """Super-classes of a set of classes: every class is in exactly one of them.

    `names`: 2 to 256 distinct identifiers [a-z][a-z0-9_]* (they become branch names), fewer than classes;
    `members[k]`: the ascending class indices of super-class k; `origin`: where it comes from, in words. Raises
    ConfigError where any of this does not hold.
    """

    names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    origin: str

    def __post_init__(self) -> None:
        labels = [label for group in self.members for label in group]
        if not all(isinstance(label, int) and not isinstance(label, bool) for label in labels):
            raise ConfigError("hierarchy: members that are no integers; needed class indices; correct the members")
        _check_number("hierarchy", len(self.names), len(labels))
        if len(self.members) != len(self.names) or len(set(self.names)) != len(self.names):
            found = f"{len(set(self.names))} distinct names for {len(self.members)} super-classes"
            raise ConfigError(f"hierarchy: {found}; needed one each; correct the names")
        for name in self.names:
            try:
                check_identifier("hierarchy: super-class", name)
            except NetworkError as error:
                raise ConfigError(f"{error}; rename it") from None
        if not all(self.members) or sorted(labels) != list(range(len(labels))):
            found = "super-classes that leave out or repeat a class"
            raise ConfigError(f"hierarchy: {found}; needed each of 0..{len(labels) - 1} once; correct the members")
        if any(list(group) != sorted(group) for group in self.members):
            raise ConfigError("hierarchy: members out of order; needed ascending class indices; sort them")
        if not isinstance(self.origin, str) or not self.origin.isprintable() or len(self.origin) > MAX_ORIGIN:
            found = f"origin {shown(self.origin)}"
            raise ConfigError(f"hierarchy: {found}; needed at most {MAX_ORIGIN} printable characters; correct it")

    @property
    def coarse(self) -> Ints:
        """The super-class of each class, (classes,) int64."""
        coarse = np.zeros(sum(map(len, self.members)), dtype=np.int64)
        for index, group in enumerate(self.members):
            coarse[list(group)] = index
        return coarse

    def to_json(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return {"origin": ..., "superclasses": {name: [class names]}}; raise ConfigError for other classes."""
        self._check_classes(classes)
        groups = zip(self.names, self.members, strict=True)
        return {"origin": self.origin, "superclasses": {name: [classes[i] for i in group] for name, group in groups}}

    def _check_classes(self, classes: Sequence[str]) -> None:
        own = sum(map(len, self.members))
        if len(classes) != own:
            raise ConfigError(
                f"hierarchy: made of {own} classes; found {len(classes)}; use the data set it was made for"
            )


def make_hierarchy(where: str, groups: Mapping[str, Sequence[str]], classes: Sequence[str], origin: str) -> Hierarchy:
    """Return the hierarchy of class names by super-class, in the order given.

    Free names become identifiers: "large carnivores" is large_carnivores; two that would become the same get numbers.
    Raises ConfigError, `where` leading the line, unless there are 2 to 256 super-classes, fewer than classes, with
    every class in exactly one.

    >>> h = make_hierarchy("pets", {"Big cats": ["lion", "tiger"], "dogs": ["wolf"]}, ["lion", "tiger", "wolf"], "me")
    >>> h.names, h.members, h.coarse.tolist()
    (('big_cats', 'dogs'), ((0, 1), (2,)), [0, 0, 1])
    """
    label_of = {name: label for label, name in enumerate(classes)}
    place: dict[str, str] = {}
    for name, group in groups.items():
        if not isinstance(name, str) or not name.strip() or len(name) > 80 or not name.isprintable():
            needed = "1 to 80 printable characters"
            raise ConfigError(f"{where}: super-class name {shown(name)}; needed {needed}; rename it")
        if not isinstance(group, list | tuple) or not group or not all(isinstance(item, str) for item in group):
            found = "no class" if group in ([], ()) else f"found {shown(group)}"
            raise ConfigError(f"{where}: super-class {name!r}: {found}; needed a list of class names; correct it")
        for item in group:
            if item not in label_of:
                advice = suggestion(item, list(label_of), "remove it or correct the name")
                found = f"{shown(item)} is unknown"
                raise ConfigError(f"{where}: super-class {name!r}: {found}; needed one of the classes; {advice}")
            if item in place:
                both = f"in {place[item]!r} and {name!r}" if place[item] != name else f"twice in {name!r}"
                raise ConfigError(f"{where}: class {item!r} is {both}; needed it once; remove one")
            place[item] = name
    missing = [name for name in classes if name not in place]
    if missing:
        found = f"class {missing[0]!r}" + (f" and {len(missing) - 1} more are" if missing[1:] else " is")
        raise ConfigError(f"{where}: {found} in no super-class; needed every class in one; add what is missing")
    _check_number(where, len(groups), len(classes))
    members = tuple(tuple(sorted(label_of[item] for item in group)) for group in groups.values())
    return Hierarchy(_identifiers(list(groups)), members, origin)


def from_dataset(dataset: Dataset) -> Hierarchy | None:
    """Return the hierarchy that a data set brings, super-classes in the order of their first class, or None."""
    if dataset.superclasses is None:
        return None
    groups: dict[str, list[str]] = {}
    for name, superclass in zip(dataset.classes, dataset.superclasses, strict=True):
        groups.setdefault(superclass, []).append(name)
    return make_hierarchy(dataset.name, groups, dataset.classes, _origin("data set", dataset.name))


def read_hierarchy(path: str | PathLike[str], classes: Sequence[str]) -> Hierarchy:
    """Return the hierarchy of a JSON file: what `write_hierarchy` writes, or just {super-class: [class names]}.

    Raises ConfigError, in one line, for a file that is no such thing or does not fit `classes`.
    """
    path = Path(path)
    needed = "needed super-classes in JSON"
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be read ({reason}); {needed}; check the path") from None
    if len(raw) > MAX_FILE:
        raise ConfigError(f"{path}: more than {MAX_FILE} bytes; {needed}; check the path")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for key, value in pairs:
            if key in table:
                raise ConfigError(f"{path}: key {shown(key)} is there twice; needed it once; remove one")
            table[key] = value
        return table

    try:
        table = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=once)
    except ConfigError:
        raise
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; {needed}; save it as UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply; {needed}, {{name: [classes]}}; flatten it") from None
    except ValueError as error:  # JSONDecodeError, and a number of too many digits
        raise ConfigError(f"{path}: no JSON ({error}); {needed}; correct it") from None
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: found {shown(table)}; {needed}, {{name: [classes]}}; correct it")
    origin = _origin("file", path.name)
    if isinstance(table.get("superclasses"), dict):
        odd = next((key for key in table if key not in ("origin", "superclasses")), None)
        if odd is not None:
            raise ConfigError(f"{path}: key {shown(odd)} is unknown; needed origin and superclasses; remove it")
        origin, table = table.get("origin", origin), table["superclasses"]
        if not isinstance(origin, str) or not origin.isprintable() or len(origin) > MAX_ORIGIN:
            found = f"origin is {shown(origin)}"
            raise ConfigError(f"{path}: {found}; needed at most {MAX_ORIGIN} printable characters; correct it")
    return make_hierarchy(str(path), table, classes, origin)


def write_hierarchy(path: str | PathLike[str], hierarchy: Hierarchy, classes: Sequence[str]) -> None:
    """Write the hierarchy as JSON, the same bytes each time; `read_hierarchy` reads it back equal.

    Raises ConfigError for other classes than its own, or where the file cannot be written.
    """
    text = json.dumps(hierarchy.to_json(classes), indent=1, ensure_ascii=False) + "\n"
    try:
        Path(path).write_bytes(text.encode())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be written ({reason}); needed a place for it; check the path") from None


def tree(hierarchy: Hierarchy, classes: Sequence[str], shares: Sequence[float] | None = None) -> str:
    """Return the hierarchy as lines for a terminal; `shares`: of each super-class 0..1, as of the images it gets.

    >>> digits = [str(d) for d in range(5)]
    >>> h = make_hierarchy("digits", {"round": ["0", "3"], "straight": ["1", "2", "4"]}, digits, "by hand")
    >>> print(tree(h, digits, [0.402, 0.598]))
    5 classes in 2 super-classes (by hand)
    |- round      40.2 %  0, 3
    `- straight   59.8 %  1, 2, 4
    """
    hierarchy._check_classes(classes)
    if shares is not None and len(shares) != len(hierarchy.names):
        found = f"{len(shares)} shares for {len(hierarchy.names)} super-classes"
        raise ConfigError(f"hierarchy: {found}; needed one each; correct them")
    lines = [f"{len(classes)} classes in {len(hierarchy.names)} super-classes ({hierarchy.origin})"]
    width = max(map(len, hierarchy.names))
    for k, (name, group) in enumerate(zip(hierarchy.names, hierarchy.members, strict=True)):
        last = k == len(hierarchy.names) - 1
        head = f"{'`-' if last else '|-'} {name:{width}}  "
        head += "" if shares is None else f"{100 * shares[k]:5.1f} %  "
        rest = (" " if last else "|").ljust(len(head))
        body = wrap(
            ", ".join(classes[i] for i in group),
            max(40, 100 - len(head)),
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += [(rest if row else head) + text for row, text in enumerate(body)]
    return "\n".join(lines)


def discover(confusion: FloatArray, superclasses: int | None, balanced: bool, classes: Sequence[str]) -> Hierarchy:
    """Return super-classes of the classes that a flat network confuses with each other: group0, group1, ...

    `confusion` (C, C) float, row = true class, each row summing to 1; `superclasses` in 2..C-1, or None: chosen by
    silhouette; `balanced`: sizes differ by at most one. How, and what is refused: see `group_classes`. The groups are
    numbered in the order of their smallest class.

    >>> p = [[0.8, 0.1, 0.07, 0.03], [0.2, 0.7, 0.1, 0.0], [0.0, 0.1, 0.6, 0.3], [0.1, 0.0, 0.2, 0.7]]
    >>> discover(np.array(p), 2, False, ["cat", "dog", "car", "van"]).members
    ((0, 1), (2, 3))
    """
    group_of = group_classes(confusion, len(classes), superclasses, balanced)
    members = sorted(tuple(np.flatnonzero(group_of == group).tolist()) for group in np.unique(group_of))
    kind = "balanced super-classes" if balanced else "super-classes"
    chosen = "by silhouette" if superclasses is None else "as asked"
    origin = f"confusions of a flat network, {len(members)} {kind} {chosen}"
    return Hierarchy(tuple(f"group{k}" for k in range(len(members))), tuple(members), origin)


def _check_number(where: str, number: int, classes: int) -> None:
    if not 2 <= number <= MAX_BRANCHES:
        found = f"{number} super-class{'' if number == 1 else 'es'}"
        raise ConfigError(f"{where}: {found}; needed 2 to {MAX_BRANCHES}; regroup the classes")
    if number >= classes:
        raise ConfigError(
            f"{where}: {number} super-classes of {classes} classes; needed fewer super-classes; regroup the classes"
        )


def _origin(kind: str, name: str) -> str:
    """Return "kind name", printable and not too long whatever the name."""
    shown_name = "".join(c if c.isprintable() else "?" for c in name)
    return f"{kind} {shown_name}"[:MAX_ORIGIN]


def _identifiers(names: Sequence[str]) -> tuple[str, ...]:
    """Return distinct identifiers for distinct free names; a name that is one keeps it, others get numbers."""
    taken = {name for name in names if _IDENTIFIER.fullmatch(name)}
    result = []
    for name in names:
        unique = text = name if name in taken else _identifier(name)
        number = 2
        while text != name and unique in taken:
            unique = f"{text[: MAX_NAME - len(str(number)) - 1]}_{number}"
            number += 1
        taken.add(unique)
        result.append(unique)
    return tuple(result)


def _identifier(name: str) -> str:
    text = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    text = re.sub(r"[^a-z0-9]+", "_", text).strip("_")
    return (text if text[:1].isalpha() else f"group_{text}".rstrip("_"))[:MAX_NAME]


def given_hierarchy(config: Config, dataset: Dataset) -> Hierarchy | None:
    """Return the super-classes that need no discovery: of the file, or of the data set. None: flat, or to discover."""
    settings = config.hierarchy
    if settings is None:
        return None
    if settings.source == "file":
        assert settings.file is not None
        return read_hierarchy(settings.file, dataset.classes)
    own = from_dataset(dataset) if settings.source in ("auto", "dataset") else None
    if own is None and settings.source == "dataset":
        raise ConfigError(
            f"{config.source}: [hierarchy] key 'source': \"dataset\", but {dataset.name} has no super-classes; needed "
            'some; write source = "discover"'
        )
    if own is not None and (settings.superclasses is not None or settings.balanced):
        raise ConfigError(
            f"{config.source}: [hierarchy]: superclasses or balanced given, but {dataset.name} has super-classes of "
            'its own; needed one of them; write source = "discover", or remove the keys'
        )
    return own
