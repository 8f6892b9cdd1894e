"""The house's rules, read from the source: the namespace, which way imports point, what is never done."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "brevitas", "sklearn", "PIL", "tqdm", "matplotlib", "hls4ml", "cocotb", "pynq", "h5py", "nir"}
NETWORK = {
    "urllib",
    "socket",
    "socketserver",
    "http",
    "xmlrpc",
    "ftplib",
    "smtplib",
    "ssl",
    "requests",
    "urllib3",
    "httpx",
}
UNPICKLING = {"pickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
TESTS = {"tests", *(path.stem for path in (ROOT / "tests").rglob("*.py"))}
FORBIDDEN = {("allow_pickle", True), ("weights_only", False), ("shell", True)}
LOADERS = {"torch": "weights_only=True", "np": "allow_pickle=False", "numpy": "allow_pickle=False"}
# torch.nn.Module subclasses and functions of tensors throughout, and what calls those on every line: nothing in
# them works without torch, and nothing outside training imports them except inside a function.
NEEDS_PYNQ = Path("host/crossloom/host/board/virtual/device.py")
NEEDS_TORCH = {
    "arguments", "averaging", "batchnorm", "beforehand", "calls", "evaluation", "export", "growing", "hierarchical",
    "layers", "logits", "loop", "models", "pace", "physics", "pools", "prove", "quantized", "quantizers", "restore",
    "runs", "starting", "state", "stepping", "steps", "tracing", "values", "walk", "workflow",
    "importing/libraries/common", "importing/libraries/known", "importing/libraries/norse",
    "importing/libraries/sinabs", "importing/libraries/snntorch", "importing/libraries/spikingjelly",
    "importing/modules", "importing/running",
    "spiking/by_steps", "spiking/exporting", "spiking/layers", "spiking/lif", "spiking/neurons",
}  # fmt: skip
ALLOWED = {
    "sim": {"sim"},
    "training": {"sim", "training"},
    "hls": {"sim", "hls"},
    "rtl": {"sim", "rtl"},
    "host": {"sim", "host"},
}


def sources():
    return [path.relative_to(ROOT) for stage in ALLOWED for path in sorted((ROOT / stage / "crossloom").rglob("*.py"))]


def is_typing(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def named(node, package):
    """The full names of the modules that one statement or call imports, relative ones resolved."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else ()
        base = ".".join([*base, *filter(None, [node.module])])
        return [f"{base}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__"):
        return [a.value for a in node.args[:1] if isinstance(a, ast.Constant) and not a.value.startswith(".")]
    return []


def imported(tree, path):
    """Two lists of imported modules: those that importing the file itself needs, and all."""
    package = path.parts[1:-1]
    now, ever = [], []

    def visit(node, later):
        ever.extend(named(node, package))
        if not later:
            now.extend(named(node, package))
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        unseen = set(node.body) if is_typing(node) else set()
        for child in ast.iter_child_nodes(node):
            visit(child, later or function or child in unseen)

    visit(tree, False)
    return now, ever


def needs_it(path, top):
    """Whether a file is one of those that subclass what a heavy package has, and so need it when they are imported."""
    if top in ("pynq", "pynqmetadata"):
        return path == NEEDS_PYNQ
    return path.parts[0] == "training" and "/".join(path.with_suffix("").parts[3:]) in NEEDS_TORCH


def broken_imports(path, tree):
    """The rules on imports that a source breaks, in words."""
    stage = path.parts[0]
    # sim and host run where numpy alone is installed; the physics of crossbars needs scipy.
    base = {*sys.stdlib_module_names, "numpy", "crossloom", *(["scipy"] if "crossbar" in str(path) else [])}
    now, ever = imported(tree, path)
    for module in ever:
        top, _, rest = module.partition(".")
        other = top == "crossloom" and rest and rest.partition(".")[0] not in ALLOWED[stage]
        if other and (stage != "host" or module in now):
            yield f"{stage} imports {module}"
        if top in HEAVY and module in now and not needs_it(path, top):
            yield f"imports {module} at module level"
        if top not in base and not needs_it(path, top) and (stage == "sim" or (stage == "host" and module in now)):
            yield f"{stage} imports {module}"
        if top in UNPICKLING | NETWORK | TESTS:
            yield f"imports {module}"


