"""What an engine must have for the neurons of its passes, and what the program says of them."""

from __future__ import annotations

from collections.abc import Sequence

from crossloom.sim.ops.lif import MAX_LEAK

from .passes import Pass
from .words import Reset


def neuron_sizes(passes: Sequence[tuple[Pass, bool]], words: int) -> dict[str, int]:
    """The fields of `Sizes` that passes of neurons ask for, whose thresholds and leaks take so many words.

    Beside each pass stands whether another network's neurons may take the place of its own.
    """
    timed = int(any(entry.times > 1 for entry, _ in passes))
    some = [(entry.neurons, other) for entry, other in passes if entry.neurons]
    if not some:
        return {"timed": timed}
    hows = [neurons.how for neurons, _ in some]
    leaks = [int(k) for neurons, _ in some for leak in neurons.leak for k in leak]
    leaks += [0, MAX_LEAK] if any(other for _, other in some) else []
    return {
        "timed": timed,
        "neurons": words,
        "mem_bits": max(how.bits for how in hows),
        "mem_min": min(how.bits for how in hows),
        "guard_min": min(how.guard for how in hows),
        "guard_max": max(how.guard for how in hows),
        "leak_min": min(leaks),
        "leak_max": max(leaks),
        "most": max(how.most for how in hows),
        "later": int(any(how.when == "next" for how in hows)),
    }


def neuron_settings(entry: Pass) -> dict[str, int]:
    """What the drain's word says of a pass's neurons."""
    if not entry.neurons:
        return dict.fromkeys(("lif", "guard", "limit", "reset", "later", "strict", "most"), 0)
    how = entry.neurons.how
    return {
        "lif": 1,
        "guard": how.guard,
        "limit": how.bits,
        "reset": Reset[how.reset.upper()],
        "later": how.when == "next",
        "strict": how.strict,
        "most": how.most,
    }
