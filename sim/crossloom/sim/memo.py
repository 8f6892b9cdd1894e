"""Keeps what follows from a network for as long as the network lives."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from .network import Network

_Found = TypeVar("_Found")


def once_per_network(function: Callable[[Network], _Found]) -> Callable[[Network], _Found]:
    """A function of a network alone, worked out once for each; its result must not be changed."""
    known: WeakKeyDictionary[Network, _Found] = WeakKeyDictionary()

    @wraps(function)
    def found(network: Network) -> _Found:
        if network not in known:
            known[network] = function(network)
        return known[network]

    return found
