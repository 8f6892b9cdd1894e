"""What an artifact's info says of growing and of baselines, checked: info is outside the identity and untrusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossloom.sim import Network

MAX_RECORDS = 100
BASELINES = {"flat": "flat", "bcnn": "B-CNN"}


@dataclass(frozen=True)
class Outcome:
    """Accuracies, 0..1, after a class was added: of the classes before it, and of itself."""

    old_after: float
    new_accuracy: float


@dataclass(frozen=True)
class Grown:
    """One class that was added: with the coarse head kept or retrained, and which of the two was taken."""

    name: str
    branch: str
    old_before: float
    old_after: float
    new_accuracy: float
    coarse_retrained: bool
    kept: Outcome
    retrained: Outcome


@dataclass(frozen=True)
class Baseline:
    """Test accuracy, 0..1, of a trained baseline, and where the figure comes from."""

    accuracy: float
    origin: str


def read_grown(info: Mapping[str, Any], network: Network) -> tuple[tuple[Grown, ...], tuple[str, ...]]:
    """Return the records of `info["grown"]` that make sense, and a note for each that does not."""
    found = info.get("grown", [])
    if not isinstance(found, list):
        return (), ("The record of added classes is no list and is left out.",)
    records, notes = [], []
    for index, value in enumerate(found[:MAX_RECORDS]):
        try:
            records.append(_grown(value, network))
        except ValueError as error:
            notes.append(f"Record {index + 1} of the added classes is malformed ({error}) and is left out.")
    if len(found) > MAX_RECORDS:
        notes.append(f"The first {MAX_RECORDS} of {len(found)} records of added classes are shown.")
    return tuple(records), tuple(notes)


def read_baselines(info: Mapping[str, Any]) -> tuple[dict[str, Baseline], tuple[str, ...]]:
    """Return the trained baselines of `info["baselines"]` by key, and a note for each that makes no sense."""
    found = info.get("baselines", {})
    if not isinstance(found, dict):
        return {}, ("The record of baselines is no object and is left out.",)
    records, notes = {}, []
    for key, title in BASELINES.items():
        if key in found:
            try:
                value = _object(found[key])
                records[key] = Baseline(_fraction(value, "accuracy"), _string(value, "origin"))
            except ValueError as error:
                notes.append(f"The record of the {title} baseline is malformed ({error}) and is left out.")
    return records, tuple(notes)


def _grown(value: object, network: Network) -> Grown:
    record = _object(value)
    name, branch = _string(record, "class"), _string(record, "branch")
    if name not in (network.hierarchy or {}).get(branch, []):
        raise ValueError("its class is not in its branch of this network")
    retrained = record.get("coarse_retrained")
    if not isinstance(retrained, bool):
        raise ValueError("'coarse_retrained' is neither true nor false")
    return Grown(
        name,
        branch,
        _fraction(record, "old_before"),
        _fraction(record, "old_after"),
        _fraction(record, "new_accuracy"),
        retrained,
        _outcome(record, "kept"),
        _outcome(record, "retrained"),
    )


def _outcome(record: dict[str, Any], key: str) -> Outcome:
    value = _object(record.get(key))
    return Outcome(_fraction(value, "old_after"), _fraction(value, "new_accuracy"))


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    return value


def _string(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key!r} is no text")
    return value


def _fraction(record: dict[str, Any], key: str) -> float:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{key!r} is no fraction of 0..1")
    return float(value)
