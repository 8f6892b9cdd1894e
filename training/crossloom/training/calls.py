"""Reads the arguments of a call in a torch.fx graph by name, however they were written."""

from __future__ import annotations

import inspect
from typing import Any

from torch import fx, nn

from crossloom.sim import ExportError

_SAME = {"axis": "dim", "self": "input", "other": "other", "end_dims": "end_dim"}


def bound(node: fx.Node, *names: str) -> dict[str, Any]:
    """Return the arguments of a function or method by name; those that were not given are left out.

    `names` stand in order. Raises ExportError for an argument that is none of them.
    """
    found = dict(zip(names, node.args, strict=False))
    if len(node.args) > len(names):
        raise ExportError(f"{node.name}: {len(node.args)} arguments; needed at most {len(names)}: {', '.join(names)}")
    for key, value in node.kwargs.items():
        name = _SAME.get(key, key)
        if name not in names:
            raise ExportError(f"{node.name}: argument {key!r}; needed none but {', '.join(names)}; leave it out")
        found[name] = value
    return found


def module_arguments(node: fx.Node, module: nn.Module) -> list[Any]:
    """Return what a module is called with, in the order of its forward, however it was written."""
    try:
        return list(inspect.signature(module.forward).bind(*node.args, **node.kwargs).arguments.values())
    except TypeError as error:
        raise ExportError(f"{node.target}: it is called with other arguments than it takes ({error})") from None
