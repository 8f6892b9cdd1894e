"""Keeps what follows from a network for as long as the network lives."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

_Of = TypeVar("_Of")
_Found = TypeVar("_Found")


def once_per_network(function: Callable[[_Of], _Found]) -> Callable[[_Of], _Found]:
    """A function of a network, or of its input, alone, worked out once for each; its result must not be changed."""
    known: WeakKeyDictionary[_Of, _Found] = WeakKeyDictionary()

    @wraps(function)
    def found(network: _Of) -> _Found:
        if network not in known:
            known[network] = function(network)
        return known[network]

    return found
