"""The base install: the wheel in a clean environment, numpy alone, as on the board."""

import ast
import json
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLDEST_NUMPY = "1.23.5"
# The first numpy built for a Python that is newer than the oldest numpy we claim knows.
FIRST_NUMPY = {(3, 12): "1.26.0", (3, 13): "2.1.0", (3, 14): "2.3.2"}
QUIET = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


def call(*command, cwd):
    return subprocess.run(list(map(str, command)), cwd=cwd, env=QUIET, capture_output=True, text=True, check=False)


def python310():
    """A Python 3.10 that runs, or None."""
    candidates = ["python3.10", *sorted(Path.home().glob(".pyenv/versions/3.10*/bin/python3"))]
    for candidate in candidates:
        try:
            found = subprocess.run(
                [candidate, "-c", "import sys; print(sys.version_info[:2])"],
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:
            continue
        if found.returncode == 0 and found.stdout.strip() == "(3, 10)":
            return str(candidate)
    return None


def oldest_numpy(python):
    """The oldest numpy that we claim and that exists for a Python."""
    return max(
        (FIRST_NUMPY[v] for v in FIRST_NUMPY if v <= python),
        key=lambda v: [*map(int, v.split("."))],
        default=OLDEST_NUMPY,
    )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what git tracks, so that the tree stays clean."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    found = call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, cwd=copy)
    assert found.returncode == 0, found.stdout + found.stderr
    (path,) = out.glob("*.whl")
    return path


def pip(python, *arguments, cwd):
    """Run our pip for another Python, which then needs none of its own."""
    command = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    return call(*command, *arguments, cwd=cwd)


@pytest.fixture(scope="session", params=["this Python", "Python 3.10"])
def clean(request, wheel, tmp_path_factory):
    """An interpreter with the wheel and the oldest numpy that we claim, and nothing else."""
    base = sys.executable if request.param == "this Python" else python310()
    if base is None:
        pytest.skip("Python 3.10 not found")
    folder = tmp_path_factory.mktemp("clean")
    assert call(base, "-m", "venv", "--without-pip", folder, cwd=folder).returncode == 0
    python = folder / "bin" / "python"
    numpy = f"numpy=={oldest_numpy(sys.version_info[:2] if request.param == 'this Python' else (3, 10))}"
    found = pip(python, "install", "--only-binary=:all:", "--no-compile", numpy, cwd=folder)
    if found.returncode != 0:  # no network: a skip for a person, a failure in continuous integration
        pytest.skip(f"{numpy} not obtainable: {found.stderr.strip()[-200:]}")
    # Without any index: whatever else the wheel asked for would be missing.
    found = pip(python, "install", "--no-index", wheel, cwd=folder)
    assert found.returncode == 0, found.stderr
    return python


def test_the_claimed_numpy_is_the_tested_one():
    assert f'dependencies = ["numpy>={OLDEST_NUMPY}"]' in (ROOT / "pyproject.toml").read_text()
    assert [oldest_numpy(python) for python in ((3, 10), (3, 11), (3, 12))] == [OLDEST_NUMPY, OLDEST_NUMPY, "1.26.0"]


def test_the_base_install_is_numpy_alone(clean, tmp_path):
    found = pip(clean, "list", "--format=json", cwd=tmp_path)
    assert {item["name"].lower() for item in json.loads(found.stdout)} == {"crossloom", "numpy"}


def test_sim_and_host_work_with_numpy_alone(clean, tmp_path):
    code = """
import sys, crossloom.host as host, crossloom.sim as sim
golden = sim.load(host.find_design("digits-cnn")).golden
with host.Accelerator("digits-cnn") as accelerator:
    found = accelerator(golden.inputs)
    assert accelerator.backend == "integer"
assert (found.labels == golden.labels).mean() >= 0.98
network = sim.random_network(7, 5)
sim.run(network, codes=sim.random_codes(network, 0, 5))
assert "site-packages" in str(host.find_design("digits-cnn"))
from crossloom.sim.board import board_names, load_board
assert [load_board(name).name for name in board_names()] == ["pynq-z1", "pynq-z2"]
import crossloom.host.board.backend, crossloom.host.overlays, crossloom.rtl.core.driver  # all that a board imports
assert not {"torch", "scipy", "PIL", "brevitas", "sklearn", "tqdm"} & sys.modules.keys()
print(sys.modules["numpy"].__version__, sys.version_info[:2])
"""
    found = call(clean, "-c", code, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    numpy, python = found.stdout.split(" ", 1)
    assert numpy == oldest_numpy(ast.literal_eval(python))


def modules(python, cwd):
    code = "import crossloom, pkgutil; print(*sorted(m.name for m in pkgutil.walk_packages(crossloom.__path__, "
    return call(python, "-c", code + "'crossloom.')))", cwd=cwd).stdout.split()


def test_the_wheel_and_the_checkout_list_the_same_modules(clean, tmp_path):
    found = modules(clean, tmp_path)
    assert found == modules(sys.executable, tmp_path)
    assert {"crossloom.host.commands.verify", "crossloom.sim.ops.linear", "crossloom.training.export"} <= set(found)


def test_the_command_line_works_from_the_wheel(clean, tmp_path):
    command = clean.parent / "crossloom"
    info = json.loads(call(command, "info", "digits-cnn", "--json", cwd=tmp_path).stdout)
    assert info["accuracy"] >= 0.98
    verify = json.loads(call(command, "verify", "digits-cnn", "--json", cwd=tmp_path).stdout)
    assert verify["differences"]["golden"] == 0
    assert set(verify["differences"].values()) == {0}
    assert verify["vectors"] == 360
    device = json.loads(call(command, "verify", "digits-cnn", "--json", "--devices", "integer", cwd=tmp_path).stdout)
    assert device["differences"]["integer"] == 0
    run = json.loads(call(command, "run", "digits-cnn", "--json", cwd=tmp_path).stdout)
    assert len(run["labels"]) == 4
    cost = json.loads(call(command, "cost", "digits-cnn", "--json", cwd=tmp_path).stdout)
    assert cost["macs"] == info["macs_mean"]


def test_a_missing_extra_is_named(clean, tmp_path):
    found = call(clean.parent / "crossloom", "train", "digits-cnn", cwd=tmp_path)
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert "pip install 'crossloom[training]'" in found.stderr


def test_the_wheel_holds_every_module_and_what_they_read(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for stage in ("sim", "host", "training", "hls", "rtl"):
        for path in (ROOT / stage / "crossloom").rglob("*"):
            if path.suffix in (".py", ".typed", ".ipynb"):
                assert str(path.relative_to(ROOT / stage)) in names
    assert "crossloom/bitstreams/digits-cnn/digits-cnn.loom" in names
    assert "crossloom/training/configs/digits-cnn.toml" in names
    assert "crossloom/bitstreams/boards/pynq-z2.json" in names
    assert not [n for n in names if n.startswith("tests/") or n.endswith(".pt") or n == "crossloom/__init__.py"]


def best_seconds(*command, runs=7):
    """The least processor time of some runs of a command: unlike the clock's, what other work on the machine spares."""
    times = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=QUIET)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_importing_the_host_costs_under_a_tenth_of_a_second_over_numpy():
    code = "import time, numpy; t = time.process_time(); import crossloom.host as h; h.Accelerator; "
    code += "print(time.process_time() - t)"
    command = [sys.executable, "-c", code]
    times = [subprocess.run(command, env=QUIET, capture_output=True, text=True, check=True).stdout for _ in range(7)]
    assert min(map(float, times)) < 0.1


def test_help_answers_within_a_fifth_of_a_second():
    assert best_seconds(str(Path(sys.executable).parent / "crossloom"), "--help") < 0.2


def test_the_measure_of_seconds_sees_a_slow_command():
    assert best_seconds(sys.executable, "-c", "import time\nwhile time.process_time() < 0.25:\n    pass", runs=2) > 0.2
