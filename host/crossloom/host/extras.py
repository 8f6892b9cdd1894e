"""Whether the packages of an extra are installed."""

from __future__ import annotations

from crossloom.sim import MissingExtraError


def need_training() -> None:
    """Raise MissingExtraError, naming the extra, where training's packages are not installed."""
    try:
        import brevitas  # noqa: F401  # only whether it is there
        import torch  # noqa: F401  # as above
    except ImportError as error:
        raise MissingExtraError(
            f"training: {error.name} is not installed; pip install 'crossloom[training]'"
        ) from error
