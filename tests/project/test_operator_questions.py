"""What an operator is made of, the operator says: no other module of these stages asks which one it has."""

import ast
from pathlib import Path

import pytest

from crossloom.sim.ops import OPERATORS

ROOT = Path(__file__).parents[2]
CLASSES = {op.__name__ for op in OPERATORS.values()}
# Two that draw operators and what drives them, and one that lets a layer swallow the Requant behind it.
ALLOWED = {"random_networks.py", "random_inputs.py", "hls4ml_model.py"}
SOURCES = [
    path.relative_to(ROOT)
    for stage in ("sim", "hls", "rtl", "host")
    for path in sorted((ROOT / stage / "crossloom").rglob("*.py"))
    if path.parent.name != "ops" and path.name not in ALLOWED
]


def asked(text):
    """The operators that a source asks for by their class or their kind."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            names = {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}
            yield from sorted(names & CLASSES)
        elif isinstance(node, ast.Compare) and any(
            isinstance(s, ast.Attribute) and ast.unparse(s).endswith("op.kind") for s in ast.walk(node.left)
        ):
            found = {c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)}
            yield from sorted(found & set(OPERATORS))
        elif isinstance(node, ast.MatchClass):
            yield from sorted({ast.unparse(node.cls)} & CLASSES)


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_module_outside_ops_asks_for_an_operator(path):
    assert list(asked((ROOT / path).read_text())) == []


@pytest.mark.parametrize(
    "text",
    [
        "isinstance(op, Conv2d)",
        "isinstance(op, Dense | Conv2d)",
        "isinstance(node.op, (Dense, Other))",
        "node.op.kind == 'add'",
        "op.kind in ('flatten', 'x')",
        "match op:\n    case Threshold():\n        pass",
    ],
)
def test_the_guard_sees_a_question(text):
    assert list(asked(text))


def test_the_guard_lets_other_questions_pass():
    assert list(asked("isinstance(op, Linear)\nnode.op.kind in LAYERS\nlayer.kind == 'pad'\nisinstance(x, int)")) == []
