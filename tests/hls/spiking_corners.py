"""Small networks with time, for each corner of the kernels that keep membranes or end time."""

import numpy as np
from corners import NIBBLE, Chain, conv

from crossloom.sim import LIF, Concat, Count, First, Input, Last, QType, Threshold
from crossloom.sim.builder import Section

STEPS = 6
# Reset, when, strict, most.
RULES = {
    "subtract": ("subtract", "now", False, 1),
    "late": ("subtract", "next", True, 1),
    "zero": ("zero", "now", True, 1),
    "late-zero": ("zero", "next", False, 1),
    "none": ("none", "now", False, 1),
    "several": ("subtract", "now", False, 3),
    "many-late": ("subtract", "next", False, 255),
}


def spiking(name, rules, *, end=Count, encoder="direct", bits=0, guard=2, leaks=(2,)):
    """Neurons by these rules on one edge, their spikes side by side, then an end of time, Last of membranes of 48 bits.

    Membranes of as many bits as their input at its guard bits, and `bits` more.
    """
    chain = Chain((3, 4, 2))
    if encoder == "events":
        chain.input = Input((3, 4, 2), NIBBLE, np.array([[NIBBLE.lo], [NIBBLE.hi]]), encoder, STEPS)
        chain.section = Section.of_input(chain.input)
    source = chain.add(conv(4, (2, 1), 2, bias_bits=5))
    width = chain.edges[source].type.bits + guard + bits
    made = []
    for reset, when, strict, most in rules:
        top = ((1 << (width - 1)) - 1) // most
        theta = np.array([max(top // part, 1) for part in (2, 3, 5, 9)])
        op = LIF(theta, np.array(leaks), guard, reset, when, strict, most, width, STEPS)
        membranes = chain.add(op, source)
        made.append(chain.add(Threshold(op.levels, 0, 1, 0), membranes))
    if len(made) > 1:
        chain.add(Concat(), *made)
    if end is Last:
        chain.dense(3, ties=True)
        chain.add(LIF(np.array([1]), np.array([3]), 24, "none", "now", False, 1, 48, STEPS))
    chain.add(end())
    if end is Count:
        chain.clip(QType(0, 63))
    return chain.network(name, rows=0 if end is Last else 3)


def spiking_networks():
    """All of them."""
    late, zero, late_zero = (RULES[name] for name in ("late", "zero", "late-zero"))
    return [
        *(spiking(f"lif-{name}", [rule]) for name, rule in RULES.items()),
        spiking("lif-all", RULES.values(), encoder="events", bits=1),
        spiking("lif-saturates", RULES.values(), bits=-2, leaks=(0, 1, 4, 15)),
        spiking("lif-no-guard", [late, zero, late_zero], end=First, guard=0, leaks=(0,)),
        spiking("lif-wide", [zero], end=Last, guard=24),
    ]
