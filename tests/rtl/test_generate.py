"""A generated folder is complete, stays inside itself, and overwrites nothing foreign."""

from pathlib import Path

import numpy as np
import pytest

from crossloom.rtl import RtlError, build_model
from crossloom.rtl.generate import generate
from crossloom.rtl.plan import Folding, plan
from crossloom.sim import input_codes, load, run
from crossloom.sim.frames import frame_beats, read_results

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"


@pytest.fixture(scope="module")
def design():
    artifact = load(BITSTREAMS / "digits-cnn" / "digits-cnn.loom")
    return plan(artifact.network, Folding(4, 4, 1, 2)), input_codes(artifact.network.input, artifact.golden.inputs[:3])


def test_a_generated_folder_runs_as_it_is(design, tmp_path, monkeypatch):
    compiled, codes = design
    files = generate(compiled, tmp_path / "made")
    assert {path.relative_to(tmp_path / "made").parts[0] for path in files} == {"src", "memories", "top.sv", "files.f"}
    monkeypatch.chdir(tmp_path / "made")
    listed = [Path(line) for line in Path("files.f").read_text().splitlines() if not line.startswith("//")]
    assert all(path.is_file() and not path.is_absolute() for path in listed)
    with build_model("top", sources=listed, optimize=0) as model:
        frames = frame_beats(compiled.network, codes)
        lasts = np.tile(np.arange(frames.shape[1]) == frames.shape[1] - 1, len(frames))
        beats = 1 + len(compiled.network.classes)
        got = model.stream(frames.reshape(-1, 1).view(np.uint32), lasts, len(codes) * beats)
    results = np.ascontiguousarray(got.beats).view(np.uint64).reshape(len(codes), beats)
    assert (read_results(compiled.network, results).scores == run(compiled.network, codes=codes).logits).all()


def test_a_folder_is_written_again_byte_for_byte(design, tmp_path):
    first = {path: path.read_bytes() for path in generate(design[0], tmp_path / "made")}
    (tmp_path / "made" / "memories" / "tables99.hex").write_text("left over")
    assert {path: path.read_bytes() for path in generate(design[0], tmp_path / "made")} == first
    assert not (tmp_path / "made" / "memories" / "tables99.hex").exists()


@pytest.mark.parametrize("foreign", ["notes.txt", "src/mine.txt", "memories/deep/x.hex", "top.sv"])
def test_a_folder_with_foreign_content_is_refused(design, tmp_path, foreign):
    folder = tmp_path / "made"
    if foreign != "top.sv":  # which is foreign where no list names it
        generate(design[0], folder)
    path = folder / foreign
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    with pytest.raises(RtlError, match="which no generator wrote"):
        generate(design[0], folder)
    assert path.read_text() == "mine"


def test_a_link_out_of_the_folder_is_not_followed(design, tmp_path):
    generate(design[0], tmp_path / "made")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "config.hex").write_text("mine")
    for path in (tmp_path / "made" / "memories").iterdir():
        path.unlink()
    (tmp_path / "made" / "memories").rmdir()
    (tmp_path / "made" / "memories").symlink_to(outside)
    with pytest.raises(RtlError, match="memories"):
        generate(design[0], tmp_path / "made")
    assert (outside / "config.hex").read_text() == "mine"
