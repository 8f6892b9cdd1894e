"""The phases of a training run in order: super-classes, floats, quantized, and of spiking networks with fewer steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .config import Config

FLOAT, QAT, DISCOVER = "float", "qat", "discover"


@dataclass(frozen=True)
class Phase:
    """Name, epochs, peak learning rate; what its random numbers are drawn from, and the recipe of its network."""

    name: str
    epochs: int
    peak: float
    stream: tuple[int, ...]
    config: Config

    @property
    def quantized(self) -> bool:
        """Whether its network has quantized layers; of several such phases the last one's is the run's result."""
        return self.name not in (DISCOVER, FLOAT)

    @property
    def steps(self) -> int | None:
        """Time steps of its network, None for one without time."""
        return None if self.config.spiking is None else self.config.spiking.steps


def phases_of(config: Config, discovers: bool) -> tuple[Phase, ...]:
    """Return the phases of a run; `discovers`: a flat network comes first, whose confusions make the super-classes.

    A network that begins with more time steps than it keeps has a quantized phase for each number of them: "qat-5",
    "qat-4" and so on, the last one "qat".
    """
    training, spiking = config.training, config.spiking
    counts = [] if spiking is None or spiking.from_steps is None else list(range(spiking.from_steps, spiking.steps, -1))
    first = config if not counts else _of_steps(config, counts[0])
    # The order of the streams is that in which the phases came to be.
    found = [Phase(FLOAT, training.float_epochs, training.float_learning_rate, (0,), first)]
    if discovers:
        assert config.hierarchy is not None
        epochs = config.hierarchy.discovery_epochs
        found.insert(0, Phase(DISCOVER, epochs, training.float_learning_rate, (2,), first))
    epochs = training.epochs
    for steps in counts:
        stage = _of_steps(config, steps)
        found.append(Phase(f"{QAT}-{steps}", epochs, training.learning_rate, (1, steps), stage))
        epochs = (spiking.stage_epochs if spiking is not None else None) or training.epochs
    found.append(Phase(QAT, epochs, training.learning_rate, (1,), config))
    return tuple(found)


def _of_steps(config: Config, steps: int) -> Config:
    """The recipe of the network that this one is while it has more time steps than in the end."""
    assert config.spiking is not None
    return replace(config, spiking=replace(config.spiking, steps=steps, from_steps=None, stage_epochs=None))
