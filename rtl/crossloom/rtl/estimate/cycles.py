"""How many cycles the engine takes for one image: the sequencer's and the drain's steps, counted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from crossloom.sim.types import IntArray

from ..compiler.program import FRONT, Program
from ..compiler.words import After, Kind, Sweep
from .array import array_latency

# As the SystemVerilog has them: window, accumulate, post, scores.
FETCH, CAPTURE, WRITE, SEARCH_WRITE = 4, 2, 7, 8
IMAGES = 6


@dataclass(frozen=True)
class SweepCycles:
    """`taps` array cycles between the `first` and the `last` one, counted from the image's first chunk."""

    name: str
    taps: int
    first: int
    last: int


@dataclass(frozen=True)
class ImageCycles:
    """`latency` from the first chunk in to the last result beat out, `interval` from image to image."""

    sweeps: tuple[SweepCycles, ...]
    latency: int
    interval: int


def _sums_after(program: Program) -> int:
    """Cycles from the array's input to its sums."""
    f, s = program.folding, program.sizes
    return array_latency(f.rows, f.cols, f.pix, s.x_bits, s.w_bits, f.dsp)


@dataclass
class _Clock:
    """What one image leaves to the next: cycles from which on things may happen."""

    start: int = 0  # the sequencer takes an image
    earliest: int = 0  # an output may end
    written: int = 0  # the last sweep is in memory
    sent: int = 0  # the result has left
    release: int = 0  # an image buffer is free
    writes: list[IntArray] = field(default_factory=lambda: [np.zeros(0, np.int64)])  # no chunk comes in; of each sweep


def image_cycles(program: Program, branch: int = 0) -> ImageCycles:
    """Cycles of images that take `branch`, their chunks and beats never waiting outside.

    Exact: of the first image, and of the interval between the last two of IMAGES in a row.
    """
    config = program.config
    chunks = (config.height + 1) * (config.width + 1) * (config.chunks + 1)
    clock, releases, found = _Clock(), [-1, -1], []
    loaded = 0
    for image in range(IMAGES):
        loaded = _loaded(max(loaded, releases[image] + 1), chunks, np.concatenate(clock.writes))
        clock.start = max(clock.start, loaded)
        found.append(_image(program, branch, clock))
        releases.append(clock.release)
    sweeps, latency = found[0]
    return ImageCycles(sweeps, latency, found[-1][1] - found[-2][1])


def least_cycles(program: Program) -> int:
    """Cycles from the first to the last tap if no sweep waits for another: neither latency nor interval is less."""
    found = 0
    for sweep in program.sweeps:
        taps, outputs = output_taps(program, sweep), captures(program, sweep)
        found += taps + (outputs - 1) * max(taps, sweep.cool)
    return found


def _loaded(begin: int, chunks: int, writes: IntArray) -> int:
    """When the last chunk of an image is in memory, one a cycle from `begin` on, except while the drain writes."""
    end, held = begin + chunks, -1
    while held != (held := int(((writes >= begin) & (writes < end)).sum())):
        end = begin + chunks + held
    return end


def _image(program: Program, branch: int, clock: _Clock) -> tuple[tuple[SweepCycles, ...], int]:
    """The sweeps of an image that the sequencer takes at clock.start, and the cycle of its last beat."""
    clock.writes = clock.writes[-len(program.sweeps) :]
    config, known, found = program.config, 0, []
    ready = clock.start + 2
    for index, (sweep, drain) in enumerate(zip(program.sweeps, program.drains, strict=True)):
        taps = output_taps(program, sweep)
        if sweep.sync or sweep.result:
            ready = max(ready, clock.written + 1)
        if sweep.result:
            ready = max(ready, clock.sent + 1)
        if sweep.banked:
            ready = max(ready, known)
        first = max(ready + 1, clock.earliest if taps == 1 else 0)
        outputs = captures(program, sweep)
        last = max(first + taps - 1, clock.earliest) + (outputs - 1) * max(taps, sweep.cool)
        found.append(SweepCycles(program.passes[index].name, taps * outputs, first, last))
        ready, clock.earliest = last + 2, last + sweep.cool + sweep.gap
        # The last output of a row may be one pixel of two.
        output = np.arange(outputs) // times_of(program, sweep)
        whole = output % outputs_of_row(sweep) != outputs_of_row(sweep) - 1
        chunks = (drain.chunks + 1) * np.where(whole | (sweep.out_w % 2 == 1), 1 + sweep.paired, 1)
        chunks *= drain.times + 1 if drain.hold else 1
        late = SEARCH_WRITE + drain.steps if drain.kind == Kind.THRESHOLD else WRITE
        steps, late = max(1, drain.steps), late + (FRONT if program.sizes.neurons else 0)
        captured = last + FETCH + (0 if drain.kind == Kind.POOL else _sums_after(program)) + CAPTURE
        ends = captured - np.arange(outputs)[::-1] * max(taps, sweep.cool)
        number = np.arange(chunks.max())
        written = (ends[:, None] + number * steps + late)[number < chunks[:, None]]
        clock.written = int(written[-1])
        clock.writes.append(written[:0] if drain.kind == Kind.LOGITS else written - 1)
        if drain.after == After.ROUTE:
            known = clock.written + config.coarse + 3
        elif drain.after == After.FINISH:
            clock.release = clock.written + program.banks[branch].rows + 2
            clock.sent = clock.release + 2 + config.coarse + config.scores
    clock.start = found[-1].last + 1
    return tuple(found), clock.sent


def times_of(program: Program, sweep: Sweep) -> int:
    """Time steps of an output, each of which is captured."""
    return sum(s.stop for s in program.segments[sweep.first_segment : sweep.last_segment + 1])


def captures(program: Program, sweep: Sweep) -> int:
    """How often sums or maxima of a sweep are captured: outputs, or pairs of them, times their steps."""
    return (sweep.out_h + 1) * outputs_of_row(sweep) * times_of(program, sweep)


def outputs_of_row(sweep: Sweep) -> int:
    """Outputs, or pairs of them, in a row."""
    return -(-(sweep.out_w + 1) // (2 if sweep.paired else 1))


def output_taps(program: Program, sweep: Sweep) -> int:
    """Array cycles of a step of an output: taps by blocks of input channels, and those that double the sums."""
    segments = program.segments[sweep.first_segment : sweep.last_segment + 1]
    taps = (sweep.kernel_h + 1) * (sweep.kernel_w + 1) * sum(s.blocks + 1 for s in segments)
    return taps // times_of(program, sweep)
