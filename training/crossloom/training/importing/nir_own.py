"""Networks of ours as NIR files and back: real numbers for others, the integers themselves in the metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.sim import CrossloomError, ForeignError, Network
from crossloom.sim.places import check_file_place
from crossloom.sim.schema import decode, encode
from crossloom.sim.strict_json import parsed
from crossloom.sim.text import printable
from crossloom.sim.types import AnyArray

from .nir_file import NirFile, need_nir
from .nir_graph import ordered
from .nir_nodes import Group, groups

STEP = 1e-4
"""Seconds of a time step where none is given, as most libraries have it."""
KEY = "crossloom"


def export_nir(network: Network, path: str | os.PathLike[str], step: float = STEP) -> None:
    """Write a flat network of neurons as a NIR file, whose time steps last `step` seconds.

    Each node carries its integers, comparison, reset and steps as metadata, with which `import_nir(path, "crossloom")`
    gives the same network. Raises ForeignError naming the operator that no NIR node says, or where nothing can be
    written.
    """
    need_nir()
    import nir

    check_file_place(Path(path), ForeignError)
    if not (0 < step < 1e6):
        raise ForeignError(f"--step {step}: needed seconds above 0")
    nodes, edges = {}, []
    before = ""
    for group in _with_metadata(network, step):
        given = {key: value for key, value in group.numbers.items()}
        nodes[group.name] = getattr(nir, group.kind)(**given, metadata=group.metadata)
        edges += [(before, group.name)] if before else []
        before = group.name
    try:
        graph = nir.NIRGraph(nodes=nodes, edges=edges, type_check=False, metadata=_whole(network, step))
        nir.write(Path(path), graph)
    except OSError as error:
        raise ForeignError(f"{printable(Path(path), 400)}: cannot be written ({error.strerror or error})") from None


def _with_metadata(network: Network, step: float) -> list[Group]:
    plain, arrays = encode(network)
    by_name = {node["name"]: node for node in plain["nodes"]}
    found = []
    for group in groups(network, step):
        operators = [by_name[name] for name in group.operators]
        own = {key: value for key, value in arrays.items() if key.partition(".")[0] in group.operators}
        metadata = {**group.said, **({KEY: json.dumps(operators), **own} if operators else {})}
        found.append(group.but(metadata))
    return found


def _whole(network: Network, step: float) -> dict[str, Any]:
    """What belongs to no node: name, classes, input, answer, and the seconds of a step."""
    plain, arrays = encode(network)
    rest = {key: value for key, value in plain.items() if key != "nodes"}
    return {KEY: json.dumps(rest), "input.table": arrays["input.table"], "step": float(step)}


def own_network(file: NirFile) -> Network:
    """Return the network whose integers a file carries; raise ForeignError where they are none, or not its numbers."""
    where = "--writer crossloom"
    given = file.metadata.get(KEY)
    if not isinstance(given, str):
        raise ForeignError(f"{where}: the file carries no integers of ours; needed one that `crossloom export` wrote")
    arrays: dict[str, AnyArray] = {"input.table": _ints(where, file.metadata.get("input.table"))}
    operators: list[Any] = []
    for name in ordered(file):
        metadata = file.nodes[name].get("metadata", {})
        if not isinstance(metadata, dict):
            continue
        if KEY in metadata:
            operators += _list(f"node {printable(name)!r}", _json(f"node {printable(name)!r}", metadata[KEY]))
        arrays |= {key: _ints(key, value) for key, value in metadata.items() if "." in key}
    rest = _json(where, given)
    if not isinstance(rest, dict):
        raise ForeignError(f"{where}: what the file says of its network is no object; export it again")
    try:
        network = decode({**rest, "nodes": operators}, arrays)
    except CrossloomError as error:
        raise ForeignError(f"{where}: {error}; export it again") from None
    _compare(file, network)
    return network


def _compare(file: NirFile, network: Network) -> None:
    """Raise ForeignError where a node's numbers are not those of its integers: somebody changed one of them."""
    step = np.asarray(file.metadata.get("step", STEP)).reshape(-1)
    seconds = float(step[0]) if len(step) == 1 and step.dtype.kind in "iuf" else STEP
    wanted = {group.name: group for group in groups(network, seconds)}
    if set(wanted) != set(file.nodes):
        raise ForeignError(
            "--writer crossloom: nodes were added or removed since it was exported; import its writer's file"
        )
    for name, group in wanted.items():
        node = file.nodes[name]
        same = node["type"] == group.kind
        said = node.get("metadata", {})
        for key, value in group.said.items():
            found = said.get(key) if isinstance(said, dict) else None
            if not np.array_equal(np.asarray(found), np.asarray(value)):
                raise ForeignError(
                    f"node {printable(name)!r}: the {key} in its metadata is not that of its integers; needed a file "
                    "as it was exported"
                )
        for key, value in group.numbers.items():
            if isinstance(value, Mapping):
                key, value = "input_type" if group.kind == "Flatten" else "shape", next(iter(value.values()))
            if value is not None:
                same &= np.array_equal(np.asarray(node.get(key)), np.asarray(value))
            if not same:
                raise ForeignError(
                    f"node {printable(name)!r}: its {key} is not that of the integers beside it; needed a file as it "
                    "was exported; name the writer of what changed it"
                )


def _ints(where: str, value: Any) -> AnyArray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu":
        raise ForeignError(f"{where[:80]}: no integers in the file's metadata; needed them; export it again")
    return value


def _json(where: str, text: Any) -> Any:
    if not isinstance(text, str):
        raise ForeignError(f"{where}: its operators are no text; export it again")
    try:
        return parsed(text)
    except (ValueError, RecursionError):
        raise ForeignError(f"{where}: its operators are no JSON; export it again") from None


def _list(where: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise ForeignError(f"{where}: its operators are no list; export it again")
    return value
