"""Random networks, full of corners, that every other implementation is replayed against."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .builder import Section, finish, finish_routed
from .encoders import ENCODERS, RATE_ONE
from .network import INPUT, Input, Network, Node
from .ops import (
    LIF,
    Add,
    Concat,
    Conv2d,
    Count,
    Dense,
    First,
    Flatten,
    Last,
    LeakyReLU,
    MaxPool,
    Op,
    Requant,
    SumPool,
    Threshold,
)
from .ops.leaky import MAX_LEAK
from .ops.lif import MAX_LEAK as MAX_MEMBRANE_LEAK
from .ops.lif import RESETS, WHENS
from .ops.quantize import MAX_SHIFT, MIN_SHIFT
from .types import MAX_ACC_BITS, IntArray, QType, Rounding, signed_bits

MAX_SIDE = 9
MAX_CHANNELS = 8
WIDE_SHARE = 0.15  # layers with weights and biases that push sums past 2^24, float32's integers
LEAKY_FROM = 1000  # seeds from here on have LeakyReLU too; those below give the networks that they always gave
SPIKING_FROM = 2000  # seeds from here on have time steps too


@dataclass
class Drawing:
    """A section being drawn: `plan` draws its structure, `values` the tensors, so that banks can share a plan."""

    plan: np.random.Generator
    values: np.random.Generator
    section: Section

    def add(self, op: Op, *inputs: str) -> str:
        """Append an operator; return its edge's name."""
        return self.section.add(op, *inputs)

    def pick(self, *options: object) -> int:
        """Index of one of the options, evenly."""
        return int(self.plan.integers(len(options)))

    def encoded(self, given: Input) -> Input:
        """The network's input, made of one that a table alone encodes."""
        return given

    def code_type(self) -> QType:
        """A stream type without scale: unsigned, signed, narrow, bipolar-like or lopsided, 1 to 8 bits."""
        bits = int(self.plan.integers(1, 9))
        top = (1 << bits) - 1
        half = 1 << bits >> 1
        ranges = [(0, top), (0, top), (-half, max(half - 1, 0)), (-half, half), (-1, 1), (-(top // 3), top)]
        lo, hi = ranges[self.pick(*ranges)]
        return QType(lo, hi)

    def weights(self, shape: tuple[int, ...]) -> tuple[IntArray, QType, int, IntArray]:
        """Weights, their type without scale, bias bits and bias; rows 0 and 1 are the type's extremes."""
        wide = self.plan.random() < WIDE_SHARE
        bits = int(self.plan.integers(12, 17)) if wide else int(self.plan.integers(2, 9))
        narrow = self.pick(False, True)
        lo, hi = -(1 << (bits - 1)) + narrow, (1 << (bits - 1)) - 1
        bias_bits = int(self.plan.integers(20, 33)) if wide else int(self.plan.integers(2, 17))
        weight = self.values.integers(lo, hi, shape, np.int64, endpoint=True)
        weight[self.values.random(shape) < 0.2] = 0
        limit = 1 << (bias_bits - 1)
        bias = self.values.integers(-limit, limit, shape[0])
        for row, (value, edge) in enumerate([(hi, limit - 1), (lo, -limit)][: shape[0] // 2]):
            weight[row], bias[row] = value, edge
        return weight, QType(lo, hi), bias_bits, bias

    def conv(self, x: str, out: int | None = None, stride: int | None = None) -> str:
        """A convolution of any kind; `out` and `stride` fix what a join needs."""
        h, w, c = self.section.edges[x].shape
        kinds = ("full", "full", "pointwise", "grouped", "depthwise")
        kind = kinds[self.pick(*kinds)]
        out = out or int(self.plan.integers(1, MAX_CHANNELS + 1))
        groups = 1
        if kind == "depthwise" and out % c == 0:
            groups = c
        if kind == "grouped":
            groups = int(np.gcd(c, out))
        kernel = (1, 1) if kind == "pointwise" else tuple(int(k) for k in self.plan.integers(1, 4, 2))
        same = (kernel[0] - 1) // 2, kernel[0] // 2, (kernel[1] - 1) // 2, kernel[1] // 2
        if stride is not None:
            strides, pad = (stride, stride), same
        else:
            strides = int(self.plan.integers(1, 3)), int(self.plan.integers(1, 3))
            pad = same if kernel[0] > h or kernel[1] > w or self.pick(False, True) else (0, 0, 0, 0)
            if self.plan.random() < 0.2:
                pad = (pad[0] + int(self.plan.integers(3)), *pad[1:])
        type_ = self.section.edges[x].type
        weight, weight_type, bias_bits, bias = self.weights((out, *kernel, c // groups))
        code = int(self.plan.integers(type_.lo, type_.hi, endpoint=True))
        code = 0 if type_.lo <= 0 <= type_.hi and self.pick(False, True) else code
        return self.add(Conv2d(weight, bias, weight_type, bias_bits, strides, pad, code, groups), x)

    def requant(self, acc: str, out: QType, frac: int | None = None) -> str:
        """A Requant whose shift spreads the input over the output type, give or take two bits.

        After a layer, `values` draws the shifts and the weights' fracs make up for them, so that banks differ
        in shifts but not in the fracs of their edges; `frac` asks for one.
        """
        edge, node = self.section.edges[acc], self.section.nodes[-1] if self.section.nodes else None
        layer = node.op if node and node.name == acc and isinstance(node.op, Conv2d | Dense) else None
        rounding = list(Rounding)[self.pick(*Rounding)]
        per_channel = layer is not None and bool(self.pick(False, True))
        middle = edge.type.bits - out.bits - int(self.plan.integers(4))
        extreme = layer is not None and self.plan.random() < 0.05
        rng = self.values if layer else self.plan
        shift = rng.integers(middle - 2, middle + 3, edge.channels if per_channel else 1)
        if extreme:
            shift[:] = rng.choice([MIN_SHIFT, MAX_SHIFT])
        shift = np.clip(shift, MIN_SHIFT, MAX_SHIFT)
        if node is None or layer is None:
            assert isinstance(edge.type.frac, int)
            shift = np.clip(shift, edge.type.frac - 24, edge.type.frac + 8)
            frac = edge.type.frac - int(shift[0])
        else:
            frac = int(self.plan.integers(8)) if frac is None else frac
            self._rescale(node, layer, shift, frac)
        return self.add(Requant(shift, rounding, QType(out.lo, out.hi, frac)), acc)

    def _rescale(self, node: Node, op: Conv2d | Dense, shift: IntArray, out_frac: int) -> None:
        """Give the layer the weight fracs that such shifts imply, and a channel that always ties."""
        x_frac = self.section.edges[node.inputs[0]].type.frac
        assert isinstance(x_frac, int)
        fracs = tuple(out_frac + int(s) - x_frac for s in shift)
        bias, weight = op.bias.copy(), op.weight.copy()
        row = len(weight) - 1
        s = int(shift[row % len(shift)])
        if len(weight) > 2 and 0 < s < op.bias_bits:
            # Nothing but an odd multiple of half a step: a tie in every image.
            weight[row], bias[row] = 0, (1 << (s - 1)) * (1 if self.values.random() < 0.5 else -1)
        type_ = QType(op.weight_type.lo, op.weight_type.hi, fracs if len(fracs) > 1 else fracs[0])
        self.section.swap_last(replace(op, weight=weight, bias=bias, weight_type=type_))

    def threshold(self, acc: str) -> str:
        """A Threshold: bipolar, few or many steps; sentinels, duplicates and reachable values mixed."""
        edge = self.section.edges[acc]
        kinds = ("bipolar", "few", "many")
        kind = kinds[self.pick(*kinds)]
        count = (
            1 if kind == "bipolar" else int(self.plan.integers(2, 16) if kind == "few" else self.plan.integers(17, 64))
        )
        base, step = (-1, 2) if kind == "bipolar" else (int(self.plan.integers(-9, 3)), 1)
        channels = edge.channels if self.pick(False, True) else 1
        lo, hi = edge.type.lo, edge.type.hi + 1
        middle, reach = (lo + hi) // 2, max((hi - lo) // 8, 1)
        rows = np.clip(self.values.integers(middle - reach, middle + reach + 1, (channels, count)), lo, hi)
        rows[self.values.random(rows.shape) < 0.05] = lo
        rows[self.values.random(rows.shape) < 0.05] = hi
        return self.add(Threshold(np.sort(rows, axis=1), base, step, 0), acc)

    def quantize(self, acc: str) -> str:
        """A Requant, or one time in four a Threshold."""
        if self.pick(0, 1, 2, 3) == 0:
            return self.threshold(acc)
        return self.requant(acc, self.code_type())

    def step(self, x: str) -> str:
        """One random block from stream to stream; keeps an image an image."""
        h, w, _ = self.section.edges[x].shape
        kinds = ("conv", "conv", "maxpool", "sumpool", "residual", "concat", "requant")
        kind = kinds[self.pick(*kinds)]
        if kind == "maxpool":
            kernel = min(h, int(self.plan.integers(1, 4))), min(w, int(self.plan.integers(1, 4)))
            stride = int(self.plan.integers(1, 3)), int(self.plan.integers(1, 3))
            pad = tuple(int(self.plan.integers(k)) if self.pick(False, True) else 0 for k in np.repeat(kernel, 2))
            return self.add(MaxPool(kernel, stride, (pad[0], pad[1], pad[2], pad[3])), x)
        if kind == "sumpool":
            kernel = min(h, int(self.plan.integers(1, 4))), min(w, int(self.plan.integers(1, 4)))
            stride = int(self.plan.integers(1, 3)), int(self.plan.integers(1, 3))
            return self.quantize(self.add(SumPool(kernel, stride), x))
        if kind == "residual":
            y = self.requant(self.conv(x, self.section.edges[x].channels, 1), self.code_type())
            return self.quantize(self.add(Add(), x, y))
        if kind == "concat":
            a = self.requant(self.conv(x, None, 1), self.code_type(), 3)
            b = self.requant(self.conv(x, None, 1), self.code_type(), 3)
            return self.add(Concat(), a, b)
        if kind == "requant":
            return self.requant(x, self.code_type())
        return self.quantize(self.conv(x))

    def logits(self, x: str, rows: int) -> str:
        """Flatten and a Dense layer in which two rows are equal, so that argmax ties."""
        if len(self.section.edges[x].shape) == 3:
            x = self.add(Flatten(), x)
        weight, type_, bias_bits, bias = self.weights((rows, self.section.edges[x].size))
        a, b = self.values.choice(rows, 2, replace=False)
        weight[a], bias[a] = weight[b], bias[b]
        return self.add(Dense(weight, bias, type_, bias_bits), x)


@dataclass
class LeakyDrawing(Drawing):
    """As `Drawing`, with a LeakyReLU before every other quantizer where the sums leave room for one."""

    def add(self, op: Op, *inputs: str) -> str:
        """Append an operator; return its edge's name."""
        if not isinstance(op, Requant | Threshold):
            return super().add(op, *inputs)
        type_ = self.section.edges[inputs[0]].type
        room = min(MAX_LEAK, MAX_ACC_BITS - signed_bits(type_.lo, type_.hi))
        node = self.section.nodes[-1] if self.section.nodes else None
        layer = node.op if node and node.name == inputs[0] and isinstance(node.op, Conv2d | Dense) else None
        if isinstance(op, Requant) and not layer:
            room = min(room, MAX_SHIFT - int(op.shift.max()))
        if room < 1 or self.pick(False, True):
            return super().add(op, *inputs)
        leak = int(self.plan.integers(1, room + 1, 2).min())  # rather few bits: more negative codes stay apart
        if isinstance(op, Requant):
            wanted = op.shift.astype(np.int64) + leak
            shift = np.minimum(wanted, MAX_SHIFT)
            if layer:
                # What the greatest shift leaves over, the weights' scale makes up for: it may differ between banks.
                fracs = np.broadcast_to(layer.weight_type.frac, len(shift)) - (wanted - shift)
                frac = tuple(int(f) for f in fracs) if len(shift) > 1 else int(fracs[0])
                self.section.swap_last(replace(layer, weight_type=replace(layer.weight_type, frac=frac)))
            op = replace(op, shift=shift)
        else:
            rows = np.where(op.thresholds > 0, op.thresholds << leak, op.thresholds)
            op = replace(op, thresholds=np.minimum(rows, (type_.hi << leak) + 1 if type_.hi >= 0 else type_.hi + 1))
        return super().add(op, super().add(LeakyReLU(leak), *inputs))


@dataclass
class SpikingDrawing(LeakyDrawing):
    """As `LeakyDrawing`, with neurons where sums are quantized, and scores that end time; all edges of as many steps.

    `time` is how many, drawn where it is 0.
    """

    time: int = 0

    def __post_init__(self) -> None:
        self.time = self.time or int(self.plan.choice([1, 2, 3, 5, 8]))

    def encoded(self, given: Input) -> Input:
        """One time in two with an encoder of as many steps."""
        encoder = ENCODERS[int(self.plan.choice([0, 0, 0, 1, 2, 3]))]
        if encoder in ("direct", "events"):
            return replace(given, encoder=encoder, steps=1 if encoder == "direct" else self.time)
        most = RATE_ONE if encoder == "rate" else self.time
        table = self.values.integers(0, most, given.table.shape, np.int64, endpoint=True)
        table[0], table[-1] = 0, most
        seed = int(self.plan.integers(1 << 32)) if encoder == "rate" else 0
        return Input(given.shape, QType(0, 1, given.type.frac), table, encoder, self.time, seed)

    def neuron(self, x: str) -> str:
        """A LIF on an edge, with every kind of reset; its membranes saturate now and then."""
        edge = self.section.edges[x]
        low, high = edge.type.lo, edge.type.hi
        guard = int(self.plan.choice([0, 0, 1, 3, 8]))
        width = signed_bits(low, high) + guard + int(self.plan.integers(-1, 3))
        bits = int(np.clip(width, 3, MAX_ACC_BITS))
        reset, when = RESETS[self.pick(*RESETS)], WHENS[self.pick(*WHENS)]
        most = min(int(self.plan.choice([1, 1, 1, 2, 5])), (1 << (bits - 1)) - 1) if reset == "subtract" else 1
        strict = most == 1 and bool(self.pick(False, True))
        counts = [edge.channels if self.pick(False, True) else 1 for _ in range(2)]
        # Reached after a few steps of a sum like others of the layer.
        reach = max(1, min(max(-low, high) << guard >> 2, ((1 << (bits - 1)) - 1) // most))
        theta = self.values.integers(max(reach // 4, 1), reach + 1, counts[0])
        leak = np.minimum(self.values.geometric(0.3, counts[1]) - 1, MAX_MEMBRANE_LEAK)
        when = "now" if reset == "none" else when
        return self.section.add(LIF(theta, leak, guard, reset, when, strict, most, bits, self.time), x)

    def spikes(self, membrane: str, *, counted: bool = False) -> str:
        """The spikes of the LIF that was added last, which are 0 and more where they are `counted`."""
        op = self.section.nodes[-1].op
        assert isinstance(op, LIF)
        bipolar = op.most == 1 and not counted and self.plan.random() < 0.2
        return self.section.add(Threshold(op.levels, -1 if bipolar else 0, 2 if bipolar else 1, 0), membrane)

    def quantize(self, acc: str) -> str:
        """As others do, or two times in three by neurons, one time in six of those with codes of their membranes."""
        if self.plan.random() < 1 / 3:
            return super().quantize(acc)
        membrane = self.neuron(acc)
        if self.plan.random() < 1 / 6:
            return self.requant(membrane, self.code_type())
        return self.spikes(membrane)

    def logits(self, x: str, rows: int) -> str:
        """A Dense layer whose sums, membranes, spikes or codes end time; or time ends before it."""
        kinds = ("membrane", "count", "first", "codes", "before")
        kind = kinds[self.pick(*kinds)]
        if kind == "before":
            ends = (Count(), Last()) if self.section.edges[x].type.lo < 0 else (Count(), Last(), First())
            x = self.add(ends[self.pick(*ends)], x)
            if self.section.edges[x].accumulator:
                x = self.requant(x, self.code_type())
            return super().logits(x, rows)
        sums = super().logits(x, rows)
        if kind == "codes":
            return self.add(Count(), self.requant(sums, self.code_type()))
        membrane = self.neuron(sums)
        if kind == "membrane":
            return self.add(Last(), membrane)
        return self.add(Count() if kind == "count" else First(), self.spikes(membrane, counted=True))


def random_network(seed: int, size: int = 5) -> Network:
    """Return a small valid network of about `size` random blocks; one in three is routed.

    Across seeds: every operator (LeakyReLU from seed 1000 on, neurons and time from 2000 on), rounding and kind of
    convolution; unsigned, signed, narrow and bipolar types of 1 to 8 bits; weights of 2 to 16 bits; shifts of -16..47
    per tensor and channel; channels that always tie at half a step; rows of extreme weights and biases; thresholds that
    always or never fire; equal logits; branches with masked rows; 1 to 8 time steps. Sides are at most 9, channels at
    most 16, so that RTL and HLS can replay many.
    """
    kind = SpikingDrawing if seed >= SPIKING_FROM else LeakyDrawing if seed >= LEAKY_FROM else Drawing
    return drawn_network(kind, seed, size)


def drawn_network(kind: type[Drawing], seed: int, size: int) -> Network:
    """As `random_network`, its choices made by another kind of drawing."""
    rng = np.random.default_rng([seed, size])
    first = kind(rng, rng, Section({}))
    type_ = first.code_type()
    channels = int(rng.integers(1, 5))
    flat = rng.random() < 0.1
    shape = (int(rng.integers(2, 33)),) if flat else (*(int(n) for n in rng.integers(3, MAX_SIDE + 1, 2)), channels)
    levels = int(rng.choice([2, 17, 256]))
    columns = shape[-1] if first.pick(False, True) else 1
    table = rng.integers(type_.lo, type_.hi, (levels, columns), np.int64, endpoint=True)
    table[0], table[-1] = type_.lo, type_.hi
    type_ = QType(type_.lo, type_.hi, int(rng.integers(0, 8)))
    network_input = first.encoded(Input(shape, type_, table))
    routed = size >= 2 and rng.random() < 1 / 3
    trunk, x = replace(first, section=Section.of_input(network_input)), INPUT
    for _ in range(size // 2 if routed else size):
        x = _flat_step(trunk, x) if flat else trunk.step(x)
    name = f"random-{seed}-{size}"
    if routed:
        return _routed(name, network_input, trunk, x, size, flat)
    rows = int(rng.integers(2, 8))
    trunk.logits(x, rows)
    return finish(name, network_input, trunk.section, _class_names(rows))


def _routed(name: str, network_input: Input, trunk: Drawing, source: str, size: int, flat: bool) -> Network:
    rng = trunk.plan
    if source == INPUT:
        source = trunk.requant(INPUT, trunk.code_type())
    count, capacity = int(rng.integers(2, 5)), int(rng.integers(2, 7))
    head = replace(trunk, section=trunk.section.head("head_"))
    head.logits(source, count)
    used = [int(rng.integers(1, capacity + 1)) for _ in range(count)]
    classes = [int(c) for c in rng.permutation(sum(used))]
    plan_seed = int(rng.integers(1 << 31))
    branches = {}
    for index in range(count):
        plan, section = np.random.default_rng(plan_seed), trunk.section.branch(source, "fine_")
        bank = replace(trunk, plan=plan, section=section)
        x = source
        for _ in range(size - size // 2):
            x = _flat_step(bank, x) if flat else bank.step(x)
        bank.logits(x, capacity)
        branches[f"branch{index}"] = [classes.pop() for _ in range(used[index])], bank.section
    return finish_routed(name, network_input, trunk.section, head.section, branches, _class_names(sum(used)), source)


def _flat_step(drawn: Drawing, x: str) -> str:
    weight, type_, bias_bits, bias = drawn.weights((int(drawn.plan.integers(2, 17)), drawn.section.edges[x].size))
    return drawn.quantize(drawn.add(Dense(weight, bias, type_, bias_bits), x))


def _class_names(count: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(count))
