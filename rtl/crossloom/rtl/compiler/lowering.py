"""Turns a network into the engine's passes: every operator as a convolution with weights, or as a maximum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crossloom.sim.network import INPUT, Network

from ..errors import RtlError
from .columns import place_columns, unrolled
from .ops import LOWERED, Read
from .passes import Pass, Shape, stored_shape
from .section import Section
from .sizes import Folding
from .whole_edges import place_whole
from .words import Kind

_MOVING = frozenset(kind for kind, how in LOWERED.items() if how.moves)


def lower(network: Network) -> list[Pass]:
    """The passes of a network in the order in which they run, branches' last; RtlError names what the engine lacks."""
    sections, shapes = list(network.sections()), {INPUT: stored_shape(network.input.shape)}
    trunk = Section(network, [(sections[0][1], sections[0][2])], False, shapes, _MOVING)
    passes = _lowered(trunk, network.output)
    if network.route:
        # The branches' source may itself be flattened: its own place is the image before.
        source = network.route.source
        shapes[source] = trunk.shape(source)
        branches = Section(network, [(nodes, edges) for _, nodes, edges in sections[1:]], True, shapes, _MOVING)
        branches.aliases = {source: trunk.origin(source)}
        passes += _lowered(branches, network.route.output)
    return passes


def passes_of(
    network: Network, folding: Folding, unroll: int | None = None, lowered: Sequence[Pass] = ()
) -> tuple[Shape, list[Pass]]:
    """The shape in which the input is stored, and the passes of a network, or those that were `lowered` from it.

    They are as an array of this folding runs them, whose engine unrolls windows of `unroll` channels, 0 for none; by
    default of as many as the stored input has.
    """
    shape = stored_shape(network.input.shape)
    shape, passes = place_columns(lowered or lower(network), shape, folding, network.edges[INPUT].steps)
    shape, passes = place_whole(passes, shape, folding)
    if folding.pix == 2 and unroll != 0:
        passes = [unrolled(entry, folding, unroll or shape[2]) for entry in passes]
    return shape, passes


def _lowered(section: Section, output: str) -> list[Pass]:
    """The passes of one section; scores come last."""

    def read_of(edge: str) -> Read:
        name = section.origin(edge)
        node, type_ = section.node(name) if name in section.nodes else None, section.edges[name].type
        how = LOWERED[node.op.kind] if node else None
        if node and how and how.before:
            read = read_of(node.inputs[0])
            return replace(read, between=((how.before, node.op), *read.between))
        steps = section.edges[name].steps
        if how and how.sums:
            return Read(how.sums(section, name), type_, name, steps)
        made = how.after(section, name, read_of) if how and how.after else None
        return made or Read(section.identity([name], name), type_, None, steps)

    passes = []
    for name in section.order:
        how = LOWERED[section.node(name).op.kind]
        if how.moves:
            _check_moved(section, name, output)
        if how.emit:
            entry = how.emit(section, name, read_of)
            if entry:
                section.shapes[name] = entry.sums.shape
                passes.append(entry)
    scores = read_of(output)
    if scores.between:
        raise RtlError(
            f"layer {output!r}: scores that {scores.between[0][1].kind} makes; the engine has scores of sums or codes: "
            "quantize them, or end in dense"
        )
    return [*passes, scores.quantized(output, Kind.LOGITS, section.banked)]


def _check_moved(section: Section, name: str, output: str) -> None:
    """Raise RtlError where somebody needs a flattened image of several pixels as the vector that it is."""
    shape: Shape = section.shapes.get(section.origin(name)) or stored_shape(section.edges[section.origin(name)].shape)
    if shape[:2] == (1, 1):
        return
    for reader in section.order:
        node = section.node(reader)
        if name in node.inputs and LOWERED[node.op.kind].joins:
            raise RtlError(
                f"layer {reader!r}: {node.op.kind} reads the flattened {name!r}; the engine keeps images as they"
                " are: flatten after it"
            )
    if output == name:
        raise RtlError(
            f"layer {name!r}: scores of {shape[0]} by {shape[1]} pixels; the engine has scores of one: end in dense"
        )
