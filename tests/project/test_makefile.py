"""The commands a newcomer types first."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_wheel import python310

ROOT = Path(__file__).parents[2]


def test_make_help_lists_every_target():
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split()
    text = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [t for t in targets if t != "help" and f"make {t} " not in text] == []
    assert {"demo", "test", "test-long", "lint", "bench"} <= set(targets)


def test_ci_calls_the_same_command_as_the_readme():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()
    assert "make test" in (ROOT / "README.md").read_text()


def test_an_old_python_is_refused_in_one_line(tmp_path):
    old = python310()
    if old is None:
        pytest.skip("Python 3.10 not found")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    found = subprocess.run(
        ["make", "-s", "test", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode != 0
    assert "is older than Python 3.11; name a newer one" in found.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_readme_is_short_and_its_snippet_runs(tmp_path):
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 120
    snippet = re.search(r"```python\n(.*?)```", text, re.S)[1]
    assert len([line for line in snippet.splitlines() if line]) == 6
    found = subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "integer" in found.stdout


def test_links_of_the_readme_lead_somewhere():
    for page in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
