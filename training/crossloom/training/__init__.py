"""Data sets, Brevitas networks of exact integers, the training loop and export; importing it needs no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from crossloom.sim.errors import MissingExtraError

if TYPE_CHECKING:
    from .config import Config as Config
    from .config import bcnn_recipe as bcnn_recipe
    from .config import flat_recipe as flat_recipe
    from .config import load_config as load_config
    from .config import override as override
    from .config import parse_config as parse_config
    from .data.digits import digits as digits
    from .data.labelled import Dataset as Dataset
    from .data.loading import load_dataset as load_dataset
    from .data.regroup import exclude as exclude
    from .evaluation import evaluate as evaluate
    from .hierarchical import Hierarchical as Hierarchical
    from .hierarchy import Hierarchy as Hierarchy
    from .hierarchy import discover as discover
    from .hierarchy import make_hierarchy as make_hierarchy
    from .hierarchy import read_hierarchy as read_hierarchy
    from .importing.importer import RealInputs as RealInputs
    from .importing.importer import import_model as import_model
    from .importing.importer import import_nir as import_nir
    from .importing.importer import write_imported as write_imported
    from .importing.integers import ImportSettings as ImportSettings
    from .importing.nir_own import export_nir as export_nir
    from .inputs import input_values as input_values
    from .inputs import to_float as to_float
    from .loop import train as train
    from .models import build_float as build_float
    from .models import build_quantized as build_quantized
    from .models import fold_batch_norm as fold_batch_norm
    from .models import quantize as quantize
    from .physics import fine_tune as fine_tune
    from .prove import export_model as export_model
    from .prove import export_routed as export_routed
    from .prove import write_artifact as write_artifact
    from .quantizers import activation_quantizer as activation_quantizer
    from .quantizers import weight_quantizer as weight_quantizer
    from .runs import TrainedModel as TrainedModel
    from .runs import load_run as load_run
    from .workflow import grow_and_export as grow_and_export
    from .workflow import train_and_export as train_and_export

_WHERE = {
    "Config": "config",
    "bcnn_recipe": "config",
    "flat_recipe": "config",
    "load_config": "config",
    "override": "config",
    "parse_config": "config",
    "Dataset": "data.labelled",
    "digits": "data.digits",
    "exclude": "data.regroup",
    "load_dataset": "data.loading",
    "Hierarchical": "hierarchical",
    "Hierarchy": "hierarchy",
    "discover": "hierarchy",
    "make_hierarchy": "hierarchy",
    "read_hierarchy": "hierarchy",
    "RealInputs": "importing.importer",
    "import_model": "importing.importer",
    "import_nir": "importing.importer",
    "write_imported": "importing.importer",
    "ImportSettings": "importing.integers",
    "export_nir": "importing.nir_own",
    "input_values": "inputs",
    "to_float": "inputs",
    "evaluate": "evaluation",
    "train": "loop",
    "build_float": "models",
    "build_quantized": "models",
    "fold_batch_norm": "models",
    "quantize": "models",
    "activation_quantizer": "quantizers",
    "weight_quantizer": "quantizers",
    "fine_tune": "physics",
    "export_model": "prove",
    "export_routed": "prove",
    "write_artifact": "prove",
    "train_and_export": "workflow",
    "grow_and_export": "workflow",
    "tune_and_export": "workflow",
    "TrainedModel": "runs",
    "load_run": "runs",
}

__all__ = sorted(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]  # the table above is the list


def __getattr__(name: str) -> Any:
    """Import what is asked for; raise MissingExtraError where torch or Brevitas is not installed."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("torch", "brevitas"):
            raise
        raise MissingExtraError(
            f"training: {missing} is not installed; needed to train; pip install 'crossloom[training]'"
        ) from None


def __dir__() -> list[str]:
    return __all__
