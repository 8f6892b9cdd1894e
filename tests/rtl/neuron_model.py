"""What neuron_lane does in a step of its neurons: membranes and spikes, and what is left for the next step."""

import numpy as np

from crossloom.rtl.compiler.words import Reset

FRESH = 0, False


def neuron_step(drain, theta, leak, left, acc):
    """Membranes and spikes of sums by the settings of a drain's word, and what is `left` for the next step."""
    rest, lost = left
    limit = 1 << (drain.limit - 1)
    v = np.where(lost, 0, np.clip(rest + (acc << drain.guard), -limit, limit - 1))
    spikes = np.clip((v - drain.strict) // theta, 0, drain.most)
    taken = v * (spikes > 0) if drain.reset == Reset.ZERO else spikes * theta
    now = v if drain.reset == Reset.NONE or drain.later else v - taken
    after = now - np.where(leak > 0, (now + (1 << np.maximum(leak, 1) - 1)) >> leak, 0)
    if drain.later and drain.reset == Reset.SUBTRACT:
        after = after - taken
    return v, spikes, (after, (spikes > 0) if drain.later and drain.reset == Reset.ZERO else False)
