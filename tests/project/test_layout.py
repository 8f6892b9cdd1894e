"""The house's rules, read from the source: the namespace, which way imports point, what is never done."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAGES = ("sim", "host", "training", "hls", "rtl")
HEAVY = {"torch", "brevitas", "sklearn", "PIL", "tqdm", "matplotlib", "hls4ml", "cocotb", "pynq"}
NETWORK = {"urllib", "socket", "http", "requests", "ftplib", "smtplib"}
FORBIDDEN = {("allow_pickle", True), ("weights_only", False), ("shell", True)}
# torch.nn.Module subclasses and functions of tensors throughout: nothing in them works without torch, and
# nothing outside training imports them except inside a function.
NEEDS_TORCH = {
    "export", "folding", "layers", "loop", "models", "prove", "quantized", "quantizers", "rules", "runs", "trace",
}  # fmt: skip
ALLOWED = {
    "sim": {"sim"},
    "training": {"sim", "training"},
    "hls": {"sim", "hls"},
    "rtl": {"sim", "rtl"},
    "host": {"sim", "host"},
}


def sources():
    return [path for stage in STAGES for path in sorted((ROOT / stage / "crossloom").rglob("*.py"))]


def imported(tree, inside_functions):
    """Names of imported modules: at module level (TYPE_CHECKING blocks left out), or inside functions too."""
    names = []

    def visit(node, deep):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if function and not inside_functions:
                continue
            if isinstance(child, ast.Import):
                names.extend(alias.name for alias in child.names)
            if isinstance(child, ast.ImportFrom) and child.level == 0:
                names.append(child.module)
            visit(child, deep or function)

    visit(tree, False)
    return names


def broken(stage, name, text):
    """The rules that a source text of a stage breaks, in words."""
    tree = ast.parse(text)
    found = []
    for module in imported(tree, False):
        top, *rest = module.split(".")
        if top == "crossloom" and rest and rest[0] not in ALLOWED[stage]:
            found.append(f"imports {module} at module level")
        if top in HEAVY and not (stage == "training" and name in NEEDS_TORCH):
            found.append(f"imports {module} at module level")
        if stage == "sim" and top not in {*sys.stdlib_module_names, "numpy", "scipy", "crossloom"}:
            found.append(f"sim imports {module}")
    for module in imported(tree, True):
        top, *rest = module.split(".")
        if top in {"pickle", "shelve", "marshal", *NETWORK}:
            found.append(f"imports {module}")
        if top == "crossloom" and rest and rest[0] not in ALLOWED[stage] and stage != "host":
            found.append(f"imports {module} in a function")
        if top == "tests":
            found.append("imports the tests")
    for node in ast.walk(tree):
        constant = isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant)
        if constant and (node.arg, node.value.value) in FORBIDDEN:
            found.append(f"{node.arg}={node.value.value}")
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append("bare except")
        if (
            isinstance(node, ast.Raise)
            and isinstance(node.exc, ast.Call)
            and getattr(node.exc.func, "id", "") == "Exception"
        ):
            found.append("raises Exception")
    return found


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_source_file_keeps_the_rules(path):
    assert broken(path.relative_to(ROOT).parts[0], path.stem, path.read_text()) == []


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("sim", "import torch"),
        ("sim", "from crossloom.host import x"),
        ("sim", "import yaml"),
        ("sim", "def f():\n    from crossloom.training import x"),
        ("training", "from crossloom.host import x"),
        ("host", "from crossloom.training import x"),
        ("host", "from crossloom.rtl import x"),
        ("host", "import matplotlib.pyplot"),
        ("host", "class A:\n    import torch"),
        ("host", "def f():\n    import pickle"),
        ("host", "import urllib.request"),
        ("host", "np.load(x, allow_pickle=True)"),
        ("training", "torch.load(x, weights_only=False)"),
        ("host", "subprocess.run(x, shell=True)"),
        ("sim", "try:\n    x\nexcept:\n    pass"),
        ("sim", "raise Exception('x')"),
    ],
)
def test_the_guard_sees_a_broken_rule(stage, text):
    assert broken(stage, "some", text)


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("host", "def f():\n    from crossloom.training import x\n    import torch"),
        ("host", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from crossloom.training import x"),
        ("sim", "import numpy as np\nfrom .types import QType"),
    ],
)
def test_the_guard_lets_pass_what_is_allowed(stage, text):
    assert broken(stage, "some", text) == []


def test_no_namespace_folder_has_an_init_file():
    assert not [str(p) for stage in STAGES for p in ROOT.glob(f"{stage}/crossloom/__init__.py")]
    assert sources()


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("crossloom.host", HEAVY | {"numpy"}),
        ("crossloom.host.cli", HEAVY | {"numpy"}),
        ("crossloom.sim", HEAVY),
        ("crossloom.training", HEAVY),
    ],
)
def test_importing_a_stage_brings_no_heavy_package(module, absent):
    code = f"import sys, {module}; print(*sorted(set({sorted(absent)!r}) & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
