"""One call for every place a network runs: `Accelerator("digits-cnn")(images)`."""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which takes long to import: the command line is to be ready at once
if TYPE_CHECKING:
    from typing import Any

    from .accelerator import Accelerator, Prediction
    from .backends import Backend
    from .designs import design_names, find_design

_HOMES = {
    "Accelerator": "accelerator",
    "Prediction": "accelerator",
    "Backend": "backends",
    "design_names": "designs",
    "find_design": "designs",
}

__all__ = ["Accelerator", "Backend", "Prediction", "design_names", "find_design"]


def __getattr__(name: str) -> Any:
    # On first use, so that the command line's --help does not wait for numpy.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
