"""How fast a phase is computed: precision, order in memory and threads, chosen by timing a step of each."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from .config import TrainingConfig

ROUNDS = 3
"""How often each candidate takes a step, in turn; the first time doesn't count, of the others the shortest does."""

_KINDS = {
    "float32": (("float32", False),),
    "bfloat16": (("bfloat16", True),),
    "auto": (("float32", False), ("float32", True), ("bfloat16", True)),
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """Precision of the forward and backward pass, whether channels are last in memory, and torch's threads."""

    precision: str
    channels_last: bool
    threads: int

    def __str__(self) -> str:
        order = ", channels last" if self.channels_last else ""
        return f"{self.precision}{order}, {self.threads} thread{'s' if self.threads > 1 else ''}"


def candidates(training: TrainingConfig, quantized: bool) -> list[Pace]:
    """Return what a phase may be computed by: of a recipe that leaves nothing to "auto", one."""
    threads = [torch.get_num_threads()]
    if training.threads == "auto":
        cores = _cores()
        threads = [*(2**k for k in range(cores.bit_length()) if 2**k < cores), cores]
    kinds = _KINDS[training.precision if quantized else training.float_precision]
    return [Pace(precision, last, count) for precision, last in kinds for count in threads]


def choose(found: Sequence[Pace], seconds_of: Callable[[Pace], float]) -> tuple[Pace, dict[str, float]]:
    """Return the fastest of the candidates, and the seconds of a step of each; nothing is timed where there is one.

    They take turns, so that what else a machine does is no candidate's alone.
    """
    if len(found) == 1:
        return found[0], {}
    least: dict[Pace, float] = {}
    for number in range(ROUNDS):
        for pace in found:
            seconds = seconds_of(pace)
            if number:
                least[pace] = min(least.get(pace, seconds), seconds)
    best = min(least, key=least.__getitem__)
    return best, {str(pace): round(seconds, 4) for pace, seconds in least.items()}


def kept(state: Mapping[str, Any] | None, found: Sequence[Pace], where: object) -> Pace | None:
    """Return the pace of an earlier run's checkpoint, None where it has to be chosen anew: on another machine.

    Either is said in the log where there was something to choose.
    """
    if state is None:
        return None
    before = Pace(**state["pace"])
    if len(found) == 1:
        if before.threads != found[0].threads:
            text = "%s: started with %d threads, resumed with %d: the weights may differ in their last bits"
            _log.warning(text, where, before.threads, found[0].threads)
        return None
    if state["machine"] != machine() or before not in found:
        _log.warning(
            "%s: resumed on another machine; precision and threads are chosen again, they were %s", where, before
        )
        return None
    _log.info("%s: resumed with %s, as before", where, before)
    return before


def pace_state(pace: Pace) -> dict[str, Any]:
    """Return what a checkpoint keeps, for `kept`."""
    return {"pace": asdict(pace), "machine": machine()}


def machine() -> str:
    """Return the kind of this machine: architecture, processor, and the cores that may be used."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{platform.machine()} {name or platform.processor()}, {_cores()} cores"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
