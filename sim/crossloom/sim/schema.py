"""A network as plain data and back: JSON attributes beside one array per tensor and bank."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeAlias

import numpy as np

from .errors import NetworkError
from .network import INPUT, Branch, Input, Network, Node, Route
from .ops import OPERATORS
from .ops.base import parameters
from .types import IntArray, QType, Rounding, check_identifier

SCHEMA = 1
Json: TypeAlias = dict[str, Any]


def encode_type(type_: QType) -> Json:
    """QType -> {"lo", "hi", "frac"}; frac is a list where it is per channel."""
    return {"lo": type_.lo, "hi": type_.hi, "frac": list(type_.frac) if isinstance(type_.frac, tuple) else type_.frac}


def encode(network: Network) -> tuple[Json, dict[str, IntArray]]:
    """Return the JSON object of a network and its arrays by name (`node.tensor`, `node.tensor.bank`)."""
    arrays: dict[str, IntArray] = {f"{INPUT}.table": network.input.table}
    plain: Json = {
        "schema": SCHEMA,
        "name": network.name,
        "classes": list(network.classes),
        "input": _encode_input(network.input),
        "nodes": _encode_nodes(network.nodes, "", arrays),
        "output": network.output,
        "route": None,
    }
    if route := network.route:
        plain["route"] = {
            "source": route.source,
            "output": route.output,
            "capacity": route.capacity,
            "branches": [
                {"name": b.name, "classes": list(b.classes), "nodes": _encode_nodes(b.nodes, f".{index}", arrays)}
                for index, b in enumerate(route.branches)
            ],
        }
    return plain, arrays


def _encode_input(given: Input) -> Json:
    plain: Json = {"shape": list(given.shape), "type": encode_type(given.type)}
    if given.encoder != "direct":
        plain |= {"encoder": given.encoder, "steps": given.steps, "seed": given.seed}
    return plain


def _decode_input(value: object, table: IntArray) -> Input:
    time = {"encoder", "steps", "seed"}
    keys = {"shape", "type"} | (time if isinstance(value, dict) and time & value.keys() else set())
    plain = _object("network.json: input", value, keys)
    shape, type_ = _ints("input: shape", plain["shape"]), _type("input: type", plain["type"])
    if keys.isdisjoint(time):
        return Input(shape, type_, table)
    steps, seed = _int("input: steps", plain["steps"]), _int("input: seed", plain["seed"])
    return Input(shape, type_, table, _text("input: encoder", plain["encoder"]), steps, seed)


def _encode_nodes(nodes: tuple[Node, ...], bank: str, arrays: dict[str, IntArray]) -> list[Json]:
    encoded = []
    for node in nodes:
        plain: Json = {"name": node.name, "op": node.op.kind, "inputs": list(node.inputs)}
        for name, value in parameters(node.op).items():
            if isinstance(value, np.ndarray):
                arrays[f"{node.name}.{name}{bank}"] = value
            elif isinstance(value, QType):
                plain[name] = encode_type(value)
            else:
                plain[name] = list(value) if isinstance(value, tuple) else value
        encoded.append(plain)
    return encoded


def decode(plain: object, arrays: Mapping[str, IntArray]) -> Network:
    """Return the network of `encode`; raise NetworkError for anything missing, unknown, unused or malformed."""
    top = _object("network.json", plain, {"schema", "name", "classes", "input", "nodes", "output", "route"})
    if top["schema"] != SCHEMA or isinstance(top["schema"], bool):
        raise NetworkError(
            f"network.json: schema {repr(top['schema'])[:20]}; this version reads schema {SCHEMA}: "
            "use the Crossloom version that wrote it"
        )
    rest = dict(arrays)
    network_input = _decode_input(top["input"], _take(rest, f"{INPUT}.table"))
    nodes = _decode_nodes(top["nodes"], "", rest)
    route = None
    if top["route"] is not None:
        r = _object("network.json: route", top["route"], {"source", "output", "capacity", "branches"})
        branches = []
        for index, item in enumerate(_list("route: branches", r["branches"])):
            b = _object(f"route: branch {index}", item, {"name", "classes", "nodes"})
            bank = _decode_nodes(b["nodes"], f".{index}", rest)
            branches.append(Branch(_text("branch: name", b["name"]), _ints("branch: classes", b["classes"]), bank))
        route = Route(
            _text("route: source", r["source"]),
            _text("route: output", r["output"]),
            _int("route: capacity", r["capacity"]),
            tuple(branches),
        )
    if rest:
        raise NetworkError(f"network.json: tensor {min(rest)!r} belongs to no node")
    classes = tuple(_text("classes", name) for name in _list("classes", top["classes"]))
    output = _text("output", top["output"])
    return Network(_text("name", top["name"]), network_input, nodes, output, classes, route)


def _decode_nodes(items: object, bank: str, arrays: dict[str, IntArray]) -> tuple[Node, ...]:
    nodes = []
    for index, item in enumerate(_list("nodes", items)):
        if not isinstance(item, dict) or not {"name", "op", "inputs"} <= item.keys():
            raise NetworkError(f"network.json: node {index}: needed an object with name, op, inputs")
        name = check_identifier(f"node {index}", item["name"])
        kind = _text(f"node {name!r}: op", item["op"])
        if kind not in OPERATORS:
            raise NetworkError(f"node {name!r}: unknown operator {kind[:40]!r}; known: {', '.join(OPERATORS)}")
        attributes = {f.name: str(f.type) for f in fields(OPERATORS[kind])}  # type: ignore[arg-type]  # as above
        plain = {key for key, annotation in attributes.items() if annotation != "IntArray"}
        _object(f"node {name!r}", item, {"name", "op", "inputs"} | plain)
        values: dict[str, Any] = {}
        for key, annotation in attributes.items():
            where = f"node {name!r}: {key}"
            if annotation == "IntArray":
                values[key] = _take(arrays, f"{name}.{key}{bank}")
            else:
                values[key] = _DECODERS[annotation](where, item[key])
        inputs = tuple(_text(f"node {name!r}: inputs", i) for i in _list(f"node {name!r}: inputs", item["inputs"]))
        try:
            nodes.append(Node(name, OPERATORS[kind](**values), inputs))
        except NetworkError as error:
            raise error if str(error).startswith("node") else NetworkError(f"node {name!r}: {error}") from None
    return tuple(nodes)


def _object(where: str, value: object, keys: set[str]) -> Json:
    if not isinstance(value, dict):
        raise NetworkError(f"{where}: found {type(value).__name__}; needed an object")
    for key in value:
        if key not in keys:
            raise NetworkError(f"{where}: unknown key {key[:40]!r}; known: {', '.join(sorted(keys))}")
    for key in sorted(keys):
        if key not in value:
            raise NetworkError(f"{where}: key {key!r} is missing")
    return value


def _list(where: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise NetworkError(f"{where}: found {type(value).__name__}; needed a list")
    return value


def _text(where: str, value: object) -> str:
    if not isinstance(value, str):
        raise NetworkError(f"{where}: found {type(value).__name__}; needed a string")
    return value


def _int(where: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise NetworkError(f"{where}: found {type(value).__name__}; needed an integer")
    return value


def _flag(where: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise NetworkError(f"{where}: found {type(value).__name__}; needed true or false")
    return value


def _ints(where: str, value: object) -> tuple[int, ...]:
    return tuple(_int(where, item) for item in _list(where, value))


def _type(where: str, value: object) -> QType:
    plain = _object(where, value, {"lo", "hi", "frac"})
    frac = plain["frac"]
    try:
        return QType(plain["lo"], plain["hi"], _ints(where, frac) if isinstance(frac, list) else frac)
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}") from None


def _rounding(where: str, value: object) -> Rounding:
    names = [r.value for r in Rounding]
    if value not in names:
        raise NetworkError(f"{where}: {str(value)[:40]!r}; needed one of {', '.join(names)}")
    return Rounding(value)


def _take(arrays: dict[str, IntArray], name: str) -> IntArray:
    if name not in arrays:
        raise NetworkError(f"network.json: tensor {name!r} is missing")
    return arrays.pop(name)


# By the annotation as written: the operators' modules use postponed annotations.
_DECODERS: dict[str, Callable[[str, object], object]] = {
    "int": _int,
    "tuple[int, int]": _ints,
    "tuple[int, int, int, int]": _ints,
    "QType": _type,
    "Rounding": _rounding,
    "bool": _flag,
    "str": _text,
}
