"""Compiles a network for an engine of given size: passes to sweeps, edges to regions, tensors to memory words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crossloom.sim.network import INPUT, Network
from crossloom.sim.types import signed_bits

from ..errors import RtlError
from .compiled import Program
from .lowering import lower, passes_of
from .memories import (
    NEURON_CYCLES,
    BankedMemory,
    exponent_of,
    input_blocks,
    made,
    neuron_words,
    param_words,
    search_steps,
    table_words,
    weight_words,
)
from .neurons import neuron_settings, neuron_sizes
from .passes import Pass, Shape, Source, code_bits
from .sizes import Folding, Region, Sizes
from .words import After, Bank, Config, Drain, Kind, Segment, Sweep, Word, widths

__all__ = ["Folding", "Program", "Region", "Sizes", "compile_network"]

# Cycles in which the drain changes from one sweep to the next, as drain.sv takes them; and those that neurons add.
GAP, THRESHOLD_GAP, FRONT = 8, 10, 2


def compile_network(
    network: Network, folding: Folding, sizes: Sizes | None = None, *, lowered: Sequence[Pass] = ()
) -> Program:
    """Compile a network for an engine; `sizes` is what that engine has, by default what the network needs.

    `lowered` are the network's passes where somebody has them already, as they are the same for every folding. Raises
    RtlError naming the layer and the resource when the engine cannot hold the network.
    """
    return _Compiler(network, folding, sizes, lowered or lower(network)).run()


class _Compiler:
    def __init__(self, network: Network, folding: Folding, sizes: Sizes | None, lowered: Sequence[Pass]) -> None:
        self.network, self.folding = network, folding
        # Columns of a window next to each other: two pixels and two more are in as many ways.
        self.input_shape, self.passes = passes_of(network, folding, sizes.unroll if sizes else None, lowered)
        self.unroll = sizes.unroll if sizes else self.input_shape[2]
        if not sizes and not any(p.unrolled for p in self.passes):
            self.unroll = 0
        self.edges = network.edges
        count = len(network.route.branches) if network.route else 1
        self.w_bits = max(p.sums.weight_bits for p in self.passes)
        if sizes:
            self.w_bits = max(self.w_bits, sizes.w_bits)
        self.sizes = sizes
        self.steps = max(map(search_steps, self.passes))
        self.weights = BankedMemory(count, (folding.cols, folding.rows))
        self.params = BankedMemory(count, (folding.lanes, 2))
        self.tables = BankedMemory(count, (folding.lanes,), 1 << self.steps)
        self.neurons = BankedMemory(count, (folding.lanes, 2))
        self.front = FRONT if any(p.neurons for p in self.passes) or (sizes and sizes.neurons) else 0
        self.acc_bits = max(p.acc_bits for p in self.passes)
        if sizes:
            self.acc_bits = max(self.acc_bits, sizes.acc_bits)
        self.regions, self.features = self._allocate()
        self.sweeps: list[Sweep] = []
        self.drains: list[Drain] = []
        self.segments: list[Segment] = []
        self.origin: list[tuple[Pass, int, int]] = []
        self.doubling = False

    # Regions ---------------------------------------------------------------------------------------------------

    def _region(self, base: int, shape: Shape, edge: str) -> Region:
        h, w, _ = shape
        row = -(-w // self.folding.ways)
        return Region(base, row, row * h, row * h * self.edges[edge].steps, shape)

    def words(self, shape: Shape, edge: str) -> int:
        """Words a way that an edge takes, with all its time steps."""
        return self._region(0, shape, edge).plane * self.blocks(shape[2])

    def blocks(self, channels: int) -> int:
        return -(-channels // self.folding.rows)

    def _allocate(self) -> tuple[dict[str, Region], int]:
        """First fit in the order of the passes; an edge keeps its words until its last reader has run."""
        fixed = 2 * self.words(self.input_shape, INPUT)  # the next image arrives while this one runs
        regions = {INPUT: self._region(0, self.input_shape, INPUT)}
        ends = {s.edge: i for i, p in enumerate(self.passes) for s in p.sums.sources}
        live: list[tuple[int, int, int]] = []  # first word, end, last pass
        most = fixed
        for i, entry in enumerate(self.passes):
            if entry.codes is None:
                continue
            size, at = self.words(entry.stored, entry.codes), fixed
            live = sorted(r for r in live if r[2] >= i)
            for first, end, _ in live:
                if at + size <= first:
                    break
                at = max(at, end)
            live.append((at, at + size, ends.get(entry.codes, i)))
            regions[entry.codes] = self._region(at, entry.stored, entry.codes)
            most = max(most, at + size)
        return regions, most

    # Sweeps ----------------------------------------------------------------------------------------------------

    def run(self) -> Program:
        unwritten: set[str] = set()
        for index, entry in enumerate(self.passes):
            # Maxima are ready before the sums of what came before them.
            sync = entry.kind is Kind.POOL or not unwritten.isdisjoint(s.edge for s in entry.sums.sources)
            if sync:
                unwritten.clear()
            if entry.codes:
                unwritten.add(entry.codes)
            route = entry.kind is Kind.LOGITS and index + 1 < len(self.passes)
            if route:
                unwritten.clear()
            self._pass(entry, index, sync, route)
        return self._finish()

    def _pass(self, entry: Pass, index: int, sync: bool, route: bool) -> None:
        step = self.folding.rows if entry.kind is Kind.POOL else self.folding.cols
        starts = range(0, entry.sums.shape[2], step)
        for start in starts:
            if entry.kind is Kind.POOL:
                weights, first = 0, len(self.segments)
                for time in range(entry.steps):
                    self._segment(entry.sums.sources[0], time, start // step, 1)
                    self._stop()
            else:
                weights, first = self._block(entry, start)
            width = min(entry.sums.shape[2] - start, step)
            chunks = -(-width // self.folding.lanes)
            places = self._places(entry, start, chunks)
            for row in range(entry.stack):
                last = start == starts[-1] and row + 1 == entry.stack
                final = last and index + 1 == len(self.passes)
                begins = start == 0 and row == 0
                self._sweep(entry, start, row, chunks, weights, first, sync and begins, final)
                self._drain(entry, start, row, chunks, places, last and route, final)
                self.origin.append((entry, start, row))

    def _segment(self, source: Source, time: int, block: int, blocks: int) -> None:
        region = self.regions[source.edge]
        base = region.base + (source.step + time) * region.image + block * region.plane
        self.segments.append(Segment(base, blocks - 1, int(source.edge == INPUT), 0, 0))

    def _stop(self) -> None:
        """The last segment is the last one of its time step."""
        self.segments[-1] = replace(self.segments[-1], stop=1)

    def _block(self, entry: Pass, start: int) -> tuple[int, int]:
        """The segments and weights of the output channels from `start` on; their first word and segment."""
        first = len(self.segments)
        for time in range(entry.steps):
            for source in entry.sums.sources:
                blocks = input_blocks(source, start, self.folding)
                if blocks is None:
                    continue
                low, high = blocks
                self._segment(source, time, low, high - low)
                rest = source.doublings - exponent_of(source, self.w_bits)
                if rest:
                    self.segments.append(Segment(0, rest - 1, 0, 1, 0))
                    self.doubling = True
            self._stop()
        words = weight_words(entry, start, self.folding, self.w_bits)
        return self.weights.add(words, entry.banked, alone=self._rewritable(entry)), first

    def _paired(self, entry: Pass) -> bool:
        """Whether two pixels run at once: where there are two, in different ways."""
        step = entry.sums.window.stride[1]
        return self.folding.pix == 2 and step % self.folding.ways != 0 and entry.sums.shape[1] > 1

    def _cycles(self, entry: Pass, chunks: int) -> tuple[int, int]:
        """Cycles of a chunk in the drain, 0 for one, and of all that a captured output gives."""
        steps, pixels = search_steps(entry), 2 if self._paired(entry) else 1
        if entry.hold:
            # Of a row's last output there may be one pixel of two.
            least = chunks * (1 if entry.sums.shape[1] % 2 else pixels)
            steps = max(steps, 0 if least >= NEURON_CYCLES else -(-NEURON_CYCLES // least))
            return steps, chunks * pixels * max(1, steps) * entry.times
        cool = chunks * pixels * max(1, steps)
        return steps, max(cool, NEURON_CYCLES) if entry.neurons else cool

    def _sweep(
        self, entry: Pass, start: int, row: int, chunks: int, weights: int, first: int, sync: bool, final: bool
    ) -> None:
        """The sweep of a block of channels from `start` on, over the rows of the image from `row` on."""
        sums, paired = entry.sums, self._paired(entry)
        x = self.regions[sums.sources[0].edge]
        (kh, kw), (sy, sx), (top, left) = sums.window.kernel, sums.window.stride, sums.window.pad
        y0 = row * sy - top
        sy *= entry.stack
        self.sweeps.append(
            self._fitting(
                entry.name,
                Sweep(
                    last=final,
                    sync=sync,
                    result=entry.kind is Kind.LOGITS and start == 0,
                    banked=entry.banked,
                    pool=entry.kind is Kind.POOL,
                    hold=sums.sources[0].same,
                    unrolled=entry.unrolled,
                    paired=paired,
                    weights=weights,
                    first_segment=first,
                    last_segment=len(self.segments) - 1,
                    kernel_h=kh - 1,
                    kernel_w=kw - 1,
                    height=x.shape[0],
                    width=x.shape[1],
                    out_h=entry.rows_from(row) - 1,
                    out_w=sums.shape[1] - 1,
                    y0=y0,
                    x0=-left,
                    step_y=sy,
                    step_x=sx,
                    jump_x=sx * (2 if paired else 1),
                    row=x.row,
                    row0=y0 * x.row,
                    row_step=sy * x.row,
                    plane=x.plane,
                    pad=sums.pad_code,
                    cool=self._cycles(entry, chunks)[1],
                    gap=self.front + (THRESHOLD_GAP if search_steps(entry) else GAP),
                ),
            )
        )

    def _drain(
        self, entry: Pass, start: int, row: int, chunks: int, places: dict[str, int], route: bool, final: bool
    ) -> None:
        """What becomes of the same sweep's sums."""
        rows, lanes, logits = self.folding.rows, self.folding.lanes, entry.kind is Kind.LOGITS
        y = self.regions[entry.codes] if entry.codes else Region(0, 0, 0, 0, entry.sums.shape)
        at = row * entry.pitch + start  # channel of the feature memory
        base = y.base + at // rows * y.plane
        if logits:
            base = start // lanes + (self._score_words()[0] if entry.banked else 0)
        self.drains.append(
            self._fitting(
                entry.name,
                Drain(
                    kind=entry.kind,
                    after=After.ROUTE if route else After.FINISH if final else After.NOTHING,
                    banked=entry.banked,
                    paired=self._paired(entry),
                    out_h=entry.rows_from(row) - 1,
                    out_w=entry.sums.shape[1] - 1,
                    base=base,
                    row=y.row,
                    plane=1 if logits else y.plane,
                    chunk=at % rows // lanes if not logits else 0,
                    chunks=chunks - 1,
                    rounding=entry.rounding,
                    lo=entry.lo,
                    span=entry.span,
                    steps=self._cycles(entry, chunks)[0],
                    scale=entry.scale,
                    times=entry.times - 1,
                    image=0 if entry.last else y.image,
                    hold=entry.hold,
                    **places,
                    **neuron_settings(entry),
                ),
            )
        )

    def _places(self, entry: Pass, start: int, chunks: int) -> dict[str, int]:
        """The first words of parameters, threshold tables and neurons for the channels from `start` on; 0 for none."""
        lanes, how = self.folding.lanes, {"banked": entry.banked, "alone": self._rewritable(entry)}
        steps, found = search_steps(entry), {"params": 0, "tables": 0, "neurons": 0}
        if entry.kind is not Kind.POOL:
            found["params"] = self.params.add(made(param_words(entry, start, chunks, lanes)), **how)
        if steps:
            words = table_words(entry, start, chunks, lanes, self.acc_bits + 1)
            found["tables"] = self.tables.add(made(words), align=1 << steps, **how)
        if entry.neurons:
            found["neurons"] = self.neurons.add(made(neuron_words(entry, start, chunks, lanes)), **how)
        return found

    def _rewritable(self, entry: Pass) -> bool:
        """Whether it is of the coarse head: its program must not follow from its words."""
        return entry.name in self.network.head

    def _shifts(self, entry: Pass) -> tuple[int, int]:
        """The least and the most shift: of its own, or where it may be rewritten, of any."""
        if entry.banked or self._rewritable(entry):
            return entry.shifts
        return min(int(s.min()) for s in entry.shift), max(int(s.max()) for s in entry.shift)

    # The whole ------------------------------------------------------------------------------------------------

    def _fitting(self, name: str, entry: Word) -> Word:
        """The word, when every field fits its bits."""
        for field, bits in widths(type(entry)).items():
            value = int(getattr(entry, field))
            if not -(1 << (bits - 1)) <= value < 1 << bits:
                raise RtlError(f"layer {name!r}: {field} {value}; the engine's program has {bits} bits for it")
        return entry

    def _score_words(self) -> tuple[int, int]:
        """Result words of the coarse scores and of the others."""
        lanes, route = self.folding.lanes, self.network.route
        scores = route.capacity if route else len(self.network.classes)
        return (-(-len(route.branches) // lanes) if route else 0), -(-scores // lanes)

    def _finish(self) -> Program:
        network, lanes, route = self.network, self.folding.lanes, self.network.route
        counts = [len(b.classes) for b in route.branches] if route else [len(network.classes)]
        banks = [
            Bank(self.weights.first(i), self.params.first(i), self.tables.first(i), self.neurons.first(i), rows)
            for i, rows in enumerate(counts)
        ]
        for bank in banks:
            self._fitting("branches", bank)
        coarse_words, score_words = self._score_words()
        region, edge = self.regions[INPUT], self.edges[INPUT]
        h, w, channels = region.shape
        config = Config(
            height=h * edge.steps - 1,
            width=w - 1,
            chunks=-(-channels // lanes) - 1,
            row=region.row,
            plane=region.plane,
            base=0,
            base2=self.words(region.shape, INPUT),
            lo=edge.type.lo,
            coarse=len(route.branches) if route else 0,
            scores=route.capacity if route else len(network.classes),
            fine=coarse_words,
        )
        stored = [self.edges[INPUT], *(self.edges[p.codes] for p in self.passes if p.codes)]
        shifts = [shift for p in self.passes if p.shift for shift in self._shifts(p)] or [0]
        least = Sizes(
            x_bits=code_bits(network, self.passes),
            w_bits=self.w_bits,
            acc_bits=self.acc_bits,
            code_bits=max(signed_bits(e.type.lo, e.type.hi) for e in stored),
            shift_min=min(shifts),
            shift_max=max(shifts),
            features=self.features,
            weights=self.weights.size,
            params=self.params.size,
            tables=self.tables.size if self.steps else 0,
            steps=self.steps,
            scale_bits=max(p.scale.bit_length() for p in self.passes),
            results=coarse_words + score_words,
            sweeps=len(self.sweeps),
            segments=len(self.segments),
            branches=len(banks),
            doubling=int(self.doubling),
            unroll=self.unroll,
            **neuron_sizes([(p, p.banked or self._rewritable(p)) for p in self.passes], self.neurons.size),
        )
        if self.sizes:
            self.sizes.need(network.name, least)
        return Program(
            network,
            self.folding,
            self.sizes or least,
            tuple(self.sweeps),
            tuple(self._fitting("segments", s) for s in self.segments),
            tuple(self.drains),
            self._fitting(INPUT, config),
            tuple(banks),
            tuple(entry for entry, _, _ in self.origin),
            tuple(channel for _, channel, _ in self.origin),
            tuple(row for _, _, row in self.origin),
            self.regions,
            self.weights,
            self.params,
            self.tables,
            self.neurons,
        )
