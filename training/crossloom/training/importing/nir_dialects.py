"""What the numbers of a NIR neuron mean: each library writes others for one neuron, and a file does not say which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crossloom.sim import ForeignError

from .chain import Neuron, Reals, by_channel
from .nir_file import NirFile

CLOSE = 1e-4
"""Relative distance at which a number is still the one that float32 arithmetic gave the writer."""

WRITERS = ("snntorch", "spikingjelly", "sinabs", "norse", "spyx", "crossloom")


@dataclass(frozen=True)
class Unsaid:
    """What no NIR file says of its neurons: their reset, whether sinabs' input counts by 1 - decay, its spikes a step.

    None where the writer's default is to stand.
    """

    reset: str | None = None
    norm_input: bool | None = None
    single: bool | None = None


@dataclass(frozen=True)
class _Dialect:
    """A writer's step in seconds where none is given, resets that it has, and the neuron of a node's numbers."""

    step: float
    resets: tuple[str, ...]
    read: Callable[[_Numbers], Neuron]


class _Numbers:
    """The numbers of one node, and what is asked of them."""

    def __init__(self, name: str, node: Mapping[str, Any], writer: str, step: float, unsaid: Unsaid) -> None:
        self.name, self.where, self.kind = name, f"node {name!r}", str(node["type"])
        self.node, self.writer, self.step, self.unsaid = node, writer, step, unsaid

    def of(self, what: str) -> Reals:
        """A parameter, for all channels or each."""
        if what not in self.node:
            raise ForeignError(f"{self.where}: a {self.kind} without {what}; needed it; write the file again")
        if isinstance(self.node[what], dict | str):
            raise ForeignError(f"{self.where}: {what} is no number; needed one for each neuron")
        return by_channel(self.where, self.node[what], what)

    def time(self, what: str) -> Reals:
        """A time constant above 0, as `of`; infinity is one too."""
        value = np.asarray(self.node.get(what))
        if value.dtype.kind == "f" and value.size and np.isposinf(value).all():
            return np.array([np.inf])
        found = self.of(what)
        if not (found > 0).all():
            raise ForeignError(f"{self.where}: {what} {float(found.min()):.6g}; needed one above 0")
        return found

    def need(self, what: str, wanted: Reals, meaning: str) -> None:
        """Refuse a parameter that the writer would not have written."""
        found = self.of(what)
        finite = np.broadcast_to(wanted, np.broadcast_shapes(found.shape, wanted.shape))
        near = np.isclose(found, finite, rtol=CLOSE, atol=1e-12)
        if not near.all():
            index = int(np.argmin(near))
            wrong = float(found[index % len(found)])
            raise ForeignError(
                f"{self.where}: {what} {wrong:.6g}; {self.writer} writes {float(finite[index]):.6g} ({meaning}); "
                "needed the file's own --writer, and the --step that it was written with"
            )

    def zeros(self, *names: str) -> None:
        """Refuse voltages other than 0."""
        for what in names:
            if what in self.node and self.of(what).any():
                found = float(self.of(what)[self.of(what) != 0][0])
                raise ForeignError(f"{self.where}: {what} {found:.6g}; needed 0: a membrane starts and rests there")

    def reset(self, default: str) -> str:
        """The reset of the neurons, the writer's default where nobody said."""
        return self.unsaid.reset or default


def _tau_decay(tau: Reals, step: float) -> Reals:
    """The decay of a step that takes step/tau off."""
    return 1.0 - step / tau


def _plain(found: _Numbers, tau: Reals) -> Neuron:
    decay = _tau_decay(tau, found.step)
    if (decay < -CLOSE).any():
        raise ForeignError(
            f"{found.where}: tau {float(tau.min()):.6g} s is shorter than a step of {found.step:.6g} s; needed the "
            "--step that it was written with"
        )
    return Neuron(found.name, np.clip(decay, 0, 1), found.of("v_threshold"), np.ones(1))


def _snntorch(found: _Numbers) -> Neuron:
    found.zeros("v_leak", "v_reset")
    reset = found.reset("subtract")
    when = "next" if reset == "subtract" else "now"
    if found.kind == "CubaLIF":
        tau = found.time("tau_mem")
        found.need("r", tau / found.step, "tau_mem / step")
        syn = found.time("tau_syn")
        found.need("w_in", syn / found.step, "tau_syn / step")
        when = "now" if reset == "none" else "next"
        return replace(_plain(found, tau), strict=True, synapse=_current(syn, found.step), reset=reset, when=when)
    if found.kind == "IF":
        raise ForeignError(f"{found.where}: an IF; snntorch writes LIF and CubaLIF; needed the file's own --writer")
    tau = found.time("tau")
    if np.isfinite(tau).all():
        found.need("r", tau / found.step, "tau / step")
    return replace(_plain(found, tau), strict=True, reset=reset, when=when)


def _current(tau: Reals, step: float) -> Reals:
    """The decay of a current; 0 where float32 made nearly that of it."""
    decay = _tau_decay(tau, step)
    return np.where(np.abs(decay) < CLOSE, 0.0, decay)


