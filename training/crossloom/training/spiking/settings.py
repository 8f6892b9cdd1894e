"""The section [spiking] of a recipe: time, the neuron, the surrogate gradient, the loss, and how gradients go back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossloom.sim.encoders import ENCODERS
from crossloom.sim.errors import ConfigError
from crossloom.sim.ops.lif import MAX_GUARD, MAX_LEAK, MAX_STEPS, WHENS
from crossloom.sim.types import MAX_ACC_BITS

from ..layer_tables import LayerConfig, Residual
from ..rules import boolean, choice, integer, number, only_words, refuse, shown
from .encoding import SPIKES

LEARNED = ("theta", "leak")
SURROGATES = ("atan", "triangle")
MAX_WEIGHT = 1e6


@dataclass(frozen=True)
class SpikingConfig:
    """What every layer with activation "lif" is, and how it learns; the neuron as `crossloom.sim.LIF` defines it.

    `encoder` makes `steps` of an image: "direct", the image is the input at each of them, so that what stands before
    the first neurons is computed once; "rate" and "latency", spikes, the former drawn from `seed` and the image's
    number; "events", images come as counts of so many steps. `theta` is the threshold as a value, `guard` the fraction
    bits of a membrane below its accumulator, `membrane_bits` its width (left out: as wide as never saturates).

    `surrogate` is the derivative that stands for a spike's, "atan" (SpikingJelly's, arXiv 2007.05785) or "triangle"
    (arXiv 1803.09574), `surrogate_width` how steep or wide, in thresholds; with `detach_reset` no gradient goes back
    through the reset. `learn`: "theta" and "leak" of every channel are learned, rounded to the contract.

    `mode` "bptt" goes back through time; "sltt" (arXiv 2302.14311) does not, and its memory does not grow with
    `steps`; of them `sltt_steps` (left out: all), drawn at random, give gradients (SLTT-K).

    With `from_steps` the network is first trained with so many steps, then with one less, and so on to `steps`, each
    time from the best weights of the stage before (IIR-SNN, arXiv 2110.05929); `stage_epochs` (left out: those of the
    first) is how long each further stage takes.

    `loss` "count": cross entropy of spike counts of a last layer of neurons; "membrane": of the last membranes of one
    that never spikes; "first": of steps - t for the first spike of the last layer at step t, so that the class whose
    spike comes first is the answer. To it comes `rate_weight` times, for each layer, the square of how far its spikes
    a neuron and step lie above `rate_target`.
    """

    encoder: str = choice(*ENCODERS, default="direct")
    steps: int = integer(1, MAX_STEPS, 4)
    seed: int = integer(0, (1 << 32) - 1, 0)
    theta: float = number(2.0**-16, 2.0**16, 1.0)
    leak: int = integer(0, MAX_LEAK, 2)
    guard: int = integer(0, MAX_GUARD, 8)
    reset: str = choice("subtract", "zero", default="subtract")
    when: str = choice(*WHENS, default="now")
    strict: bool = boolean(False)
    most: int = integer(1, 255, 1)
    membrane_bits: int | None = integer(2, MAX_ACC_BITS, None)
    surrogate: str = choice(*SURROGATES, default="atan")
    surrogate_width: float = number(1e-3, 1e3, 2.0)
    detach_reset: bool = boolean(True)
    learn: tuple[str, ...] = only_words(*LEARNED)
    mode: str = choice("bptt", "sltt", default="bptt")
    sltt_steps: int | None = integer(1, MAX_STEPS, None)
    from_steps: int | None = integer(2, MAX_STEPS, None)
    stage_epochs: int | None = integer(1, 100_000, None)
    loss: str = choice("count", "membrane", "first", default="count")
    rate_weight: float = number(0.0, MAX_WEIGHT, 0.0)
    rate_target: float = number(0.0, 255.0, 0.0)


def check_spiking(source: str, found: SpikingConfig) -> None:
    """Refuse keys that another one leaves without effect, or makes impossible."""

    def wrong(key: str, what: str, needed: str, advice: str) -> None:
        refuse(source, "spiking", key, what, needed, advice)

    if found.seed and found.encoder != "rate":
        what = f"found {found.seed} beside encoder {shown(found.encoder)}"
        wrong("seed", what, 'encoder "rate", which draws', "remove it")
    if found.most > 1 and (found.strict or found.reset != "subtract"):
        rule = "strict" if found.strict else f"reset {shown(found.reset)}"
        wrong("most", f"found {found.most} beside {rule}", 'reset "subtract" without strict', "write most = 1")
    if found.reset == "zero" and found.when == "next" and not found.detach_reset:
        wrong("detach_reset", 'false beside reset "zero" when "next"', "true", "remove it")
    if found.mode == "sltt" and not found.detach_reset:
        wrong("detach_reset", 'false beside mode "sltt", where no gradient reaches a reset', "true", "remove it")
    if found.membrane_bits is not None and found.most >= 1 << (found.membrane_bits - 1):
        what = f"found {found.membrane_bits}, too few for thresholds of {found.most} spikes a step"
        wrong("membrane_bits", what, f"{found.most.bit_length() + 1} or more", "write more, or a smaller most")
    if found.steps == 1 and found.from_steps is None:
        idle = {
            "reset": (found.reset, found.reset != "subtract"),
            "when": (found.when, found.when != "now"),
            "learn": ("leak", "leak" in found.learn),
            "mode": (found.mode, found.mode != "bptt"),
            "detach_reset": (found.detach_reset, not found.detach_reset),
        }
        for key, (value, given) in idle.items():
            if given:
                what = f"found {shown(value)} beside steps = 1, where nothing leaks or is reset"
                wrong(key, what, "more steps for it, or from_steps", "remove it")
    if found.sltt_steps is not None and found.mode != "sltt":
        wrong(
            "sltt_steps", f"given, but mode is {shown(found.mode)}", 'mode "sltt" for it', "remove it, or change mode"
        )
    if found.sltt_steps is not None and found.sltt_steps > found.steps:
        wrong("sltt_steps", f"found {found.sltt_steps} of {found.steps} steps", "at most steps", "make it smaller")
    if found.from_steps is not None and found.from_steps <= found.steps:
        wrong("from_steps", f"found {found.from_steps}, and steps {found.steps}", "more than steps", "write steps = 1")
    if found.stage_epochs is not None and found.from_steps is None:
        wrong(
            "stage_epochs", "given, but there is one stage", "from_steps for it", "write from_steps = 5, or remove it"
        )
    if found.loss == "first" and found.mode == "sltt":
        wrong("mode", 'found "sltt" beside loss "first", which needs the spikes of all steps', '"bptt"', "remove it")
    if found.rate_target and not found.rate_weight:
        wrong("rate_target", "given, but rate_weight is 0", "a weight for it", "write rate_weight = 1.0, or remove it")
    if "leak" in found.learn and not found.leak:
        wrong("learn", 'found "leak" beside leak = 0', "a leak to begin with", "write leak = 2")


def _has_neurons(layers: Sequence[LayerConfig]) -> bool:
    return any(
        getattr(layer, "activation", None) == "lif" or (isinstance(layer, Residual) and _has_neurons(layer.layers))
        for layer in layers
    )


def check_fits(
    source: str,
    found: SpikingConfig | None,
    layers: Sequence[LayerConfig],
    hierarchical: bool,
    float_precision: str,
    precision: str,
) -> None:
    """Raise ConfigError where [spiking] and the layers, super-classes or precision of a recipe do not go together."""
    lif = _has_neurons(layers)
    if found is None:
        if lif:
            raise ConfigError(
                f'{source}: [spiking]: missing, but a layer has activation = "lif"; needed both; write [spiking]'
            )
        return
    if not lif:
        raise ConfigError(
            f'{source}: [spiking]: there, but no layer has activation = "lif"; needed one; write it in one'
        )
    if hierarchical and (found.mode != "bptt" or found.rate_weight):
        key, value = ("mode", shown(found.mode)) if found.mode != "bptt" else ("rate_weight", f"{found.rate_weight:g}")
        refuse(source, "spiking", key, f"found {value} beside [hierarchy]", "a flat network for it", "remove it")
    for key, given in (("float_precision", float_precision), ("precision", precision)):
        if given != "float32":
            refuse(
                source, "training", key, f"found {shown(given)} beside [spiking]",
                '"float32": membranes are carried in it', "remove it",
            )  # fmt: skip


def check_encoder(
    source: str, found: SpikingConfig | None, plain_bits: bool, normalization: str, hierarchical: bool, init: bool
) -> None:
    """Raise ConfigError where time at the input has no place, or leaves keys of [quantization] without effect."""
    if found is None or found.encoder == "direct":
        return
    where = {
        "[hierarchy]": hierarchical,
        "init": init,
        "from_steps": bool(found.from_steps) and found.encoder == "events",
    }
    for what, given in where.items():
        if given:
            refuse(
                source,
                "spiking",
                "encoder",
                f"found {shown(found.encoder)} beside {what}",
                '"direct"',
                "remove one of them",
            )
    if found.encoder not in SPIKES:
        return
    for key, fits in (("input_bits", plain_bits), ("normalization", normalization == "unit")):
        if not fits:
            what = f"given beside encoder {shown(found.encoder)}, whose codes are 0 and 1"
            refuse(source, "quantization", key, what, "none of it", "remove it")