def broken_calls(path, tree):
    """The rules on calls and exceptions that a source breaks, in words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
            if (node.arg, node.value.value) in FORBIDDEN:
                yield f"{node.arg}={node.value.value}"
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            needed = LOADERS.get(name.removesuffix(".load")) if name.endswith(".load") else None
            if needed and needed not in [ast.unparse(keyword) for keyword in node.keywords]:
                yield f"{name} without {needed}"
            if name in ("os.system", "os.popen") or (name == "print" and path.parts[0] != "host"):
                yield f"calls {name}"
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            yield "bare except"
        elif isinstance(node, ast.Raise) and node.exc and ast.unparse(node.exc).partition("(")[0] == "Exception":
            yield "raises Exception"


def broken(path, text):
    """All rules that the text of a source file breaks, in words."""
    tree = ast.parse(text)
    return [*broken_imports(path, tree), *broken_calls(path, tree)]


def planted(stage, text):
    return broken(Path(stage, "crossloom", stage, "some.py"), text)


@pytest.mark.parametrize("path", sources(), ids=str)
def test_a_source_file_keeps_the_rules(path):
    assert broken(path, (ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("sim", "import torch"),
        ("sim", "from crossloom.host import x"),
        ("sim", "from crossloom import host"),
        ("sim", "from ..host import x"),
        ("sim", "from .. import host"),
        ("sim", "import yaml"),
        ("sim", "import scipy.sparse"),
        ("sim", "def f():\n    import scipy"),
        ("sim", "def f():\n    from crossloom.training import x"),
        ("sim", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from crossloom.host import x"),
        ("sim", "from importlib import import_module\ndef f():\n    import_module('crossloom.host')"),
        ("sim", "print('x')"),
        ("sim", "import handmade"),
        ("training", "from crossloom.host import x"),
        ("training", "def f():\n    from ..host import x"),
        ("training", "import torch"),
        ("training", "if not TYPE_CHECKING:\n    import torch"),
        ("training", "if TYPE_CHECKING:\n    pass\nelse:\n    import torch"),
        ("training", "try:\n    import PIL\nexcept ImportError:\n    pass"),
        ("training", "from tests.sim import handmade"),
        ("hls", "from crossloom.training import x"),
        ("hls", "import hls4ml"),
        ("rtl", "def f():\n    import crossloom.hls.project"),
        ("rtl", "from cocotb import clock"),
        ("host", "from crossloom.training import x"),
        ("host", "from crossloom.rtl import x"),
        ("host", "from .. import hls"),
        ("host", "import matplotlib.pyplot"),
        ("host", "import scipy"),
        ("host", "import pynq"),
        ("host", "class A:\n    import torch"),
        ("host", "def f():\n    import pickle"),
        ("host", "import urllib.request"),
        ("host", "def f():\n    from http import client"),
        ("host", "np.load(x, allow_pickle=True)"),
        ("host", "np.load(x)"),
        ("training", "torch.load(x, weights_only=False)"),
        ("training", "torch.load(x)"),
        ("host", "subprocess.run(x, shell=True)"),
        ("host", "os.system('x')"),
        ("sim", "try:\n    x\nexcept:\n    pass"),
        ("sim", "raise Exception('x')"),
        ("sim", "raise Exception"),
    ],
)
def test_the_guard_sees_a_broken_rule(stage, text):
    assert planted(stage, text)


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("host", "def f():\n    from crossloom.training import x\n    import torch"),
        ("host", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from crossloom.training import x"),
        ("host", "from importlib import import_module\nimport_module('.cli', __package__)\nprint('x')"),
        ("sim", "import numpy as np\nfrom .types import QType\nfrom . import ops\nfrom crossloom.sim import x"),
        ("training", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        (
            "training",
            "def f():\n    import torch\n    torch.load(x, weights_only=True)\n    np.load(x, allow_pickle=False)",
        ),
        ("rtl", "import subprocess\nfrom crossloom.sim import x\nsubprocess.run(['x'], shell=False)"),
    ],
)
def test_the_guard_lets_pass_what_is_allowed(stage, text):
    assert planted(stage, text) == []


def test_the_physics_alone_may_import_scipy_and_the_listed_files_alone_torch():
    assert broken(Path("sim/crossloom/sim/crossbar/wires.py"), "import scipy.sparse") == []
    assert broken(Path("training/crossloom/training/layers.py"), "import torch") == []
    assert broken(Path("host/crossloom/host/layers.py"), "import torch")


def test_no_namespace_folder_has_an_init_file():
    assert not [str(p) for stage in ALLOWED for p in ROOT.glob(f"{stage}/crossloom/__init__.py")]
    assert {path.parts[0] for path in sources()} >= {"sim", "training", "host"}


def test_every_file_said_to_need_torch_does():
    for name in NEEDS_TORCH:
        path = Path(f"training/crossloom/training/{name}.py")
        now, _ = imported(ast.parse((ROOT / path).read_text()), path)
        names = {module.split(".")[2] for module in now if module.startswith("crossloom.training.")}
        assert names & NEEDS_TORCH or {"torch", "brevitas"} & {module.split(".")[0] for module in now}, name


def heavy_after(modules, absent):
    code = f"import sys, {', '.join(modules)}; print(*sorted(set({sorted(absent)!r}) & sys.modules.keys()))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("crossloom.host", HEAVY | {"scipy", "numpy"}),
        ("crossloom.host.cli", HEAVY | {"scipy", "numpy"}),
        ("crossloom.sim", HEAVY | {"scipy"}),
        ("crossloom.training", HEAVY | {"scipy"}),
    ],
)
def test_importing_a_stage_brings_no_heavy_package(module, absent):
    assert heavy_after([module], absent) == []


def test_no_file_brings_a_heavy_package_through_another():
    light = [path for path in sources() if not any(needs_it(path, top) for top in HEAVY)]
    modules = [".".join(path.with_suffix("").parts[1:]).removesuffix(".__init__") for path in light]
    assert heavy_after(modules, HEAVY) == []


def test_the_measure_of_heavy_packages_sees_one():
    assert heavy_after(["tqdm"], HEAVY) == ["tqdm"]
