"""`crossloom diff`: what sets two designs apart."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from crossloom.sim import Artifact, batches, compare, load
from crossloom.sim import run as simulate
from crossloom.sim.comparison import joined
from crossloom.sim.identity import structure, structure_sha256, weights_sha256
from crossloom.sim.schema import encode

from ..designs import find_design
from ..summary import accuracy_of
from ..tables import percent, table
from . import Report


def _flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves of nested JSON by path; list items that have a name go by it."""
    if isinstance(value, dict):
        return {
            k: v for key, item in value.items() for k, v in _flatten(item, f"{path}.{key}" if path else key).items()
        }
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {
            k: v for i, item in enumerate(value) for k, v in _flatten(item, f"{path}[{item.get('name', i)}]").items()
        }
    return {path: value}


def _structure(a: Artifact, b: Artifact) -> list[dict[str, Any]]:
    left, right = _flatten(structure(a.network)), _flatten(structure(b.network))
    return [
        {"where": key, "a": left.get(key), "b": right.get(key)}
        for key in dict.fromkeys([*left, *right])
        if left.get(key) != right.get(key)
    ]


def _tensors(a: Artifact, b: Artifact) -> list[dict[str, Any]]:
    """Tensors that differ: codes changed and values in all, or None where shapes differ or one is missing."""
    left, right = encode(a.network)[1], encode(b.network)[1]
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys([*left, *right]):
        x, y = left.get(name), right.get(name)
        if x is None or y is None or x.shape != y.shape:
            rows.append({"tensor": name, "changed": None, "values": None})
        elif not np.array_equal(x, y):
            rows.append({"tensor": name, "changed": int((x != y).sum()), "values": int(x.size)})
    return rows


def _answers(a: Artifact, b: Artifact) -> dict[str, int] | None:
    """How many of a's golden test images the two label differently, where both read the same images."""
    golden, other = a.golden, b.network.input
    same = a.network.input.image_shape == other.image_shape and a.network.input.levels == other.levels
    if golden is None or golden.inputs is None or not same or a.network.classes != b.network.classes:
        return None
    left, right = (simulate(n, golden.inputs).labels for n in (a.network, b.network))
    return {"images": golden.vectors, "different": int((left != right).sum())}


def _edges(a: Artifact, b: Artifact) -> dict[str, Any] | None:
    """Codes that differ by edge on a's golden test images, and the first, where the structure is the same."""
    golden = a.golden
    if golden is None or golden.inputs is None or structure_sha256(a.network) != structure_sha256(b.network):
        return None
    names, parts = list(a.network.edges), []
    for rows in batches(a.network, len(golden.inputs)):
        left, right = (
            simulate(n, golden.inputs[rows], edges=names, index=rows.start).edges for n in (a.network, b.network)
        )
        parts.append(compare(a.network, left, right, rows.start))
    found = joined(a.network, parts)
    first = None if found.first is None else str(found.first)
    return {"codes": found.codes, "differences": dict(found.differences), "first": first}


def run(args: argparse.Namespace) -> Report:
    """Compare two designs; the exit code is 0 either way."""
    a, b = load(find_design(args.a)), load(find_design(args.b))
    data: dict[str, Any] = {
        "a": a.network.name,
        "b": b.network.name,
        "same_file": a.sha256 == b.sha256,
        "same_structure": structure_sha256(a.network) == structure_sha256(b.network),
        "same_weights": weights_sha256(a.network) == weights_sha256(b.network),
        "structure": _structure(a, b),
        "tensors": _tensors(a, b),
        "accuracy": {"a": accuracy_of(a), "b": accuracy_of(b)},
        "answers": _answers(a, b),
        "edges": _edges(a, b),
    }
    lines = [
        f"structure: {'the same' if data['same_structure'] else 'differs'}",
        f"weights:   {'the same' if data['same_weights'] else 'differ'}",
        f"accuracy:  {percent(data['accuracy']['a'])} and {percent(data['accuracy']['b'])}",
    ]
    if data["answers"]:
        lines.append(f"answers:   {data['answers']['different']} of {data['answers']['images']} test images differ")
    if data["structure"]:
        lines += ["", table(["structure", "a", "b"], [[r["where"], r["a"], r["b"]] for r in data["structure"]])]
    if data["tensors"]:
        rows = [
            [r["tensor"], "other shape" if r["changed"] is None else f"{r['changed']:,} of {r['values']:,}"]
            for r in data["tensors"]
        ]
        lines += ["", table(["tensor", "changed"], rows)]
    if data["edges"] and data["edges"]["first"]:
        changed = [[name, count] for name, count in data["edges"]["differences"].items()]
        lines += ["", table(["edge", "codes that differ"], changed), f"first, b beside a: {data['edges']['first']}"]
    return Report(data, "\n".join(lines))
