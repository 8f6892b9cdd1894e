"""The list of planted bugs stays one that can be run, and its runner tells a bug that is seen from one that is not."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

RUNNER = Path(__file__).parents[1] / "mutants" / "run.py"
SOURCE = "def twice(x):\n    return x + x\n\n\ndef half(x):\n    return x // 2\n"
TESTS = "from answer import twice\n\n\ndef test_twice():\n    assert twice(3) == 6\n"
PLANTS = {
    "seen": ("x + x", "x + 3 * x"),
    "unseen": ("x // 2", "x // 3"),
    "gone": ("x ** 2", "x ** 3"),
}


def call(runner, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the toy needs none; they take a second each time
    command = [sys.executable, str(runner), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_every_plant_has_its_place_and_its_tests():
    listed = call(RUNNER, "--list")
    assert listed.returncode == 0, listed.stderr
    lines = listed.stdout.splitlines()
    assert len(lines) >= 66
    assert not [line for line in lines if not re.fullmatch(r"[\w-]+: [\w/.-]+: \S+\.py\S*( \S+)*", line)]


def test_bugs_that_are_seen_unseen_and_gone_are_told_apart_and_a_run_is_resumed(tmp_path):
    (tmp_path / "tests" / "mutants").mkdir(parents=True)
    shutil.copy(RUNNER.with_name("no_shrinking.py"), tmp_path / "tests" / "mutants")
    runner = Path(shutil.copy(RUNNER, tmp_path / "tests" / "mutants"))
    entries = [
        f'[[plant]]\nname = "{name}"\nfile = "sim/**/*.py"\nold = "{old}"\nnew = "{new}"\ntests = ["test_answer.py"]\n'
        for name, (old, new) in PLANTS.items()
    ]
    (runner.parent / "toy.toml").write_text("\n".join(entries))
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim" / "answer.py").write_text(SOURCE)
    (tmp_path / "tests" / "test_answer.py").write_text(TESTS)
    found = call(runner, "--jobs", "2")
    assert found.returncode == 1, found.stderr
    assert "\n3 plants: " in found.stdout and "1 killed" in found.stdout
    last = [line.split(" (")[0].strip() for line in found.stdout.splitlines()[-2:]]
    assert last == ["gone: does not apply", "unseen: SURVIVED"]
    again = call(runner, "--resume")
    assert again.returncode == 1 and "[1/3]" not in again.stdout
    state = json.loads((tmp_path / "runs" / "mutants.json").read_text())
    assert state["found"]["seen"]["verdict"]["words"] == "tests/test_answer.py::test_twice" == state["clean"][0]
    assert (tmp_path / "sim" / "answer.py").read_text() == SOURCE
    assert call(runner, "--only", "se*", "--resume").returncode == 0
