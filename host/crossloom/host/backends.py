"""The places a network can run, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np

from crossloom.sim import DeviceError, Network, cost, run
from crossloom.sim.frames import Answers, frame_beats, frame_layout, read_results
from crossloom.sim.simulator import decide
from crossloom.sim.types import AnyArray, IntArray

if TYPE_CHECKING:
    from crossloom.hls import Simulation
    from crossloom.rtl.core.simulation import CoreModel

TRACED = 32  # images at a time whose edges are recorded; bounds the memory that they take


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a back end gives for N images.

    `labels` int64 (N,); `coarse` int64 (N,), the branch that ran, and `coarse_scores` int64 (N, branches), both None
    for a flat network; `scores` int64 (N, classes), masked where a branch did not run; `macs` int64 (N,); `cycles`
    int64 (N,) clock cycles from first input beat to last output beat, None where nothing clocked ran.
    """

    labels: IntArray
    coarse: IntArray | None
    coarse_scores: IntArray | None
    scores: AnyArray
    macs: IntArray
    cycles: IntArray | None


class Backend(Protocol):
    """A place that runs one network. `origin` says what its figures are: measured, simulated or estimated."""

    name: str
    origin: str

    def run(self, codes: IntArray) -> Outcome:
        """Run checked input codes (N, *shape); raise DeviceError when the device fails."""
        ...

    def edges(self, codes: IntArray) -> Mapping[str, AnyArray]:
        """The codes (N, *shape) of every edge by name, where the device shows what is inside it; else none."""
        ...

    def close(self) -> None:
        """Give the device back; a second call does nothing."""
        ...


def outcome(network: Network, answers: Answers, cycles: IntArray | None = None) -> Outcome:
    """What the results of a core mean: its own rows are the labels, absent classes are masked."""
    route = network.route
    if route is None:
        labels, scores = answers.row, answers.scores
    else:
        _, scores = decide(network, answers.scores, answers.branch, answers.scores)
        banks = [np.array(branch.classes) for branch in route.branches]
        labels = np.array([banks[b][row] for b, row in zip(answers.branch, answers.row, strict=True)], np.int64)
    macs = np.full(len(labels), cost(network).macs, np.int64)  # branches cost the same
    return Outcome(labels, None if route is None else answers.branch, answers.coarse, scores, macs, cycles)


class IntegerBackend:
    """The integer simulator of `crossloom.sim`: the definition of the answers, without cycles."""

    name = "integer"
    origin = "simulated"

    def __init__(self, network: Network) -> None:
        self._network = network

    def run(self, codes: IntArray) -> Outcome:
        """Run input codes (N, *shape)."""
        result = run(self._network, codes=codes)
        coarse_scores = None if result.branch is None else result.logits
        return Outcome(result.labels, result.branch, coarse_scores, result.scores, result.macs, None)

    def edges(self, codes: IntArray) -> Mapping[str, AnyArray]:
        """None: it is what others are compared with."""
        return {}

    def close(self) -> None:
        """Nothing to give back."""


class HlsBackend:
    """An HLS core behind its top function in C simulation: exact, without cycles. `flow` is "native" or "hls4ml".

    Compiles on first use, which takes seconds, and finds the result again later. Raises HlsError for a network that
    the flow refuses, and where there is no compiler; MissingExtraError without hls4ml.
    """

    origin = "simulated"

    def __init__(self, network: Network, name: str, flow: str) -> None:
        from crossloom.hls.device import open_simulation

        self.name = name
        self._network, self._flow = network, flow
        self._simulation = open_simulation(network, flow)
        self._traced: Simulation | None = None

    def run(self, codes: IntArray) -> Outcome:
        """Run input codes (N, *shape)."""
        return outcome(self._network, self._simulation.run(codes))

    def edges(self, codes: IntArray) -> Mapping[str, AnyArray]:
        """The codes of every edge, from a second core that records them; none from hls4ml."""
        from crossloom.hls.device import open_simulation
        from crossloom.hls.emit import flow_of

        if not flow_of(self._flow).traces:
            return {}
        if self._traced is None:
            self._traced = open_simulation(self._network, self._flow, trace=True, optimize=1)
        self._traced.run(codes)
        return self._traced.edges()

    def close(self) -> None:
        """Nothing to give back."""


class RtlBackend:
    """The generated core in Verilator behind its AXI ports: exact, with cycles.

    Images go in one at a time, so that `cycles` is what one image takes by itself. Compiles on first use, which takes
    seconds to minutes, and finds the result again later. Threads take turns. Raises RtlError naming the layer that the
    engine cannot run; MissingExtraError without crossloom[rtl].
    """

    name = "rtl"
    origin = "simulated"

    def __init__(self, network: Network) -> None:
        from .engine import compiled

        self._network = network
        self._plan = compiled(network)
        self._models: dict[bool, CoreModel] = {}  # by whether it records every edge
        self._turn, self._open = Lock(), True
        self._model(trace=False)

    def _model(self, trace: bool) -> CoreModel:
        from crossloom.rtl.core.simulation import CoreModel

        if not self._open:
            raise DeviceError(f"{self._network.name}: the device is closed; open another Accelerator")
        if trace not in self._models:
            self._models[trace] = CoreModel(self._plan, trace=trace)
        return self._models[trace]

    def run(self, codes: IntArray) -> Outcome:
        """Run input codes (N, *shape)."""
        layout = frame_layout(self._network)
        beats, cycles = np.zeros((len(codes), layout.result_beats), np.uint64), np.zeros(len(codes), np.int64)
        with self._turn:
            model = self._model(trace=False)
            for i, frame in enumerate(frame_beats(self._network, codes)):
                one = model.run_beats(frame[None])
                beats[i], cycles[i] = one.beats[0], one.latency[0]
        return outcome(self._network, read_results(self._network, beats), cycles)

    def edges(self, codes: IntArray) -> Mapping[str, AnyArray]:
        """The codes of every edge, from a second model that records them while images follow each other closely."""
        parts = []
        with self._turn:
            model = self._model(trace=True)
            for start in range(0, len(codes), TRACED):
                model.run(codes[start : start + TRACED])
                parts.append(model.edges())
        return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else {})}

    def close(self) -> None:
        """Free the models, after what runs."""
        with self._turn:
            self._open = False
            for model in self._models.values():
                model.close()


BACKENDS: dict[str, Callable[[Network], Backend]] = {
    "integer": IntegerBackend,
    "hls-native": partial(HlsBackend, name="hls-native", flow="native"),
    "hls4ml": partial(HlsBackend, name="hls4ml", flow="hls4ml"),
    "rtl": RtlBackend,
}


def check_device(device: str) -> None:
    """Raise DeviceError unless there is a device of that name."""
    if device not in ("auto", *BACKENDS):
        raise DeviceError(f"device {device[:40]!r}: unknown; needed one of: auto, {', '.join(BACKENDS)}")


def open_backend(network: Network, device: str) -> tuple[Backend, str]:
    """Return the back end for a device name, and why that one; raise DeviceError for an unknown name.

    "auto" takes the best that is at hand: the integer simulator, as C simulation gives the same answers and has to be
    compiled.
    """
    if device == "auto":
        return IntegerBackend(network), (
            "auto: no board is supported yet, and of the simulations the integer simulator needs nothing compiled"
        )
    check_device(device)
    return BACKENDS[device](network), "asked for"
