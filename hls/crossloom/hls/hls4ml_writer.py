"""Writes hls4ml projects: quiet, inside one folder, every type named, the same bytes every time."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from crossloom.sim.chip import XC7Z020
from crossloom.sim.errors import MissingExtraError
from crossloom.sim.ops import Edge

from .errors import HlsError
from .hls4ml_model import Project
from .hls4ml_torch import teach_front_end, torch_module
from .hls4ml_types import edge_type

CLOCK_NS = 10
# What hls4ml would take for a type that nobody named; found in a generated file, it ends the flow.
UNNAMED_TYPE = "ap_fixed<97,31>"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what hls4ml prints and warns about to itself."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def hls4ml_version() -> str:
    """The installed hls4ml's; MissingExtraError without it."""
    try:
        return version("hls4ml")
    except PackageNotFoundError:
        raise MissingExtraError("the hls4ml flow needs hls4ml: pip install 'crossloom[hls]'") from None


def _shape(edge: Edge) -> tuple[int, ...]:
    """Channels first, as torch has it."""
    return edge.shape if len(edge.shape) == 1 else (edge.shape[2], *edge.shape[:2])


def _convert(project: Project, space: str, out: Path) -> Any:
    """The hls4ml model of a project, every type in it named."""
    try:
        import torch  # noqa: F401  # hls4ml says less when it is missing
        from hls4ml.converters import convert_from_pytorch_model
        from hls4ml.utils.config import config_from_pytorch_model
    except ImportError as error:
        extra = "hls,training" if error.name == "torch" else "hls"
        raise MissingExtraError(f"the hls4ml flow needs {error.name}: pip install 'crossloom[{extra}]'") from None

    teach_front_end()
    module = torch_module(project)
    config = config_from_pytorch_model(
        module,
        _shape(project.input),
        granularity="name",
        backend="Vitis",
        default_precision=UNNAMED_TYPE,
        channels_last_conversion="internal",
        transpose_outputs=False,
    )
    names = config["LayerName"]
    for layer in project.layers:
        # One multiplier an output: a layer's products in as many cycles as an output has terms.
        names[layer.name] |= {"Precision": dict(layer.types), "Strategy": "Resource", "ReuseFactor": layer.size}
    config["Flows"] = ["convert"]  # the flows of the backend run on writing, after the change below
    (entrance,) = set(names) - {layer.name for layer in project.layers}
    names[entrance]["Precision"] = {"result": edge_type(project.input)}
    model = convert_from_pytorch_model(
        module,
        output_dir=str(out),
        project_name=project.name,
        backend="Vitis",
        io_type="io_stream",  # io_parallel unrolls whole images, far past this board
        hls_config=config,
        part=XC7Z020.part,
        clock_period=CLOCK_NS,
        namespace=f"{space}_{project.name}",
        write_weights_txt=False,  # two projects with text weights read one set
    )
    # Put there to flatten channels first; ours are flattened as the stream brings them.
    for node in [n for n in model.graph.values() if n.class_name == "Transpose"]:
        model.remove_node(node)
    return model


def write_project(project: Project, space: str, folder: Path, where: str) -> tuple[str, str]:
    """Write a project's sources to `folder/NAME` and hls4ml's kernels beside it; returns its types of input and output.

    hls4ml's scripts, test bench and bridge stay away: they know neither our top nor the other projects.
    """
    with tempfile.TemporaryDirectory() as work:
        out = Path(work)
        try:
            with _quiet():
                model = _convert(project, space, out)
                model.write()
        except (MissingExtraError, OSError, MemoryError):
            raise
        except Exception as error:  # hls4ml raises bare exceptions and asserts
            text = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise HlsError(
                f"{where}: {project.name}: hls4ml failed: {text}; report it, and use the native flow"
            ) from error
        own = folder / project.name
        shutil.rmtree(own, ignore_errors=True)
        firmware = out / "firmware"
        # A header to the compiler: it is included in core.hpp, never compiled alone.
        (firmware / f"{project.name}.cpp").rename(firmware / f"{project.name}.hpp")
        shutil.copytree(firmware / "nnet_utils", folder / "nnet_utils", dirs_exist_ok=True)
        generated = folder / "nnet_utils" / "nnet_code_gen.h"
        if any(layer.code for layer in model.get_layers()):
            raise HlsError(
                f"{where}: {project.name}: hls4ml generated code into {generated.name}, which all projects share; "
                "report it, and use the native flow"
            )
        text = generated.read_text(encoding="utf-8")  # the one kernel that hls4ml puts into a project's namespace
        generated.write_text(text.replace(f"namespace {space}_{project.name}", "namespace nnet"), encoding="utf-8")
        shutil.copytree(firmware, own, ignore=shutil.ignore_patterns("nnet_utils", "ap_types"))
        (x,), (y,) = model.get_input_variables(), model.get_output_variables()
        types = x.type.name, y.type.name
    for path in sorted(own.rglob("*.h")):
        text = path.read_text(encoding="utf-8")
        if UNNAMED_TYPE in text:
            raise HlsError(
                f"{where}: {project.name}: hls4ml left a type at its default in {path.name}; every type must be named; "
                "report it, and use the native flow"
            )
    for path in sorted((own / "weights").glob("*.h")):
        path.write_text(_simulated_weights(path.read_text(encoding="utf-8")), encoding="utf-8")
    return types


def _simulated_weights(text: str) -> str:
    """A header of weights whose array g++ fills in a loop.

    One constructor call a weight, as hls4ml writes it, takes g++ minutes; synthesis needs just that form.
    """
    array = re.compile(r"^(\w+) (\w+)\[(\d+)\] = \{(.*)\};$", re.MULTILINE)

    def both(match: re.Match[str]) -> str:
        type_, name, count, values = match.groups()
        return (
            f"#ifdef __SYNTHESIS__\n{match[0]}\n#else\n"
            f"static const double {name}_values[{count}] = {{{values}}};\n"
            f"{type_} {name}[{count}];\n"
            f"static const bool {name}_filled = crossloom::hls4ml::fill({name}_values, {name});\n#endif"
        )

    text, found = array.subn(both, text)
    if found != 1:
        raise HlsError("hls4ml: a header of weights without its one array; hls4ml 1.3 is needed: pip install it")
    return text