def _spikingjelly(found: _Numbers) -> Neuron:
    found.zeros("v_leak", "v_reset")
    if found.kind == "IF":
        found.need("r", np.array([1 / found.step]), "1 / step")
        return Neuron(found.name, np.ones(1), found.of("v_threshold"), np.ones(1), "zero")
    if found.kind == "CubaLIF":
        tau, syn = found.time("tau_mem"), found.time("tau_syn")
        found.need("r", tau / found.step, "tau_mem / step")
        found.need("w_in", syn / found.step, "tau_syn / step")
        return replace(_plain(found, tau), reset="zero", synapse=_current(syn, found.step))
    tau, r = found.time("tau"), found.of("r")
    plain = replace(_plain(found, tau), reset="zero")
    if np.allclose(r, 1, rtol=CLOSE):
        return replace(plain, normed=True)
    found.need("r", tau / found.step, "tau / step, or 1 where the input decays")
    return plain


def _sinabs(found: _Numbers) -> Neuron:
    found.zeros("v_leak", "v_reset")
    found.need("r", np.ones(1), "always")
    reset = found.reset("subtract")
    single = bool(found.unsaid.single)
    most = None if reset == "subtract" and not single else 1
    if reset == "zero" and not single:
        raise ForeignError(
            f"{found.where}: reset zero with several spikes a step; needed SingleSpike beside it: --single"
        )
    theta = found.of("v_threshold")
    if found.kind == "IF":
        return Neuron(found.name, np.ones(1), theta, np.ones(1), reset, most=most)
    decay = np.exp(-1 / found.time("tau"))
    normed = found.unsaid.norm_input is not False
    return Neuron(found.name, decay, theta, np.ones(1), reset, normed=normed, most=most)


def _norse(found: _Numbers) -> Neuron:
    found.zeros("v_leak", "v_reset")
    found.need("r", np.ones(1), "always")
    theta = found.of("v_threshold")
    if found.kind == "IF":
        return Neuron(found.name, np.ones(1), theta, np.ones(1), found.reset("zero"), strict=True)
    if found.kind == "CubaLIF":
        raise ForeignError(
            f"{found.where}: norse's LIFCell adds its current one step late; no operator does; needed LIFBoxCell"
        )
    tau = found.time("tau") / found.step  # seconds squared in the file: step / tau_mem_inv
    return replace(_plain(found, tau), strict=True, normed=True, reset=found.reset("zero"))


def _spyx(found: _Numbers) -> Neuron:
    found.zeros("v_leak", "v_reset")
    if found.kind == "CubaLIF":
        raise ForeignError(
            f"{found.where}: spyx's CuBaLIF; its order of current and membrane is not known; needed LIF or IF"
        )
    if found.kind == "IF":
        found.need("r", np.ones(1), "always")
        return Neuron(found.name, np.ones(1), found.of("v_threshold"), np.ones(1), when="next", strict=True, late=True)
    tau = found.time("tau")
    plain = _plain(found, tau)
    found.need("r", plain.decay, "1 - step / tau")
    return replace(plain, when="next", strict=True, late=True)


_DIALECTS = {
    "snntorch": _Dialect(1e-4, ("subtract", "zero", "none"), _snntorch),
    "spikingjelly": _Dialect(1e-4, ("zero",), _spikingjelly),
    "sinabs": _Dialect(1.0, ("subtract", "zero"), _sinabs),
    "norse": _Dialect(1e-3, ("zero", "subtract"), _norse),
    "spyx": _Dialect(1.0, ("subtract",), _spyx),
}
_OLDEST = {"spikingjelly": (1, 0, 7)}
_NEWEST = {"sinabs": (1, 0, 4)}


def check_dialect(file: NirFile, writer: str, unsaid: Unsaid) -> None:
    """Refuse a version of nir that the writer has not, and what is said of neurons that it does not have."""
    number = tuple(int(n) for n in file.version.split(".")[:3] if n.isdigit())
    if number < _OLDEST.get(writer, ()) or (writer in _NEWEST and number > _NEWEST[writer]):
        bound = f"up to {_text(_NEWEST[writer])}" if writer in _NEWEST else f"{_text(_OLDEST[writer])} or newer"
        raise ForeignError(
            f"--writer {writer}: the file is of nir {file.version}, {writer} uses {bound}; name its writer"
        )
    dialect = _DIALECTS[writer]
    if unsaid.reset is not None and unsaid.reset not in dialect.resets:
        raise ForeignError(f"--reset {unsaid.reset}: {writer} files have {' or '.join(dialect.resets)}; leave it out")
    if writer != "sinabs" and (unsaid.norm_input is not None or unsaid.single is not None):
        raise ForeignError(f"--writer {writer}: input norms and single spikes are sinabs' alone; leave them out")


def _text(number: tuple[int, ...]) -> str:
    return ".".join(map(str, number))


def dialect_step(writer: str) -> float:
    """The step in seconds that a writer's exporter has where it is given none."""
    return _DIALECTS[writer].step


def neuron_of(name: str, node: Mapping[str, Any], writer: str, step: float, unsaid: Unsaid) -> Neuron:
    """Return the neurons of a LIF, IF or CubaLIF node; raise ForeignError where its numbers are not the writer's."""
    return _DIALECTS[writer].read(_Numbers(name, node, writer, step, unsaid))


def assumptions(writer: str, unsaid: Unsaid) -> tuple[str, ...]:
    """What a file does not say of its neurons, and is taken for the writer's default."""
    said = []
    if writer in ("snntorch", "norse", "sinabs") and unsaid.reset is None:
        said.append(f"reset {_DIALECTS[writer].resets[0]}, {writer}'s default: the file does not say")
    if writer == "sinabs" and unsaid.norm_input is None:
        said.append("inputs count by 1 - decay (norm_input), sinabs' default: the file does not say")
    if writer == "sinabs" and unsaid.single is None:
        said.append("several spikes a step (MultiSpike), sinabs' default: the file does not say")
    return tuple(said)
