"""The places a network can run, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from crossloom.sim import DeviceError, Network, run
from crossloom.sim.types import AnyArray, IntArray


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a back end gives for N images.

    `labels` int64 (N,); `coarse` int64 (N,), the branch that ran, None for a flat network; `scores` int64
    (N, classes), masked where a branch did not run; `macs` int64 (N,); `cycles` int64 (N,) clock cycles from first
    input beat to last output beat, None where nothing clocked ran.
    """

    labels: IntArray
    coarse: IntArray | None
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

    def close(self) -> None:
        """Give the device back; a second call does nothing."""
        ...


class IntegerBackend:
    """The integer simulator of `crossloom.sim`: the definition of the answers, without cycles."""

    name = "integer"
    origin = "simulated"

    def __init__(self, network: Network) -> None:
        self._network = network

    def run(self, codes: IntArray) -> Outcome:
        """Run input codes (N, *shape)."""
        result = run(self._network, codes=codes)
        return Outcome(result.labels, result.branch, result.scores, result.macs, None)

    def close(self) -> None:
        """Nothing to give back."""


BACKENDS: dict[str, Callable[[Network], Backend]] = {"integer": IntegerBackend}


def open_backend(network: Network, device: str) -> tuple[Backend, str]:
    """Return the back end for a device name, and why that one; raise DeviceError for an unknown name.

    "auto" takes the best that is at hand. This version has the integer simulator alone.
    """
    if device == "auto":
        return IntegerBackend(network), "auto: no board or hardware model is supported yet, so the integer simulator"
    if device not in BACKENDS:
        raise DeviceError(f"device {device[:40]!r}: unknown; needed one of: auto, {', '.join(BACKENDS)}")
    return BACKENDS[device](network), "asked for"
