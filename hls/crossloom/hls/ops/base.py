"""What each kind of operator gives the native flow, and the parts of a dataflow that it gives them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import gcd
from typing import Any, Generic, TypeVar

from crossloom.sim.ops import Edge, Op, Tensor, Window
from crossloom.sim.types import AnyArray, QType

from ..names import cpp_name

# Output channels side by side: so many before input codes are. A stream's width is registers in every kernel it passes.
WIDE_LANES = 16
# Parameters of a process' function that are no streams of its kernel in order, or that others look for.
OUT, BANK = "out", "bank"
_SIGNED = {"lo", "hi", "pad_code", "base"}

Numbers = dict[str, int | bool | str]
Port = tuple[str, str, str]
"""Element, parameter, stream."""
T = TypeVar("T", bound=Op)
T_co = TypeVar("T_co", bound=Op, covariant=True)


@dataclass(frozen=True)
class Fold:
    """`outputs` x `inputs` products a cycle."""

    outputs: int = 1
    inputs: int = 1

    @property
    def products(self) -> int:
        """Multipliers."""
        return self.outputs * self.inputs


@dataclass(frozen=True)
class Site(Generic[T_co]):
    """A node among its edges; `arriving` codes come side by side on each of the `inputs`."""

    name: str
    op: T_co
    inputs: tuple[Edge, ...]
    edge: Edge
    arriving: tuple[int, ...]


@dataclass(frozen=True)
class Estimate:
    """Lanes of the output and clock cycles an image; of products, the fold that is done and its multipliers.

    An operator that sees each time step as an image takes its cycles for each.
    """

    lanes: int
    cycles: int
    fold: Fold | None = None
    dsp: int = 0
    lut: int = 0


@dataclass(frozen=True, eq=False)
class Layout:
    """A tensor as its kernel reads it: `values` (banks, ...), `load` the kernel that fills one bank.

    `words` where one word of the last axis is read a cycle.
    """

    values: AnyArray
    load: str
    words: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """One tensor of a node for all its banks, of `bits` bits; `fixed` where no load rewrites it."""

    name: str
    bits: int
    signed: bool
    fixed: bool
    layout: Layout

    @property
    def banked(self) -> bool:
        """Whether there is more than one bank."""
        return len(self.layout.values) > 1


@dataclass(frozen=True)
class Stream:
    """A FIFO of `depth` elements of type `element`; `why` it is as deep."""

    name: str
    element: str
    depth: int = 2
    why: str = ""


@dataclass(frozen=True)
class Process:
    """One kernel: `config` declares what its template reads.

    It is called with the parameters of `ports` and then `more`. `words` are the tables of which it reads a word a
    cycle, `records` the edges that its `out` carries. The kernel is called once for each of `steps` time steps.
    """

    name: str
    kernel: str
    config: str
    ports: tuple[Port, ...]
    more: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    steps: int = 1


@dataclass(frozen=True, eq=False)
class Place(Site[T_co]):
    """A node in the dataflow: `sources` are the edges whose `streams` bring its inputs, `lanes` those of its output."""

    sources: tuple[str, ...]
    streams: tuple[str, ...]
    lanes: int
    fold: Fold | None
    tables: Mapping[str, Table]
    records: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """What a node adds to the dataflow; `streams` only those between its own processes."""

    processes: tuple[Process, ...]
    streams: tuple[Stream, ...] = ()


def one_by_one(site: Site[Any], wanted: Fold) -> Estimate:
    """An element a cycle, with as many codes as come."""
    return Estimate(gcd(*site.arriving), site.inputs[0].size // site.arriving[0])


def side_by_side(site: Site[Any], wanted: Fold) -> Estimate:
    """An element of the output a cycle, with as many codes as divide those of every input."""
    lanes = gcd(*site.arriving)
    return Estimate(lanes, site.edge.size // lanes)


def no_folds(op: Op) -> list[Fold]:
    """No products."""
    return []


def as_it_is(op: Op, tensor: Tensor, values: AnyArray, fold: Fold | None) -> Layout:
    """A table in the tensor's own order."""
    return Layout(values, f"load_tensor<{tensor.bits}, {cpp_bool(tensor.signed)}>")


