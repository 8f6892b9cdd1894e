"""The native flow's tensors: as tables of C++ in the order in which the kernels read them, and what fills them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from crossloom.sim.frames import CLASSES_BITS, LoadField, load_fields
from crossloom.sim.network import Network, Node
from crossloom.sim.ops import Op
from crossloom.sim.types import AnyArray

from .folding import Folding
from .names import cpp_name
from .ops import NATIVE, Table
from .ops.base import cpp_bool

USED = "rows_used"
_PER_LINE = 32


def node_tables(network: Network, folding: Folding) -> dict[str, dict[str, Table]]:
    """The tables of each node that has any, by node and tensor."""
    found = {}
    route = network.route
    for node in network.nodes:
        found[node.name] = _tables(network, folding, node, [node.op], route is None or node.name not in network.head)
    for nodes in zip(*(branch.nodes for branch in (route.branches if route else ())), strict=True):
        found[nodes[0].name] = _tables(network, folding, nodes[0], [node.op for node in nodes], False)
    return {name: tables for name, tables in found.items() if tables}


def _tables(network: Network, folding: Folding, node: Node, banks: Sequence[Op], fixed: bool) -> dict[str, Table]:
    op, native, found = node.op, NATIVE[node.op.kind], {}
    for tensor in op.tensors([network.edges[name] for name in node.inputs]):
        values = np.stack([getattr(bank, tensor.name) for bank in banks])
        layout = native.layout(op, tensor, values, folding.folds.get(node.name))
        found[tensor.name] = Table(cpp_name(tensor.name, node.name), tensor.bits, tensor.signed, fixed, layout)
    return found


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
        shape = "".join(f"[{n}]" for n in table.layout.values.shape)
        kind = "static const" if table.fixed else "static"
        stored = f"crossloom::Stored<{table.bits}, {cpp_bool(table.signed)}>::type"
        lines += [f"{kind} {stored} {table.name}{shape} =", f"{_initializer(table.layout.values)};"]
    if network.route:
        counts = ", ".join(str(len(branch.classes)) for branch in network.route.branches)
        stored = f"crossloom::Stored<{CLASSES_BITS}, false>::type"
        lines.append(f"static {stored} {USED}[{len(network.route.branches)}] = {{{counts}}};  // of each branch")
    return "\n".join([*lines, ""])


def load_function(network: Network, tables: Mapping[str, Mapping[str, Table]]) -> Iterator[str]:
    """The function that rewrites coarse head and branches, in the order of `load_fields`; none in a flat network."""
    if network.route is None:
        return
    yield "// Everything of a load but the identity."
    yield "CROSSLOOM_DATAFLOW void load(hls::stream<beat_t>& in) {"
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
            yield f"{indent}crossloom::{table.layout.load}(in, {table.name}[{bank}]);"
