"""The places a network can run, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np

from crossloom.sim import CrossloomError, DeviceError, InputError, Network, Result, images_at_once, run
from crossloom.sim.frames import frame_beats, frame_layout, read_results
from crossloom.sim.network import INPUT
from crossloom.sim.types import IntArray

from .progress import during

if TYPE_CHECKING:
    from crossloom.hls import Simulation
    from crossloom.rtl.core.simulation import CoreModel

TRACED = 32  # images at a time, at most, whose edges are recorded: with every cycle that made them


class Backend(Protocol):
    """A place that runs one network. `origin` says what its figures are: measured, simulated or estimated."""

    name: str
    origin: str

    def run(self, codes: IntArray, edges: Collection[str] = ()) -> Result:
        """Run checked input codes (N, *shape) once: the answers, and of the edges asked for those that it can show.

        What has to be compiled is compiled at the first run, of no images too. Raises DeviceError when the device
        fails or is closed.
        """
        ...

    def stream(self, batches: Iterator[IntArray]) -> Iterator[Result]:
        """Results of batches of input codes, one after another."""
        ...

    def close(self) -> None:
        """Give the device back; a second call does nothing."""
        ...


class _Streaming:
    """A back end whose batches simply run in turn."""

    def stream(self: Backend, batches: Iterator[IntArray]) -> Iterator[Result]:
        """Results of batches of input codes, one after another."""
        return (self.run(codes) for codes in batches)


class IntegerBackend(_Streaming):
    """The integer simulator of `crossloom.sim`: the definition of the answers, without cycles."""

    name = "integer"
    origin = "simulated"

    def __init__(self, network: Network) -> None:
        self._network = network

    def run(self, codes: IntArray, edges: Collection[str] = ()) -> Result:
        """Run input codes (N, *shape)."""
        return run(self._network, codes=codes, edges=edges)

    def close(self) -> None:
        """Nothing to give back."""


class HlsBackend(_Streaming):
    """An HLS core behind its top function in C simulation: exact, without cycles. `flow` is "native" or "hls4ml".

    Compiles on first use, which takes seconds, and finds the result again later; threads take turns. The first run
    raises HlsError for a network that the flow refuses, and where there is no compiler; MissingExtraError without
    hls4ml.
    """

    origin = "simulated"

    def __init__(self, network: Network, name: str, flow: str) -> None:
        from crossloom.hls.emit import flow_of

        self.name = name
        self._network, self._flow = network, flow
        self._traces = flow_of(flow).traces
        self._simulations: dict[bool, Simulation] = {}  # by whether it records every edge
        self._turn = Lock()

    def _simulation(self, trace: bool) -> Simulation:
        from crossloom.hls.device import OPTIMIZE, open_simulation

        if trace not in self._simulations:
            seconds = 5 + len(self._network.edges) // 20
            self._simulations[trace] = during(
                f"{self.name}: compiling, seconds",
                seconds,
                lambda: open_simulation(self._network, self._flow, trace=trace, optimize=1 if trace else OPTIMIZE),
            )
        return self._simulations[trace]

    def run(self, codes: IntArray, edges: Collection[str] = ()) -> Result:
        """Run input codes (N, *shape); with edges on a core that records them all, which hls4ml has not."""
        with self._turn:
            simulation = self._simulation(bool(edges) and self._traces)
            found = simulation.run(codes)
            if not edges or not self._traces:
                return found
            return replace(found, edges={name: codes for name, codes in simulation.edges().items() if name in edges})

    def close(self) -> None:
        """Nothing to give back."""


class RtlBackend(_Streaming):
    """The generated core in Verilator behind its AXI ports: exact, with cycles.

    Images go in one at a time, so that `cycles` is what one image takes by itself; where edges are asked for, on a
    model that records them, images follow each other closely and `cycles` is None. Compiles on first use, which takes
    seconds to minutes, and finds the result again later. Threads take turns. Raises RtlError naming the layer that the
    engine cannot run; MissingExtraError without crossloom[rtl].
    """

    name = "rtl"
    origin = "simulated"

    def __init__(self, network: Network) -> None:
        from .folding_choice import compiled

        self._network = network
        self._plan = compiled(network)
        self._models: dict[bool, CoreModel] = {}  # by whether it records every edge
        self._turn, self._open = Lock(), True

    def _model(self, trace: bool) -> CoreModel:
        from crossloom.rtl.core.simulation import CoreModel

        if not self._open:
            raise DeviceError(f"{self._network.name}: the device is closed; open another Accelerator")
        if trace not in self._models:
            self._models[trace] = CoreModel(self._plan, trace=trace)
        return self._models[trace]

    def run(self, codes: IntArray, edges: Collection[str] = ()) -> Result:
        """Run input codes (N, *shape); every edge but the input can be shown."""
        layout = frame_layout(self._network)
        beats, cycles = np.zeros((len(codes), layout.result_beats), np.uint64), np.zeros(len(codes), np.int64)
        shown = {
            name: np.zeros((len(codes), *edge.image_shape), np.int64)
            for name, edge in self._network.edges.items()
            if name in edges and name != INPUT
        }
        frames, step = frame_beats(self._network, codes), min(TRACED, images_at_once(self._network)) if shown else 1
        with self._turn:
            model = self._model(trace=bool(shown))
            for start in range(0, len(codes), step):
                rows = slice(start, start + step)
                one = model.run_beats(frames[rows])
                beats[rows], cycles[rows] = one.beats, one.latency
                if shown:
                    found = model.edges()
                    for name, kept in shown.items():
                        kept[rows] = found[name]
        return replace(read_results(self._network, beats), edges=shown, cycles=None if shown else cycles)

    def close(self) -> None:
        """Free the models, after what runs."""
        with self._turn:
            self._open = False
            for model in self._models.values():
                model.close()


def _behind_pynq(network: Network, name: str, overlay: Path | None = None, frames: int | None = None) -> Backend:
    from .board.backend import FRAMES, BoardBackend
    from .board.files import OverlayFiles

    return BoardBackend(network, name, OverlayFiles(overlay) if overlay else None, FRAMES if frames is None else frames)


BACKENDS: dict[str, Callable[..., Backend]] = {
    "integer": IntegerBackend,
    "hls-native": partial(HlsBackend, name="hls-native", flow="native"),
    "hls4ml": partial(HlsBackend, name="hls4ml", flow="hls4ml"),
    "rtl": RtlBackend,
    "virtual": partial(_behind_pynq, name="virtual"),
    "board": partial(_behind_pynq, name="board"),
}
BEHIND_PYNQ = ("virtual", "board")  # these take an overlay and frames a transfer


def check_device(device: str) -> None:
    """Raise DeviceError unless there is a device of that name."""
    if device not in ("auto", *BACKENDS):
        raise DeviceError(f"device {device[:40]!r}: unknown; needed one of: auto, {', '.join(BACKENDS)}")


def open_backend(
    network: Network, device: str, overlay: Path | None = None, frames: int | None = None
) -> tuple[Backend, str]:
    """Return the back end for a device name, and why that one.

    `overlay`, a `.bit`, and `frames` a transfer are for the board and the virtual board. "auto" takes the board where
    there is one and the overlay, else the integer simulator: C simulation and RTL give the same answers and have to be
    compiled. Raises DeviceError for an unknown name, InputError for options that the device has not.
    """
    if device == "auto":
        return _best(network, overlay, frames)
    check_device(device)
    if device in BEHIND_PYNQ:
        return BACKENDS[device](network, overlay=overlay, frames=frames), "asked for"
    if overlay is not None or frames is not None:
        what = "no overlay" if overlay is not None else "no frames a transfer"
        raise InputError(f"device {device!r}: takes {what}; only {' and '.join(BEHIND_PYNQ)} do")
    return BACKENDS[device](network), "asked for"


def _best(network: Network, overlay: Path | None, frames: int | None) -> tuple[Backend, str]:
    """The board where it can run the network, else the integer simulator, and why."""
    from .board.attach import no_board

    why = no_board()
    if why is None and (overlay is None or not overlay.is_file()):
        why = f"a board is here, but no bitstream of {network.name}"
    if why is None:
        try:
            return BACKENDS["board"](network, overlay=overlay, frames=frames), "auto: the board is here"
        except CrossloomError as error:
            why = str(error)
    return IntegerBackend(network), (
        f"auto: no board ({why}); of the simulations the integer simulator needs nothing compiled"
    )
