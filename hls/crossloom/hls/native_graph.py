"""The dataflow of the native flow: the processes that a network becomes, and the streams between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from crossloom.sim.frames import ROW_BITS, frame_layout
from crossloom.sim.network import INPUT, Network, Node
from crossloom.sim.ops import Add, Concat, Conv2d, Dense, Edge, Flatten, MaxPool, Requant, SumPool, Threshold
from crossloom.sim.ops.quantize import MAX_SHIFT, MIN_SHIFT
from crossloom.sim.types import QType, bits_of

from .folding import Folding
from .native_tables import USED, Table, threshold_bits

# Readers of a stream that are no nodes of the network.
_ROUTE, _RESULT = "route", "result"
_OUT, _BANK = "out", "bank"

Numbers = dict[str, int | bool | str]


@dataclass(frozen=True)
class Stream:
    """A FIFO of `depth` elements of type `element`; `why` it is as deep."""

    name: str
    element: str
    depth: int = 2
    why: str = ""


@dataclass(frozen=True)
class Process:
    """One kernel: `config` declares what its template reads; `ports` are (element, parameter, stream).

    It is called with the parameters and then `more`. `words` are the tables of which it reads a word a cycle, `records`
    the edges that its `out` carries.
    """

    name: str
    kernel: str
    config: str
    ports: tuple[tuple[str, str, str], ...]
    more: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Types, streams and processes of a core, in an order in which each may run to its end before the next."""

    types: tuple[str, ...]
    streams: tuple[Stream, ...]
    processes: tuple[Process, ...]


def code_type(edge: Edge) -> str:
    """The C++ type of an edge's codes; an accumulator adds in two's complement."""
    lo = min(edge.type.lo, -1) if edge.accumulator else edge.type.lo
    return _int_type(QType(lo, edge.type.hi))


def _int_type(type_: QType) -> str:
    return f"ap_{'int' if type_.signed else 'uint'}<{type_.bits}>"


def _struct(name: str, types: Mapping[str, str], numbers: Numbers) -> str:
    lines = [f"typedef {type_} {key};" for key, type_ in types.items()]
    for key, value in numbers.items():
        if isinstance(value, bool):
            lines.append(f"static const bool {key} = {'true' if value else 'false'};")
        elif isinstance(value, str):
            lines.append(f"static const crossloom::Rounding {key} = crossloom::{value};")
        else:
            # Codes and shifts may be negative, and one of 32 bits unsigned.
            lines.append(f"static const {'long long' if key in _SIGNED else 'unsigned'} {key} = {value};")
    return "\n".join([f"struct {name} {{", *(f"    {line}" for line in lines), "};"])


_SIGNED = {"lo", "hi", "pad_code", "base"}


