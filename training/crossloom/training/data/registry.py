"""The data sets that a recipe may name; another one is a file beside this and a line here."""

from __future__ import annotations

from .digits import DIGITS
from .events.sets import NMNIST, NMNIST_MODEL
from .mnist import FASHION_MNIST, MNIST

NAMED_DATA = {known.name: known for known in (DIGITS, MNIST, FASHION_MNIST, NMNIST, NMNIST_MODEL)}
