"""The dataflow of the native flow: the processes that a network becomes, and the streams between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from crossloom.sim.frames import ROW_BITS, frame_layout
from crossloom.sim.network import INPUT, Network, Node
from crossloom.sim.ops import Edge
from crossloom.sim.types import QType

from .folding import Folding
from .names import cpp_name
from .native_tables import USED
from .ops import NATIVE, Table
from .ops.base import BANK, OUT, Numbers, Place, Process, Stream, int_type, struct

# Readers of a stream that are no nodes of the network, nor called like one.
_ROUTE, _RESULT = "(route)", "(result)"
_LAST = "result"  # the process that writes the answer


@dataclass(frozen=True)
class Graph:
    """Types, streams and processes of a core, in an order in which each may run to its end before the next."""

    types: tuple[str, ...]
    streams: tuple[Stream, ...]
    processes: tuple[Process, ...]


def code_type(edge: Edge) -> str:
    """The C++ type of an edge's codes; an accumulator adds in two's complement."""
    lo = min(edge.type.lo, -1) if edge.accumulator else edge.type.lo
    return int_type(QType(lo, edge.type.hi))


class _Builder:
    """Puts a graph together from a network, its folding and its tables."""

    def __init__(self, network: Network, folding: Folding, tables: Mapping[str, Mapping[str, Table]]) -> None:
        self.network, self.edges, self.lanes, self.tables = network, network.edges, folding.lanes, tables
        self.folding = folding
        self.nodes = network.producers
        self.streams: list[Stream] = []
        self.processes: list[Process] = []
        self.taken: dict[tuple[str, int], str] = {}  # the stream of each input of each reader

    def carrier(self, edge: str) -> str:
        """The edge whose stream carries this one too: a Flatten is the same stream."""
        node = self.nodes.get(edge)
        return self.carrier(node.inputs[0]) if node and NATIVE[node.op.kind].build is None else edge

    def build(self) -> Graph:
        network, route = self.network, self.network.route
        readers: dict[str, list[tuple[str, int]]] = {}
        for node in self.nodes.values():
            if NATIVE[node.op.kind].build is not None:
                for slot, name in enumerate(node.inputs):
                    readers.setdefault(self.carrier(name), []).append((node.name, slot))
        readers.setdefault(self.carrier(network.output), []).append((_ROUTE if route else _RESULT, 0))
        if route:
            readers.setdefault(self.carrier(route.output), []).append((_RESULT, 0))
        carriers = [name for name in self.edges if self.carrier(name) == name]
        records = {name: tuple(e for e in self.edges if self.carrier(e) == name) for name in carriers}
        # A branch waits for its bank: route comes as soon as the coarse scores have, whatever order the nodes have.
        for name in carriers:
            if name == INPUT:
                self._unpack(records[name])
            else:
                self._node(self.nodes[name], records[name])
            self._pass_on(name, readers[name])
            if route and name == self.carrier(network.output):
                self._route()
        self._result()
        types = []
        for name in carriers:
            code = cpp_name("t", name)
            types.append(f"typedef {code_type(self.edges[name])} {code};")
            types.append(f"typedef crossloom::Pack<{code}, {self.lanes[name]}> {cpp_name('e', name)};")
        if route:
            types.append(f"typedef {int_type(QType(0, len(route.branches) - 1))} bank_index_t;")
        return Graph(tuple(types), tuple(self.streams), tuple(self.processes))

    def _pass_on(self, edge: str, readers: Sequence[tuple[str, int]]) -> None:
        """The stream of an edge, or a fork and a stream to each reader.

        Where a stream parts, each path holds a whole frame, so that the fork always finishes its frame and no path
        waits for another for ever. A window kernel does not read while it computes a row: its stream holds a row.
        """
        element, stream = cpp_name("e", edge), cpp_name("s", edge)
        whole = self.edges[edge].image_size // self.lanes[edge]
        if len(readers) == 1:
            depth, why = 2, ""
            node = self.nodes.get(readers[0][0])
            if node and node.op.window([self.edges[name] for name in node.inputs]):
                source = self.edges[node.inputs[0]]
                depth, why = whole // (source.steps * source.shape[0]), "a row, which comes while one is computed"
            self.streams.append(Stream(stream, element, max(depth, 2), why if depth > 2 else ""))
            self.taken[readers[0]] = stream
            return
        self.streams.append(Stream(stream, element))
        ports = [(element, "in", stream)]
        for index, reader in enumerate(readers):
            name = cpp_name(f"s{index}", edge)
            self.streams.append(Stream(name, element, max(whole, 2), "a whole frame: here paths part"))
            self.taken[reader] = name
            ports.append((element, f"to{index}", name))
        self.processes.append(Process(cpp_name("fork", edge), f"fork<{whole}>", "", tuple(ports)))

    def _unpack(self, records: tuple[str, ...]) -> None:
        edge = self.edges[INPUT]
        numbers: Numbers = {"bits": edge.type.bits, "is_signed": edge.type.signed, "size": edge.image_size}
        config = struct("UnpackConfig", {"code_t": "t_input"}, {**numbers, "lanes": self.lanes[INPUT]})
        ports = ("beat_t", "in", "in"), ("e_input", OUT, "s_input")
        self.processes.append(Process("unpack", "unpack<UnpackConfig>", config, ports, records=records))

    def _node(self, node: Node, records: tuple[str, ...]) -> None:
        name, sources = node.name, tuple(self.carrier(i) for i in node.inputs)
        place = Place(
            name=name,
            op=node.op,
            inputs=tuple(self.edges[i] for i in node.inputs),
            edge=self.edges[name],
            arriving=tuple(self.lanes[source] for source in sources),
            sources=sources,
            streams=tuple(self.taken[name, slot] for slot in range(len(sources))),
            lanes=self.lanes[name],
            fold=self.folding.folds.get(name),
            tables=self.tables.get(name, {}),
            records=records,
        )
        build = NATIVE[node.op.kind].build
        assert build is not None  # no reader takes another's stream
        part = build(place)
        self.streams.extend(part.streams)
        steps = 1 if node.op.timed else self.edges[name].steps
        self.processes.extend(replace(process, steps=steps) for process in part.processes)

    def _banked(self) -> list[str]:
        return [name for name, tables in self.tables.items() if any(table.banked for table in tables.values())]

    def _route(self) -> None:
        """Coarse scores to a bank index for every banked node and the result."""
        coarse = self.carrier(self.network.output)
        code = cpp_name("t", coarse)
        numbers: Numbers = {"rows": self.edges[coarse].size, "lanes": self.lanes[coarse]}
        config = struct("RouteConfig", {"score_t": code, "bank_t": "bank_index_t"}, numbers)
        ports = [(cpp_name("e", coarse), "in", self.taken[_ROUTE, 0]), (code, "scores", "coarse_scores")]
        self.streams.append(Stream("coarse_scores", code, self.edges[coarse].size, "all: the result waits"))
        for name in [*(cpp_name("b", name) for name in self._banked()), "bank_of_result"]:
            self.streams.append(Stream(name, "bank_index_t"))
            ports.append(("bank_index_t", name, name))
        self.processes.append(Process("route", "route<RouteConfig>", config, tuple(ports)))

    def _result(self) -> None:
        """The scores to beats."""
        route = self.network.route
        output = self.carrier(route.output if route else self.network.output)
        layout = frame_layout(self.network)
        types = {"score_t": cpp_name("t", output)}
        numbers: Numbers = {"rows": layout.scores, "lanes": self.lanes[output], "row_bits": ROW_BITS}
        fine = cpp_name("e", output), "in", self.taken[_RESULT, 0]
        out = "beat_t", OUT, "out"
        if route is None:
            config = struct("ResultConfig", types, numbers)
            self.processes.append(Process(_LAST, "result<ResultConfig>", config, (fine, out)))
            return
        types |= {"coarse_t": cpp_name("t", self.carrier(self.network.output)), "bank_t": "bank_index_t"}
        config = struct("ResultConfig", types, {**numbers, "coarse_rows": layout.coarse})
        coarse = types["coarse_t"], "coarse", "coarse_scores"
        branch = "bank_index_t", "branch", "bank_of_result"
        ports = coarse, branch, fine, out
        self.processes.append(Process(_LAST, "routed_result<ResultConfig>", config, ports, (USED,)))


def build_graph(network: Network, folding: Folding, tables: Mapping[str, Mapping[str, Table]]) -> Graph:
    """The processes and streams of a network."""
    return _Builder(network, folding, tables).build()


def declarations(graph: Graph) -> Iterator[str]:
    """Types, configurations and one function for each process, which calls its kernel with its tables."""
    yield from graph.types
    yield ""
    for process in graph.processes:
        if process.config:
            yield process.config
        ports = ", ".join(f"hls::stream<{element}>& {parameter}" for element, parameter, _ in process.ports)
        streams = [parameter for _, parameter, _ in process.ports if parameter != BANK]
        bank = [f"{BANK}.read()"] if len(streams) < len(process.ports) else []
        yield f"CROSSLOOM_PROCESS static void f_{process.name}({ports}) {{"
        yield "#pragma HLS INLINE off  // a process of its own"
        for table in process.words:
            yield f"#pragma HLS ARRAY_RESHAPE variable = {table} complete dim = 3  // a word a cycle"
        if bank and process.steps > 1:
            yield f"    const bank_index_t index = {bank[0]};"
            bank = ["index"]
        call = f"crossloom::{process.kernel}({', '.join([*streams, *process.more, *bank])});"
        if process.name == _LAST:
            yield f"    const unsigned bank_used = {call}"
            yield "#ifndef __SYNTHESIS__\n    bank_calls[bank_used]++;\n#endif"
        else:
            if process.steps > 1:
                yield f"Step:\n    for (unsigned step = 0; step < {process.steps}; step++)  // each as an image"
            yield f"    {call}"
        yield "}\n"


def frame_function(graph: Graph) -> Iterator[str]:
    """`run_frame`: streams, then processes."""
    yield "CROSSLOOM_DATAFLOW void run_frame(hls::stream<beat_t>& in, hls::stream<beat_t>& out) {"
    yield "#pragma HLS DATAFLOW  // every process at once, each on its own frame or part of one"
    for stream in graph.streams:
        yield f'    hls::stream<{stream.element}> {stream.name}("{stream.name}");'
        why = f"  // {stream.why}" if stream.why else ""
        yield f"#pragma HLS STREAM variable = {stream.name} depth = {stream.depth}{why}"
    for process in graph.processes:
        yield f"    f_{process.name}({', '.join(stream for *_, stream in process.ports)});"
        out = [stream for _, parameter, stream in process.ports if parameter == OUT]
        for edge in process.records:
            yield f'    CROSSLOOM_EDGE("{edge}", {out[0]})'
    yield "}\n"
