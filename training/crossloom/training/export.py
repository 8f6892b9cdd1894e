"""From a trained Brevitas model to a network of exact integers, along its torch.fx graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from torch import fx, nn

from crossloom.sim import LIF, Add, Conv2d, Dense, Edge, ExportError, Flatten, Network, NetworkError, QType
from crossloom.sim.builder import Section, finish, finish_routed
from crossloom.sim.types import AnyArray

from .arguments import bare, checked_classes, checked_shape, checked_values
from .inputs import FloatArray, to_float
from .layers import LayerBuilder
from .spiking.encoding import DIRECT, Encoder
from .state import evaluating
from .tracing import DoesNotRun, Recorder, trace
from .values import RAW, Seen, Value
from .walk import Walk

SAMPLES = 2
"""Images that a model is traced with: more than one, so that no axis of theirs looks like a single pixel."""


@dataclass(frozen=True, eq=False)
class TracedSection:
    """A traced torch model, or a part of one; `seen` has every edge of it that torch computes too.

    `flat`: it reads (N, values of an image), not (N, C, H, W).
    """

    traced: fx.GraphModule
    seen: Mapping[str, Seen]
    flat: bool = False


@dataclass(frozen=True, eq=False)
class Exported:
    """A network with the traced torch sections that it must equal: all of it, or trunk, coarse head and each branch."""

    network: Network
    values: FloatArray
    sections: tuple[TracedSection, ...]
    encoder: Encoder = DIRECT

    def reads(self, images: AnyArray, index: int = 0) -> Any:
        """Return what torch reads of uint8 images, whose first one has the number `index` in its set."""
        return to_float(images, self.values, self.encoder, index)

    @property
    def edges(self) -> int:
        """Number of edges that torch computes too, those of a branch once."""
        return len({name for section in self.sections for name in section.seen})


def convert(
    model: nn.Module,
    *,
    name: str,
    classes: Sequence[str],
    shape: tuple[int, ...],
    values: FloatArray,
    encoder: Encoder = DIRECT,
) -> Exported:
    """Return the integer network of a Brevitas model, not yet proved equal; `prove.export_model` proves it as well.

    `shape` is the image's (H, W, C), or (C,) for a model on C features; `values` (levels, 1 or C) float32 is what an
    image value becomes at the model's input; `encoder` what makes time steps of an image. The model is as it was
    afterwards. Two classes may have one logit: the
    second is the answer where it is above 0. One name alone is the second's, and the first is "not" that name. Raises
    ExportError naming the layer, what was found there and what is needed.
    """
    given, shape = checked_classes(classes, 1), checked_shape(shape)
    classes = given if len(given) > 1 else (f"not {given[0]}", *given)
    values = checked_values(values, shape)
    try:
        section, build, output, _ = _section("model", model, None, shape, values, rows=len(given), encoder=encoder)
        network = finish(name, build.input_table(), build.section, classes, output.edge or "")
    except NetworkError as error:
        raise ExportError(f"model: {error}") from error
    return Exported(network, values, (section,), encoder)


def convert_routed(
    trunk: nn.Module,
    head: nn.Module,
    branches: Mapping[str, nn.Module],
    members: Sequence[Sequence[int]],
    *,
    name: str,
    classes: Sequence[str],
    shape: tuple[int, ...],
    values: FloatArray,
) -> Exported:
    """Return the integer network of a hierarchical Brevitas model, not yet proved equal.

    `trunk` reads the image and ends in a quantizer; `head` and every branch read what it returns, and return logits:
    one per branch, and as many as the capacity. The first rows of branch k stand for the class indices `members[k]`;
    branches are the same layers with weights of their own. Otherwise as `convert`.
    """
    classes, shape = checked_classes(classes), checked_shape(shape)
    values = checked_values(values, shape)
    if not isinstance(branches, Mapping):
        raise ExportError(f"branches: {type(branches).__name__}; needed their modules by name: {{'name': module, ...}}")
    if len(branches) < 2 or len(members) != len(branches):
        count = f"{len(branches)} branch(es) and the classes of {len(members)}"
        raise ExportError(f"model: {count}; needed at least 2 branches, and members for each; correct them")
    try:
        section, build, source, reached = _section("trunk", trunk, None, shape, values, stream=True)
        sections, known = [section], build.section.edges
        part = partial(_section, shape=shape, values=values, start=source)
        head_section, head_build, coarse, _ = part("head", head, reached, known=known, rows=len(branches))
        sections.append(head_section)
        banks: dict[str, Section] = {}
        output = RAW
        for bank, branch in branches.items():
            found, branch_build, output, _ = part(f"branch {bank!r}", branch, reached, known=head_build.edges)
            sections.append(found)
            banks[bank] = branch_build.section
        _make_alike(banks)
        named = {bank: (rows, banks[bank]) for bank, rows in zip(banks, members, strict=True)}
        assert source.edge is not None and coarse.edge is not None and output.edge is not None
        parts = build.section, head_build.section, named
        network = finish_routed(
            name, build.input_table(), *parts, classes, source.edge, coarse=coarse.edge, fine=output.edge
        )
    except NetworkError as error:
        raise ExportError(f"model: {error}") from error
    return Exported(network, values, tuple(sections))


def _section(
    what: str,
    model: nn.Module,
    reads: Any,
    shape: tuple[int, ...],
    values: FloatArray,
    *,
    stream: bool = False,
    rows: int = 0,
    encoder: Encoder = DIRECT,
    start: Value = RAW,
    known: Mapping[str, Edge] | None = None,
) -> tuple[TracedSection, LayerBuilder, Value, Any]:
    """Trace a model and build its nodes; return (section, builder, what it returns, that in torch for one image).

    `reads` is what the section reads in torch, None for a grey image.
    """
    model = bare(what, model)
    with evaluating(model):
        image = reads is None
        reads = to_float(_blank(shape, encoder), values, encoder) if image else reads
        try:
            traced, flat = trace(model, reads), False
        except DoesNotRun as error:
            # A model on (N, features): of one channel, or of one pixel, an image has one order.
            if not image or len(shape) != 3 or (shape[2] > 1 and shape[:2] != (1, 1)):
                raise error.refusal(what, shape) from error
            try:
                reads, traced, flat = reads.flatten(1), trace(model, reads.flatten(1)), True
            except DoesNotRun:
                raise error.refusal(what, shape) from error
        recorder = Recorder(traced)
        seen = recorder.record(reads)
        start = replace(start, after=(Flatten(),)) if flat else start
        build = LayerBuilder(seen, shape, values, encoder, start=start, known=known, banked=start.edge is not None)
        output = Walk(traced, build).all(stream, rows)
    return TracedSection(traced, build.seen, flat), build, output, recorder.result


def _blank(shape: tuple[int, ...], encoder: Encoder) -> AnyArray:
    time = (encoder.steps,) if encoder.kind == "events" and encoder.steps > 1 else ()
    return np.zeros((SAMPLES, *time, *shape), np.uint8)


def _make_alike(banks: Mapping[str, Section]) -> None:
    """Make biases, weights and membranes as wide as the widest of their layer in any bank; refuse other layers."""
    kinds = {name: [(node.name, node.op.kind) for node in bank.nodes] for name, bank in banks.items()}
    first = next(iter(banks))
    for name, found in kinds.items():
        if found != kinds[first]:
            raise ExportError(
                f"branch {name!r}: other layers than {first!r} ({_listed(found)}; there {_listed(kinds[first])}); "
                "needed the same layers in every branch"
            )
    _check_alignments(banks)
    for index in range(len(kinds[first])):
        nodes = [bank.nodes[index] for bank in banks.values()]
        bits = max((node.op.bias_bits for node in nodes if isinstance(node.op, Conv2d | Dense)), default=0)
        types = [node.op.weight_type for node in nodes if isinstance(node.op, Conv2d | Dense)]
        membranes = max((node.op.bits for node in nodes if isinstance(node.op, LIF)), default=0)
        for bank, node in zip(banks.values(), nodes, strict=True):
            if isinstance(node.op, LIF):
                bank.nodes[index] = replace(node, op=replace(node.op, bits=membranes))
            if isinstance(node.op, Conv2d | Dense):
                wide = QType(min(t.lo for t in types), max(t.hi for t in types), node.op.weight_type.frac)
                bank.nodes[index] = replace(node, op=replace(node.op, bias_bits=bits, weight_type=wide))


def _check_alignments(banks: Mapping[str, Section]) -> None:
    """Refuse banks that add operands whose scales lie otherwise than in the first."""
    shifts: dict[str, tuple[int, int]] = {}
    for name, bank in banks.items():
        for node in bank.nodes:
            if not isinstance(node.op, Add):
                continue
            found = node.op.shifts(node.name, [bank.edges[source] for source in node.inputs])
            wanted = shifts.setdefault(node.name, found)
            if found != wanted:
                raise ExportError(
                    f"branch {name!r}: {node.name}: aligns what it adds by {found} bits, the first by {wanted}; "
                    "needed the same scales in every branch: share the ranges of the quantizers before the addition "
                    "between the branches, and leave them out of training"
                )


def _listed(nodes: Sequence[tuple[str, str]]) -> str:
    kinds = [kind for _, kind in nodes]
    return ", ".join(kinds[:6]) + (", ..." if kinds[6:] else "")
