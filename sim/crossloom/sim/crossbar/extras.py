"""Reach scipy, an optional extra, only where a solver needs it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..errors import MissingExtraError


@dataclass(frozen=True)
class Lapack:
    """The five LAPACK and BLAS routines of the elimination; scipy ships no types, hence Any."""

    potrf: Any
    potri: Any
    symm: Any
    symv: Any
    gemm: Any


def lapack() -> Lapack:
    """Return the routines; raise MissingExtraError without scipy."""
    try:
        solvers, products = import_module("scipy.linalg.lapack"), import_module("scipy.linalg.blas")
    except ImportError as error:
        raise MissingExtraError(
            "crossbar: building a transfer matrix needs scipy; pip install 'crossloom[physics]'"
        ) from error
    return Lapack(solvers.dpotrf, solvers.dpotri, products.dsymm, products.dsymv, products.dgemm)
