"""The libraries by name, and the one whose neurons a model has."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec

from torch import nn

from crossloom.sim import ForeignError

from ..chain import Neuron
from .common import Library
from .norse import NORSE
from .sinabs import SINABS
from .snntorch import SNNTORCH
from .spikingjelly import SPIKINGJELLY

LIBRARIES = {library.package: library for library in (SNNTORCH, SPIKINGJELLY, SINABS, NORSE)}


def library_of(module: nn.Module) -> Library | None:
    """Return the library whose class a module is of, None where it is of none."""
    return LIBRARIES.get(type(module).__module__.partition(".")[0])


def is_neuron(module: nn.Module) -> bool:
    """Whether a module is one of a library's neurons that has an integer form."""
    library = library_of(module)
    return library is not None and type(module).__name__ in library.neurons


def neuron(name: str, module: nn.Module) -> Neuron:
    """Return the neurons of a library's module; raise ForeignError where no operator is their rule."""
    library = library_of(module)
    assert library is not None
    read = library.neurons.get(type(module).__name__)
    if read is None:
        known = ", ".join(library.neurons)
        raise ForeignError(
            f"layer {name!r}: {library.name}'s {type(module).__name__} has no integer form; known are {known}"
        )
    return replace(read(f"layer {name!r}", module), name=name)


def installed(package: str) -> str | None:
    """Return a library's version where it can be imported, None where it cannot."""
    if package not in LIBRARIES or find_spec(package) is None:
        return None
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of no stated version"
