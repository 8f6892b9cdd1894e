"""The definition of a Crossloom network: types, operators, artifact, and the exact integer simulator."""

from .activity import synaptic_operations
from .batching import batches, images_at_once
from .comparison import Comparison, Difference, compare
from .cost_model import Cost, cost
from .errors import (
    ArtifactError,
    ConfigError,
    CrossloomError,
    DeviceError,
    ExportError,
    ForeignError,
    InputError,
    MissingExtraError,
    NetworkError,
    ToolError,
)
from .golden import Golden, digest, digests, make_golden, simulated_digests
from .identity import structure, structure_sha256, weights_sha256
from .loom import Artifact, load, save
from .network import Branch, Input, Network, Node, Route
from .ops import (
    LIF,
    Add,
    Concat,
    Conv2d,
    Count,
    Dense,
    Edge,
    First,
    Flatten,
    Last,
    LeakyReLU,
    MaxPool,
    Requant,
    SumPool,
    Threshold,
    membrane_bits,
)
from .random_inputs import random_codes
from .random_networks import random_network
from .result import Result, differing
from .simulator import input_codes, run
from .types import QType, Rounding

__all__ = [
    "LIF",
    "Add",
    "Artifact",
    "ArtifactError",
    "Branch",
    "Comparison",
    "Concat",
    "ConfigError",
    "Conv2d",
    "Cost",
    "Count",
    "CrossloomError",
    "Dense",
    "DeviceError",
    "Difference",
    "Edge",
    "ExportError",
    "First",
    "Flatten",
    "ForeignError",
    "Golden",
    "Input",
    "InputError",
    "Last",
    "LeakyReLU",
    "MaxPool",
    "MissingExtraError",
    "Network",
    "NetworkError",
    "Node",
    "QType",
    "Requant",
    "Result",
    "Rounding",
    "Route",
    "SumPool",
    "Threshold",
    "ToolError",
    "batches",
    "compare",
    "cost",
    "differing",
    "digest",
    "digests",
    "images_at_once",
    "input_codes",
    "load",
    "make_golden",
    "membrane_bits",
    "random_codes",
    "random_network",
    "run",
    "save",
    "simulated_digests",
    "structure",
    "structure_sha256",
    "synaptic_operations",
    "weights_sha256",
]
