"""Names in the C++ that is written, made of a network's own so that they clash with nothing."""

from __future__ import annotations

import re

from crossloom.sim.network import Network


def cpp_name(kind: str, name: str) -> str:
    """The name of what a node or edge has one of: `kind`, such as `s` for a stream, then the network's name for it.

    The kind and its `_` keep it from every keyword, macro and library; what a core has of its own never starts with a
    kind and `_`. A `_` behind another or at the end, which C++ keeps for itself, is a U: no network's name has one.

    >>> cpp_name("s", "int"), cpp_name("c1", "a__b_")
    ('s_int', 'c1_a_UbU')
    """
    return f"{kind}_{re.sub('(?<=_)_|_$', 'U', name)}"


def core_namespace(network: Network) -> str:
    """The namespace of a network's core; the functions that a library exports start with it.

    Different names give different ones, none another's with the name of a function behind it.
    """
    return f"crossloom_{network.name.replace('_', 'U').replace('-', '_')}_core"
