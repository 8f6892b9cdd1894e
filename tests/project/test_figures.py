"""The figures of README and docs are those of the results in benchmarks/, and these are of the sources as they are."""

import importlib.util
import json
import os
import re
import warnings
from pathlib import Path

import pytest

from crossloom.rtl.sources import sources_sha256

ROOT = Path(__file__).parents[2]
RELEASE = bool(os.environ.get("CROSSLOOM_RELEASE"))


@pytest.fixture
def figures(tmp_path, monkeypatch):
    """`benchmarks/figures.py` on a copy of the pages and results."""
    spec = importlib.util.spec_from_file_location("figures", ROOT / "benchmarks" / "figures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in (*module.PAGES, *(f"benchmarks/{path.name}" for path in (ROOT / "benchmarks").glob("*.json"))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def test_the_pages_are_up_to_date(figures, capsys):
    assert figures.main(["--check"]) == 0, capsys.readouterr().out


def test_every_figure_is_told_once():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    source = (ROOT / "benchmarks" / "figures.py").read_text(encoding="utf-8")
    made = re.findall(r'^def (\w+)\(\) -> str:\n    """(?:README|docs)', source, re.M)
    assert sorted(re.findall(r"<!-- figures (\w+) -->", text)) == sorted(made)
    assert text.count("<!-- end of figures -->") == len(made)


def test_a_new_result_and_a_page_edited_by_hand_are_seen_and_written(figures, capsys):
    path = figures.ROOT / "benchmarks" / "sha.json"
    found = json.loads(path.read_text())
    found["grow"]["retrained"]["new_accuracy"]["mean"] = 0.12345
    path.write_text(json.dumps(found))
    page = figures.ROOT / "docs" / "engine.md"
    page.write_text(page.read_text().replace("6,141 and 6,044 cycles", "6,140 and 6,044 cycles"))
    assert figures.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "README.md: not up to date" in said and "docs/engine.md: not up to date" in said and "hls.md" not in said
    assert figures.main([]) == 0
    assert "reaches 12.35 %" in " ".join((figures.ROOT / "README.md").read_text().split())
    assert page.read_text() == (ROOT / "docs" / "engine.md").read_text()
    assert figures.main(["--check"]) == 0


def stale(found, now):
    """Names of the measured cores that belong to other sources."""
    return [name for name, core in found.items() if isinstance(core, dict) and core.get("sources_sha256", now) != now]


def test_results_of_other_sources_are_seen():
    found = {"a": {"sources_sha256": "1"}, "b": {"sources_sha256": "2"}, "machine": "x", "cocotb": {}}
    assert stale(found, "1") == ["b"]


def test_the_cores_that_were_measured_are_those_of_the_sources():
    """An edit of the RTL asks for a quarter of an hour of measuring: before a release, not before each test."""
    found = json.loads((ROOT / "benchmarks" / "rtl.json").read_text(encoding="utf-8"))
    old = stale(found, sources_sha256("core"))
    if not old:
        return
    said = (
        f"benchmarks/rtl.json: {', '.join(old)} belong to other RTL sources; measure again before a release: "
        "crossloom bench rtl --out benchmarks/rtl.json, make figures"
    )
    if RELEASE:
        pytest.fail(said)
    warnings.warn(said, stacklevel=1)
