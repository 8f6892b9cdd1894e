"""The commands a newcomer types first."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_wheel import python310

from crossloom.host.arguments import parser
from crossloom.host.backends import BACKENDS
from crossloom.host.commands.demo import DESIGNS

ROOT = Path(__file__).parents[2]
# Without what an outer make hands down: its options and its variables.
QUIET = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONPATH")}


def test_make_help_lists_every_target():
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split()
    found = subprocess.run(["make", "-s", "help"], cwd=ROOT, env=QUIET, capture_output=True, text=True, check=True)
    assert re.findall(r"^make (\S+)  ", found.stdout, re.M) == [t for t in targets if t != "help"]
    assert {"demo", "test", "test-long", "lint", "bench", "figures", "release-check"} <= set(targets)


def test_a_release_is_checked_by_lint_and_tests_that_take_stale_results_for_errors():
    found = subprocess.run(
        ["make", "-n", "release-check"], cwd=ROOT, env=QUIET, capture_output=True, text=True, check=True
    )
    assert (
        "ruff check ." in found.stdout and "mypy" in found.stdout and '-m pytest -n 2 -q -m "not long"' in found.stdout
    )
    makefile = (ROOT / "Makefile").read_text()
    assert "release-check: export CROSSLOOM_RELEASE = 1\nrelease-check: lint test\n" in makefile


def test_ci_calls_the_same_command_as_the_readme():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert {"make test", "export CI=true", "set -euo pipefail"} <= set(script.read_text().splitlines())
    assert re.search(r"\bmake test\b(?!-)", (ROOT / "README.md").read_text())


def test_an_old_python_is_refused_in_one_line(tmp_path):
    old = python310()
    if old is None:
        pytest.skip("Python 3.10 not found")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    found = subprocess.run(
        ["make", "-s", "test", f"PYTHON={old}"], cwd=tmp_path, env=QUIET, capture_output=True, text=True, check=False
    )
    assert found.returncode != 0
    ours = [line for line in found.stderr.splitlines() if not line.startswith("make: ***")]
    assert ours == [f"crossloom: {old} is older than Python 3.11; name a newer one: make PYTHON=python3.11"]
    assert found.stdout == ""
    assert not (tmp_path / ".venv").exists()


def test_the_snippet_of_the_readme_runs(tmp_path):
    text = (ROOT / "README.md").read_text()
    snippet = re.search(r"```python\n(.*?)```", text, re.S)[1]
    assert len([line for line in snippet.splitlines() if line]) == 6
    found = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, env=QUIET, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "integer" in found.stdout


def subparsers(parser):
    """Name and parser of each command."""
    for action in parser._actions:
        if hasattr(action, "_name_parser_map"):
            yield from action.choices.items()


def commands(parser, before=""):
    """The commands of a parser, each with its words."""
    for name, sub in subparsers(parser):
        yield from list(commands(sub, f"{before}{name} ")) or [f"{before}{name}"]


def test_the_readme_lists_every_command_and_the_helps_name_what_there_is():
    text = (ROOT / "README.md").read_text()
    told = set()
    for line in re.findall(r"^ {4}crossloom (.*?)(?: {3}.*)?$", text, re.M):
        first, *others = line.split(" | ")
        words = first.split()
        told |= {" ".join(words[:2]), words[0]}
        told |= {word for other in others for word in (f"{words[0]} {other.split()[0]}", other.split()[0])}
    missing = set(commands(parser())) - told
    assert missing == set()
    makefile = (ROOT / "Makefile").read_text()
    assert f"train {DESIGNS[0]}," in makefile and all(f"DESIGN={name}" in makefile for name in DESIGNS[1:2])
    helps = dict(subparsers(parser()))
    for command in ("run", "verify"):
        assert all(device in helps[command].format_help() for device in BACKENDS), command


def test_links_of_the_readme_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("rtl/**/*.md")):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