@dataclass(frozen=True)
class Native(Generic[T]):
    """One kind of operator in the native flow.

    `build` gives the processes, or is None where the output is the input's stream. `folds`: what products can be done
    in a cycle, from one on; `estimate` what one of them takes. `layout` puts a tensor of all banks in the kernel's
    order.
    """

    build: Callable[[Place[T]], Part] | None
    estimate: Callable[[Site[T], Fold], Estimate] = one_by_one
    folds: Callable[[T], list[Fold]] = field(default=no_folds)
    layout: Callable[[T, Tensor, AnyArray, Fold | None], Layout] = as_it_is


def divisors(n: int) -> list[int]:
    """From 1 to n.

    >>> divisors(6)
    [1, 2, 3, 6]
    """
    return [d for d in range(1, n + 1) if n % d == 0]


def cpp_bool(value: bool) -> str:
    """C++'s name of a truth."""
    return "true" if value else "false"


def int_type(type_: QType) -> str:
    """The C++ type of codes."""
    return f"ap_{'int' if type_.signed else 'uint'}<{type_.bits}>"


def struct(name: str, types: Mapping[str, str], numbers: Numbers) -> str:
    """The C++ struct that a kernel's template reads."""
    lines = [f"typedef {type_} {key};" for key, type_ in types.items()]
    for key, value in numbers.items():
        if isinstance(value, bool):
            lines.append(f"static const bool {key} = {cpp_bool(value)};")
        elif isinstance(value, str):
            lines.append(f"static const crossloom::{key.capitalize()} {key} = crossloom::{value};")
        else:
            # Codes and shifts may be negative, and one of 32 bits unsigned.
            lines.append(f"static const {'long long' if key in _SIGNED else 'unsigned'} {key} = {value};")
    return "\n".join([f"struct {name} {{", *(f"    {line}" for line in lines), "};"])


def element_wise(at: Place[Any]) -> tuple[dict[str, str], Numbers]:
    """Types and numbers that every kernel with one input reads."""
    types = {"in_t": cpp_name("t", at.sources[0]), "out_t": cpp_name("t", at.name)}
    return types, {"in_lanes": at.arriving[0], "size": at.edge.size, "channels": at.inputs[0].channels}


def window_numbers(at: Place[Any], window: Window) -> Numbers:
    """What a kernel must know of its window."""
    return {
        "height": at.inputs[0].shape[0],
        "width": at.inputs[0].shape[1],
        "kernel_h": window.kernel[0],
        "kernel_w": window.kernel[1],
        "stride_h": window.stride[0],
        "stride_w": window.stride[1],
        "pad_top": window.pad[0],
        "pad_left": window.pad[2],
        "pad_code": window.pad_code,
        "out_height": at.edge.shape[0],
        "out_width": at.edge.shape[1],
    }


def one_kernel(
    at: Place[Any], types: Mapping[str, str], numbers: Numbers, *, template: str = "", more: str = ""
) -> Part:
    """One process: `template` (the operator's kind, if not given) of the node's configuration and of `more`.

    Its kernel reads one input as `in`, two as `a` and `b`, then writes, then takes the tables and the bank's index.
    """
    config, tables = cpp_name("c", at.name), list(at.tables.values())
    parameters = ["in"] if len(at.sources) == 1 else ["a", "b"]
    ports = [port(at, slot, parameter) for slot, parameter in enumerate(parameters)]
    ports.append((cpp_name("e", at.name), OUT, cpp_name("s", at.name)))
    arguments = [table.name for table in tables]
    if tables and tables[0].banked:
        ports.append(("bank_index_t", BANK, cpp_name("b", at.name)))
    elif tables:
        arguments.append("0")
    kernel = f"{template or at.op.kind}<{config}{more}>"
    words = tuple(table.name for table in tables if table.layout.words)
    text = struct(config, types, numbers)
    return Part((Process(cpp_name("run", at.name), kernel, text, tuple(ports), tuple(arguments), words, at.records),))


def port(at: Place[Any], slot: int, parameter: str) -> Port:
    """The port of one of a node's inputs."""
    return cpp_name("e", at.sources[slot]), parameter, at.streams[slot]
