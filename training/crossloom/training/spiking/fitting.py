"""Whether a recipe's network and its data set have the same time."""

from __future__ import annotations

from crossloom.sim.errors import ConfigError

from ..config import Config
from ..data.labelled import Dataset
from .encoding import DIRECT, Encoder


def encoder_of(config: Config) -> Encoder:
    """Return the encoder of a recipe."""
    spiking = config.spiking
    if spiking is None or spiking.encoder == "direct":
        return DIRECT
    return Encoder(spiking.encoder, spiking.steps, spiking.seed)


def event_steps(config: Config) -> int | None:
    """Return the time steps that a recipe wants its recordings counted in; None where it takes images."""
    return config.spiking.steps if config.spiking is not None and config.spiking.encoder == "events" else None


def check_time(config: Config, dataset: Dataset) -> None:
    """Raise ConfigError where a recipe's network and a data set's images do not have the same time."""
    wanted, where = event_steps(config), f"{dataset.name}: "
    if wanted is None and dataset.steps > 1:
        raise ConfigError(
            f"{where}images of {dataset.steps} steps of time; needed images that stand still; write [spiking] with "
            'encoder = "events", or train on another data set'
        )
    if wanted is None:
        return
    if dataset.steps == 1 and wanted > 1:
        raise ConfigError(
            f'{where}images that stand still; needed {wanted} steps of counts for encoder "events"; write encoder = '
            '"direct", or train on another data set'
        )
    if dataset.steps != wanted:
        raise ConfigError(
            f"{where}images of {dataset.steps} steps of time; needed the {wanted} of [spiking]; write steps = "
            f"{dataset.steps}"
        )
    how = config.training.augmentation
    for key, given in (("rotate", how.rotate), ("scale", how.scale)):
        if given:
            raise ConfigError(
                f'{config.source}: [training.augmentation] key {key!r}: found {given} beside encoder "events"; needed '
                "whole pixels, as counts cannot be shared between them; write shift or flip"
            )
