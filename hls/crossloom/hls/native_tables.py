"""The native flow's tensors: as tables of C++ in the order in which the kernels read them, and what fills them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crossloom.sim.frames import ROW_BITS, SHIFT_BITS, LoadField, load_fields
from crossloom.sim.network import Network, Node
from crossloom.sim.ops import Conv2d, Dense, Op, Requant, Threshold
from crossloom.sim.types import AnyArray, bits_of

from .folding import Folding

USED = "rows_used"
_PER_LINE = 32


@dataclass(frozen=True, eq=False)
class Table:
    """One tensor of a node for all its banks: `values` (banks, ...), of `bits` bits.

    `fixed` where no load rewrites it; `words` where one word of the last axis is read a cycle; `load` is the kernel
    that fills one bank.
    """

    name: str
    values: AnyArray
    bits: int
    signed: bool
    fixed: bool
    words: bool
    load: str

    @property
    def banked(self) -> bool:
        """Whether there is more than one bank."""
        return len(self.values) > 1


def node_tables(network: Network, folding: Folding) -> dict[str, dict[str, Table]]:
    """The tables of each node that has any, by node and tensor."""
    found = {}
    route = network.route
    for node in network.nodes:
        found[node.name] = _tables(network, folding, node, [node.op], route is None or node.name not in network.head)
    for nodes in zip(*(branch.nodes for branch in (route.branches if route else ())), strict=True):
        found[nodes[0].name] = _tables(network, folding, nodes[0], [node.op for node in nodes], False)
    return {name: tables for name, tables in found.items() if tables}


def threshold_bits(network: Network, node: Node) -> int:
    """Width of a node's thresholds, in two's complement: one code above the accumulator stands for "never"."""
    source = network.edges[node.inputs[0]].type
    return bits_of(min(source.lo, -1), source.hi + 1)


def _tables(network: Network, folding: Folding, node: Node, banks: Sequence[Op], fixed: bool) -> dict[str, Table]:
    op = node.op

    def table(tensor: str, bits: int, values: AnyArray, signed: bool = True, load: str = "") -> Table:
        load = load or f"load_tensor<{bits}, true>"
        return Table(f"{tensor}_{node.name}", values, bits, signed, fixed, tensor == "weight", load)

    def stack(tensor: str) -> AnyArray:
        return np.stack([getattr(bank, tensor) for bank in banks])

    if isinstance(op, Conv2d | Dense):
        fold, out = folding.folds[node.name], len(op.weight)
        dense, type_ = isinstance(op, Dense), op.weight_type
        words = stack("weight").reshape(len(banks), out // fold.outputs, fold.outputs, -1, fold.inputs)
        # From (bank, output fold, output, input fold, input); a Dense layer goes through the inputs outside.
        words = words.transpose(0, 3, 1, 2, 4) if dense else words.transpose(0, 1, 3, 2, 4)
        sizes = f"{out}, {op.weight[0].size}, {fold.outputs}, {fold.inputs}, {_bool(dense)}"
        load = f"load_weights<{type_.bits}, {_bool(type_.signed)}, {sizes}>"
        weight = words.reshape(len(banks), -1, fold.products)
        return {
            "weight": table("weight", type_.bits, weight, type_.signed, load),
            "bias": table("bias", op.bias_bits, stack("bias")),
        }
    if isinstance(op, Requant):
        return {"shift": table("shift", SHIFT_BITS, stack("shift"))}
    if isinstance(op, Threshold):
        return {"thresholds": table("thresholds", threshold_bits(network, node), stack("thresholds"))}
    return {}


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _initializer(values: AnyArray) -> str:
    """Nested braces around an array's values, the innermost broken into lines."""
    if values.ndim > 1:
        return "{" + ",\n".join(_initializer(part) for part in values) + "}"
    texts = [str(value) for value in values.tolist()]
    return "{" + ",\n".join(",".join(texts[i : i + _PER_LINE]) for i in range(0, len(texts), _PER_LINE)) + "}"


def weights_header(network: Network, tables: Mapping[str, Mapping[str, Table]]) -> str:
    """`weights.hpp`: every table with the network's own values."""
    lines = [f"// Tensors of {network.name}, [bank][...], as the kernels read them.", ""]
    for table in (table for found in tables.values() for table in found.values()):
        shape = "".join(f"[{n}]" for n in table.values.shape)
        kind = "static const" if table.fixed else "static"
        stored = f"crossloom::Stored<{table.bits}, {_bool(table.signed)}>::type"
        lines += [f"{kind} {stored} {table.name}{shape} =", f"{_initializer(table.values)};"]
    if network.route:
        counts = ", ".join(str(len(branch.classes)) for branch in network.route.branches)
        stored = f"crossloom::Stored<{ROW_BITS + 1}, false>::type"
        lines.append(f"static {stored} {USED}[{len(network.route.branches)}] = {{{counts}}};  // of each branch")
    return "\n".join([*lines, ""])


def load_function(network: Network, tables: Mapping[str, Mapping[str, Table]]) -> Iterator[str]:
    """The function that rewrites coarse head and branches, in the order of `load_fields`; none in a flat network."""
    if network.route is None:
        return
    yield "// Everything of a load but the identity."
    yield "void load(hls::stream<beat_t>& in) {"
    fields = list(load_fields(network))
    yield from _loads((f for f in fields if f.section == 0), tables, "0", "    ")
    yield "Bank:"
    yield "    for (unsigned bank = 0; bank < kBanks; bank++) {"
    yield from _loads((f for f in fields if f.section == 1), tables, "bank", "        ")
    yield "    }\n}\n"


def _loads(
    fields: Iterable[LoadField], tables: Mapping[str, Mapping[str, Table]], bank: str, indent: str
) -> Iterator[str]:
    """One call for each field; every branch has the same ones in the same order."""
    for field in fields:
        if field.tensor == "classes":
            yield f"{indent}crossloom::load_value<{field.bits}, false>(in, {USED}[{bank}]);"
        else:
            table = tables[field.node][field.tensor]
            yield f"{indent}crossloom::{table.load}(in, {table.name}[{bank}]);"
