"""The notebooks run as they are on the virtual board; `pynq` finds them, and overlays by their names."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib

nbformat, nbclient, _ = (
    pytest.importorskip(name, reason=f"{name} comes with pip install 'crossloom[dev]'")
    for name in ("nbformat", "nbclient", "ipykernel")
)
pytest.importorskip("matplotlib", reason="matplotlib comes with pip install 'crossloom[plots]'")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "host" / "crossloom" / "host" / "notebooks"
ROOTS = os.pathsep.join(str(ROOT / stage) for stage in ("sim", "host", "training", "hls", "rtl"))


def executed(name, folder):
    """What a notebook's cells gave, run in a folder by this very Python: the pictures, and its last line as JSON."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class Here(AsyncKernelManager):
        # No kernel need be installed, nor is one that happens to be.
        kernel_spec = KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python"
        )

    notebook = nbformat.read(FOLDER / f"{name}.ipynb", 4)
    client = nbclient.NotebookClient(
        notebook, km=Here(ip="127.0.0.1"), timeout=300, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=os.environ | {"PYTHONPATH": ROOTS, "IPYTHONDIR": str(folder), "JUPYTER_CONFIG_DIR": str(folder)})
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return pictures, json.loads(outputs[-1].text.splitlines()[-1])


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells and not any(cell.outputs or cell.execution_count for cell in cells)
    assert path.read_text(encoding="utf-8") == nbformat.writes(notebook, indent=1) + "\n"


def test_classify_is_exact_and_shows_what_it_says(tmp_path):
    pictures, found = executed("classify", tmp_path)
    assert len(pictures) == 2
    assert (found["backend"], found["origin"]) == ("virtual", "simulated")
    assert (found["images"], found["differences"]) == (360, 0)
    assert found["accuracy"] > 0.98 and found["frames"] == 360 and found["streamed"] == 96
    assert found["clock_mhz"] == 100 and 0 < found["cycles"][0] <= found["cycles"][1] <= found["cycles"][2]
    assert found["plain"] == "0"


def test_a_class_is_grown_into_the_core_that_runs(tmp_path):
    pictures, found = executed("grow_a_class", tmp_path)
    assert len(pictures) == 1
    assert found["backend"] == "virtual" and found["classes"] == [9, 10] and found["differences"] == 0
    assert found["same"] == ["STRUCTURE", "FIXED"] and found["weights"][0] != found["weights"][1]
    # Far from chance, whatever the processor rounds in training.
    assert min(found["old"]) > 0.7 and found["new"] > 0.5
    assert found["frames"] == 2 * found["images"] and found["rewrite_ms"] > 0


@pytest.fixture(params=["wheel", "editable"])
def installed(request, overlay, tmp_path):
    """PYTHONPATH of an installation whose design digits-sha has its bitstream beside it."""
    copy, site = tmp_path / "copy", tmp_path / "site"
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    metadata = site / "crossloom-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: crossloom\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
            for group, entries in config["entry-points"].items()
        )
    )
    # As hatchling lays out the one; the other's .pth names the stages.
    wheel = request.param == "wheel"
    for stage in ("sim", "host"):
        shutil.copytree(ROOT / stage / "crossloom", (site if wheel else copy / stage) / "crossloom", dirs_exist_ok=True)
    designs = site / "crossloom" / "bitstreams" if wheel else copy / "bitstreams"
    shutil.copytree(ROOT / "bitstreams" / "digits-sha", designs / "digits-sha")
    for path in (overlay.bit, overlay.hwh, overlay.description):
        shutil.copy(path, designs / "digits-sha")
    roots = [site] if wheel else [site, copy / "sim", copy / "host"]
    return os.pathsep.join([*map(str, roots), ROOTS]), designs / "digits-sha" / "digits-sha.bit"


def call(code, paths, folder):
    command = [sys.executable, "-W", "ignore", "-c", code]
    environment = os.environ | {"PYTHONPATH": paths}
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_the_package_finds_overlays_by_name_and_copies_the_notebooks(installed, tmp_path):
    paths, bit = installed
    empty = tmp_path / "empty"
    empty.mkdir()
    find = """
import sys
from pynq.bitstream import Bitstream
before = {"torch", "crossloom.rtl"} & sys.modules.keys()
class Nothing: name = "Pynq-Z2"
print(Bitstream("digits-sha.bit", device=Nothing()).bitfile_name)
assert not before and not {"torch", "crossloom.rtl", "crossloom.host.accelerator"} & sys.modules.keys()
"""
    assert call(find, paths, empty).split() == [str(bit)]
    copy = (
        "import sys; sys.argv = ['pynq', '--device', 'Pynq-Z2', '-q', 'crossloom']; "
        "from pynq._cli.get_notebooks import main; main()"
    )
    call(copy, paths, empty)
    delivered = empty / "pynq-notebooks" / "crossloom"
    assert sorted(path.name for path in delivered.iterdir()) == sorted(path.name for path in FOLDER.glob("*.ipynb"))
    for path in delivered.iterdir():
        assert path.read_bytes() == (FOLDER / path.name).read_bytes()


def test_an_overlay_by_name_is_downloaded_to_the_virtual_board(installed, tmp_path):
    paths, bit = installed
    code = """
from crossloom.host.board import virtual_board
virtual_board()
from pynq import Overlay
overlay = Overlay("digits-sha.bit")
print(overlay.bitfile_name, overlay.core.register_map.ID[:])
"""
    assert call(code, paths, tmp_path).split() == [str(bit), str(0x434C4F31)]
