"""The scripts in findings/ can be run, pin what they install, and stand in the table of their README."""

import os
import re
from pathlib import Path

import pytest

FINDINGS = Path(__file__).parents[2] / "findings"
SCRIPTS = sorted(FINDINGS.glob("*.sh"))


def packages(text):
    """What the script has pip install, line continuations joined, options left out."""
    commands = re.findall(r"pip\"? install(.*)", text.replace("\\\n", " "))
    return [word for command in commands for word in command.split() if not word.startswith("-")]


def broken(text):
    """The rules that the text of a script breaks, in words."""
    installed = packages(text)
    if not installed:
        yield "installs nothing"
    for package in installed:
        if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", package):
            yield f"{package} is not pinned"
    for needed in ("set -euo pipefail", "mktemp -d", "# Versions: ", "seen:", "CHANGED: "):
        if needed not in text:
            yield f"no {needed!r}"
    if "crossloom" in text.lower():
        yield "names the product"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_finding_pins_its_packages_and_runs_without_the_product(script):
    assert list(broken(script.read_text(encoding="utf-8"))) == []
    assert os.access(script, os.X_OK)


def test_the_table_lists_every_finding_once():
    listed = re.findall(r"^\| \[(\S+)\]\((\S+)\)", (FINDINGS / "README.md").read_text(encoding="utf-8"), re.M)
    assert SCRIPTS
    assert listed == [(script.name, script.name) for script in SCRIPTS]


@pytest.mark.parametrize("package", ["numpy", "numpy>=2", "numpy==2.*"])
def test_a_package_without_an_exact_version_is_found(package):
    text = SCRIPTS[0].read_text(encoding="utf-8").replace(packages(SCRIPTS[0].read_text(encoding="utf-8"))[0], package)
    assert list(broken(text)) == [f"{package} is not pinned"]
