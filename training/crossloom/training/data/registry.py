"""The data sets that a recipe may name; another one is a file beside this and a line here."""

from __future__ import annotations

from .cifar import CIFAR10, CIFAR100
from .digits import DIGITS
from .events.sets import NMNIST, NMNIST_MODEL
from .mnist import FASHION_MNIST, MNIST

NAMED_DATA = {known.name: known for known in (DIGITS, MNIST, FASHION_MNIST, CIFAR10, CIFAR100, NMNIST, NMNIST_MODEL)}