class _Builder:
    """Puts a graph together from a network, its folding and its tables."""

    def __init__(self, network: Network, folding: Folding, tables: Mapping[str, Mapping[str, Table]]) -> None:
        self.network, self.edges, self.lanes, self.tables = network, network.edges, folding.lanes, tables
        self.folding = folding
        route = network.route
        self.nodes = {node.name: node for node in (*network.nodes, *(route.branches[0].nodes if route else ()))}
        self.streams: list[Stream] = []
        self.processes: list[Process] = []
        self.taken: dict[tuple[str, int], str] = {}  # the stream of each input of each reader

    def carrier(self, edge: str) -> str:
        """The edge whose stream carries this one too: a Flatten is the same stream."""
        node = self.nodes.get(edge)
        return self.carrier(node.inputs[0]) if node and isinstance(node.op, Flatten) else edge

    def build(self) -> Graph:
        network, route = self.network, self.network.route
        readers: dict[str, list[tuple[str, int]]] = {}
        for node in self.nodes.values():
            if not isinstance(node.op, Flatten):
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
            self._part(name, readers[name])
            if route and name == self.carrier(network.output):
                self._route()
        self._result()
        types = []
        for name in carriers:
            types.append(f"typedef {code_type(self.edges[name])} t_{name};")
            types.append(f"typedef crossloom::Pack<t_{name}, {self.lanes[name]}> e_{name};")
        if route:
            types.append(f"typedef {_int_type(QType(0, len(route.branches) - 1))} bank_index_t;")
        return Graph(tuple(types), tuple(self.streams), tuple(self.processes))

    def _part(self, edge: str, readers: Sequence[tuple[str, int]]) -> None:
        """The stream of an edge, or a fork and a stream to each reader.

        Where a stream parts, each path holds a whole frame, so that the fork always finishes its frame and no path
        waits for another for ever. A window kernel does not read while it computes a row: its stream holds a row.
        """
        element, whole = f"e_{edge}", self.edges[edge].size // self.lanes[edge]
        if len(readers) == 1:
            depth, why = 2, ""
            node = self.nodes.get(readers[0][0])
            if node and isinstance(node.op, Conv2d | MaxPool | SumPool):
                depth, why = whole // self.edges[node.inputs[0]].shape[0], "a row, which comes while one is computed"
            self.streams.append(Stream(f"s_{edge}", element, max(depth, 2), why if depth > 2 else ""))
            self.taken[readers[0]] = f"s_{edge}"
            return
        self.streams.append(Stream(f"s_{edge}", element))
        ports = [(element, "in", f"s_{edge}")]
        for index, reader in enumerate(readers):
            name = f"s{index}_{edge}"
            self.streams.append(Stream(name, element, max(whole, 2), "a whole frame: here paths part"))
            self.taken[reader] = name
            ports.append((element, f"to{index}", name))
        self.processes.append(Process(f"fork_{edge}", f"fork<{whole}>", "", tuple(ports)))

    def _unpack(self, records: tuple[str, ...]) -> None:
        edge = self.edges[INPUT]
        numbers: Numbers = {"bits": edge.type.bits, "is_signed": edge.type.signed, "size": edge.size}
        config = _struct("c_unpack", {"code_t": "t_input"}, {**numbers, "lanes": self.lanes[INPUT]})
        ports = ("beat_t", "in", "in"), ("e_input", _OUT, "s_input")
        self.processes.append(Process("unpack", "unpack<c_unpack>", config, ports, records=records))

    def _node(self, node: Node, records: tuple[str, ...]) -> None:
        op, name = node.op, node.name
        if isinstance(op, Concat):
            self._concat(node, records)
            return
        config = f"c_{name}"
        kernel = f"{op.kind}<{config}>"
        if isinstance(op, MaxPool | SumPool):
            kernel = f"pool<{config}, crossloom::{'Greatest' if isinstance(op, MaxPool) else 'Sum'}>"
        tables = list(self.tables.get(name, {}).values())
        parameters = ["in"] if len(node.inputs) == 1 else ["a", "b"]
        ports = [self._port(node, slot, parameter) for slot, parameter in enumerate(parameters)]
        ports.append((f"e_{name}", _OUT, f"s_{name}"))
        more = [table.name for table in tables]
        if tables and tables[0].banked:
            ports.append(("bank_index_t", _BANK, f"b_{name}"))
        elif tables:
            more.append("0")
        words = tuple(table.name for table in tables if table.words)
        text = _struct(config, *self._numbers(node))
        self.processes.append(Process(f"run_{name}", kernel, text, tuple(ports), tuple(more), words, records))

    def _port(self, node: Node, slot: int, parameter: str) -> tuple[str, str, str]:
        return f"e_{self.carrier(node.inputs[slot])}", parameter, self.taken[node.name, slot]

    def _numbers(self, node: Node) -> tuple[dict[str, str], Numbers]:
        """Types and numbers of a node's configuration."""
        op, name, lanes = node.op, node.name, self.lanes
        first, edge = self.edges[node.inputs[0]], self.edges[name]
        sources = [self.carrier(i) for i in node.inputs]
        types = {"in_t": f"t_{sources[0]}", "out_t": f"t_{name}"}
        numbers: Numbers = {"in_lanes": lanes[sources[0]], "size": edge.size, "channels": first.channels}
        if isinstance(op, Add):
            a, b = op.shifts(name, [self.edges[i] for i in node.inputs])
            types = {"a_t": f"t_{sources[0]}", "b_t": f"t_{sources[1]}", "out_t": f"t_{name}"}
            numbers = {"size": edge.size, "out_lanes": lanes[name], "a_shift": a, "b_shift": b}
            numbers |= {"a_lanes": lanes[sources[0]], "b_lanes": lanes[sources[1]]}
        elif isinstance(op, Conv2d | Dense):
            fold = self.folding.folds[name]
            types["weight_t"] = _int_type(op.weight_type)
            numbers |= {"out": len(op.weight), "par_out": fold.outputs, "par_in": fold.inputs}
            if isinstance(op, Conv2d):
                numbers |= {"groups": op.groups}
                numbers |= self._window(first, edge, op.weight.shape[1:3], op.stride, op.pad, op.pad_code)
        elif isinstance(op, MaxPool | SumPool):
            pad = op.pad if isinstance(op, MaxPool) else (0, 0, 0, 0)
            numbers |= self._window(first, edge, op.kernel_size, op.stride, pad, first.type.lo)
        elif isinstance(op, Requant):
            shift = self.tables[name]["shift"]
            least, most = (int(shift.values.min()), int(shift.values.max())) if shift.fixed else (MIN_SHIFT, MAX_SHIFT)
            acc = bits_of(min(first.type.lo, -1), first.type.hi)
            numbers |= {"per_channel": len(op.shift) > 1, "rounding": op.rounding.name}
            numbers |= {"wide_bits": max(acc - min(least, 0), max(acc, most) + 1), "lo": op.out.lo, "hi": op.out.hi}
        elif isinstance(op, Threshold):
            count = op.thresholds.shape[1]
            types["threshold_t"] = f"ap_int<{threshold_bits(self.network, node)}>"
            numbers |= {"per_channel": len(op.thresholds) > 1, "base": op.base, "step": op.step}
            numbers |= {"count": count, "count_bits": count.bit_length()}
        return types, numbers

    @staticmethod
    def _window(
        source: Edge, edge: Edge, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], code: int
    ) -> Numbers:
        return {
            "height": source.shape[0],
            "width": source.shape[1],
            "kernel_h": int(kernel[0]),
            "kernel_w": int(kernel[1]),
            "stride_h": stride[0],
            "stride_w": stride[1],
            "pad_top": pad[0],
            "pad_left": pad[2],
            "pad_code": code,
            "out_height": edge.shape[0],
            "out_width": edge.shape[1],
        }

    def _concat(self, node: Node, records: tuple[str, ...]) -> None:
        """Joins the inputs two by two; the last pair gives the edge."""
        name, lanes, edge = node.name, self.lanes, self.edges[node.name]
        sources = [self.carrier(i) for i in node.inputs]
        channels = [self.edges[i].channels for i in node.inputs]
        left, left_type, left_lanes = self._port(node, 0, "a"), f"t_{sources[0]}", lanes[sources[0]]
        for i in range(1, len(sources)):
            last = i == len(sources) - 1
            stream = f"s_{name}" if last else f"j{i}_{name}"
            if not last:
                self.streams.append(Stream(stream, f"e_{name}"))
            types = {"a_t": left_type, "b_t": f"t_{sources[i]}", "out_t": f"t_{name}"}
            numbers: Numbers = {"pixels": edge.size // edge.channels, "out_lanes": lanes[name]}
            numbers |= {"a_lanes": left_lanes, "a_channels": sum(channels[:i])}
            numbers |= {"b_lanes": lanes[sources[i]], "b_channels": channels[i]}
            ports = left, self._port(node, i, "b"), (f"e_{name}", _OUT, stream)
            config = _struct(f"c{i}_{name}", types, numbers)
            process = Process(f"join{i}_{name}", f"concat<c{i}_{name}>", config, ports, records=records if last else ())
            self.processes.append(process)
            left, left_type, left_lanes = (f"e_{name}", "a", stream), f"t_{name}", lanes[name]

    def _banked(self) -> list[str]:
        return [name for name, tables in self.tables.items() if any(table.banked for table in tables.values())]

    def _route(self) -> None:
        """Coarse scores to a bank index for every banked node and the result."""
        coarse = self.carrier(self.network.output)
        numbers: Numbers = {"rows": self.edges[coarse].size, "lanes": self.lanes[coarse]}
        config = _struct("c_route", {"score_t": f"t_{coarse}", "bank_t": "bank_index_t"}, numbers)
        ports = [(f"e_{coarse}", "in", self.taken[_ROUTE, 0]), (f"t_{coarse}", "scores", "coarse_scores")]
        self.streams.append(Stream("coarse_scores", f"t_{coarse}", self.edges[coarse].size, "all: the result waits"))
        for name in [*(f"b_{name}" for name in self._banked()), "bank_of_result"]:
            self.streams.append(Stream(name, "bank_index_t"))
            ports.append(("bank_index_t", name, name))
        self.processes.append(Process(_ROUTE, "route<c_route>", config, tuple(ports)))

    def _result(self) -> None:
        """The scores to beats."""
        route = self.network.route
        output = self.carrier(route.output if route else self.network.output)
        layout = frame_layout(self.network)
        types = {"score_t": f"t_{output}"}
        numbers: Numbers = {"rows": layout.scores, "lanes": self.lanes[output], "row_bits": ROW_BITS}
        fine = f"e_{output}", "in", self.taken[_RESULT, 0]
        out = "beat_t", _OUT, "out"
        if route is None:
            config = _struct("c_result", types, numbers)
            self.processes.append(Process(_RESULT, "result<c_result>", config, (fine, out)))
            return
        types |= {"coarse_t": f"t_{self.carrier(self.network.output)}", "bank_t": "bank_index_t"}
        config = _struct("c_result", types, {**numbers, "coarse_rows": layout.coarse})
        coarse = types["coarse_t"], "coarse", "coarse_scores"
        branch = "bank_index_t", "branch", "bank_of_result"
        ports = coarse, branch, fine, out
        self.processes.append(Process(_RESULT, "routed_result<c_result>", config, ports, (USED,)))


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
        streams = [parameter for _, parameter, _ in process.ports if parameter != _BANK]
        bank = [f"{_BANK}.read()"] if len(streams) < len(process.ports) else []
        yield f"static void f_{process.name}({ports}) {{"
        yield "#pragma HLS INLINE off  // a process of its own"
        for table in process.words:
            yield f"#pragma HLS ARRAY_RESHAPE variable = {table} complete dim = 3  // a word a cycle"
        call = f"crossloom::{process.kernel}({', '.join([*streams, *process.more, *bank])});"
        if process.name == _RESULT:
            yield f"    const unsigned bank_used = {call}"
            yield "#ifndef __SYNTHESIS__\n    bank_calls[bank_used]++;\n#endif"
        else:
            yield f"    {call}"
        yield "}\n"


def frame_function(graph: Graph) -> Iterator[str]:
    """`run_frame`: streams, then processes."""
    yield "void run_frame(hls::stream<beat_t>& in, hls::stream<beat_t>& out) {"
    yield "#pragma HLS DATAFLOW  // every process at once, each on its own frame or part of one"
    for stream in graph.streams:
        yield f'    hls::stream<{stream.element}> {stream.name}("{stream.name}");'
        why = f"  // {stream.why}" if stream.why else ""
        yield f"#pragma HLS STREAM variable = {stream.name} depth = {stream.depth}{why}"
    for process in graph.processes:
        yield f"    f_{process.name}({', '.join(stream for *_, stream in process.ports)});"
        out = [stream for _, parameter, stream in process.ports if parameter == _OUT]
        for edge in process.records:
            yield f'    CROSSLOOM_EDGE("{edge}", {out[0]})'
    yield "}\n"
