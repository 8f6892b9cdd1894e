"""The command line: stable JSON keys, exit codes, one-line errors."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from crossloom.host import find_design
from crossloom.host.cli import main
from crossloom.sim import Artifact, load, save


def _json(capsys, *argv):
    code = main([*argv, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_info_has_its_stable_keys(capsys, flat, routed):
    for path in (flat, routed):
        code, data = _json(capsys, "info", str(path))
        assert code == 0
        keys = "name structure_sha256 weights_sha256 accuracy dataset macs_mean parameters weight_bits activation_bits"
        assert {*keys.split(), "classes", "hierarchy"} <= data.keys()
        assert data["accuracy"] == 0.5
        assert isinstance(data["macs_mean"], int | float)
        assert (data["hierarchy"] is None) == (path == flat)


def test_info_tells_intervals_and_pieces_of_the_test_images_as_far_as_they_make_sense(tmp_path, capsys, flat):
    artifact = load(flat)
    good = {"value": 0.25, "right": 1, "images": 4, "interval": [0.1, 0.5]}
    for accuracy, interval, pieces in (
        ({**good, "parts": {"real": {**good, "value": 0.75}, "bad": {"value": 7}, "none": 3}}, [0.1, 0.5], ["real"]),
        ({**good, "interval": [0.1], "parts": []}, None, []),
        ({"value": 0.25, "interval": ["a", "b"]}, None, []),
    ):
        save(replace(artifact, info={**artifact.info, "accuracy": accuracy}), tmp_path / "x.loom")
        _, data = _json(capsys, "info", str(tmp_path / "x.loom"))
        assert (data["accuracy_interval"], list(data["accuracy_parts"])) == (interval, pieces)
        assert main(["info", str(tmp_path / "x.loom")]) == 0
        text = capsys.readouterr().out
        assert ("25.00 %, 95 % interval 10.0 to 50.0 % (" in text) == (interval is not None)
        assert ("  real" in text and "75.00 %, 95 % interval" in text) == bool(pieces)


def test_run_answers_for_golden_images_arrays_and_pictures(capsys, flat, routed, tmp_path):
    for path in (flat, routed):
        golden = load(path).golden
        _, from_golden = _json(capsys, "run", str(path))
        np.save(tmp_path / "x.npy", golden.images)
        np.savez(tmp_path / "x.npz", images=golden.images)
        for name in ("x.npy", "x.npz"):
            code, data = _json(capsys, "run", str(path), str(tmp_path / name), "--device", "integer")
            assert code == 0
            assert data["labels"] == from_golden["labels"]
            assert data["coarse"] == from_golden["coarse"]
            assert (data["backend"], data["origin"]) == ("integer", "simulated")


def test_text_output_names_the_device_and_every_listed_image(capsys, flat):
    assert main(["run", str(flat), "--top", "2"]) == 0
    text = capsys.readouterr().out
    assert "on integer (simulated; auto:" in text
    assert len(text.splitlines()) == 2 + 4


def test_cost_sums_its_layers(capsys, routed):
    code, data = _json(capsys, "cost", str(routed))
    assert code == 0
    assert data["memory_bits"] == sum(layer["memory_bits"] for layer in data["layers"])
    assert data["origin"].startswith("estimated")
    assert main(["cost", str(routed)]) == 0
    assert "total" in capsys.readouterr().out


def test_diff_finds_a_changed_weight_and_a_changed_structure(capsys, flat, routed, tmp_path):
    _, same = _json(capsys, "diff", str(flat), str(flat))
    assert same["same_file"] and same["same_structure"] and not same["tensors"]
    artifact = load(flat)
    nodes = list(artifact.network.nodes)
    last = nodes[-1]
    weight = last.op.weight.copy()
    weight[0, :2] += np.where(weight[0, :2] > last.op.weight_type.lo, -1, 1).astype(weight.dtype)
    from dataclasses import replace

    nodes[-1] = replace(last, op=replace(last.op, weight=weight))
    other = tmp_path / "other.loom"
    save(Artifact(replace(artifact.network, nodes=tuple(nodes))), other)
    _, data = _json(capsys, "diff", str(flat), str(other))
    assert data["tensors"] == [{"tensor": f"{last.name}.weight", "changed": 2, "values": weight.size}]
    assert not data["same_weights"]
    assert data["answers"]["images"] == 30
    code, data = _json(capsys, "diff", str(flat), str(routed))
    assert code == 0
    assert data["structure"] and not data["same_structure"] and data["answers"] is None
    assert main(["diff", str(flat), str(routed)]) == 0


def test_an_error_is_one_line_on_stderr_and_exit_code_1(capsys, tmp_path, flat):
    bad = tmp_path / "bad.loom"
    bad.write_bytes(flat.read_bytes()[:-1])
    np.savez(tmp_path / "no.npz", pictures=np.zeros(3))
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "text.png").write_text("no picture")
    for argv, words in [
        (["info", str(bad)], "not a whole .loom file"),
        (["info", "nonesuch"], "shipped designs"),
        (["run", str(flat), "--device", "board9"], "unknown; needed one of"),
        (["run", str(flat), str(tmp_path / "absent.npy")], "no such file"),
        (["run", str(flat), str(tmp_path / "no.npz")], "needed one named 'images'"),
        (["run", str(flat), str(tmp_path / "pickled.npy")], "no readable array"),
        (["run", str(flat), str(tmp_path / "text.png")], "text.png"),
        (["run", str(flat), "--top", "0"], "k is 0"),
    ]:
        assert main(argv) == 1, argv
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert words in captured.err


def test_wrong_usage_exits_with_2(capsys):
    for argv in ([], ["nonesuch"], ["run"], ["bench", "moon"]):
        with pytest.raises(SystemExit) as caught:
            main(argv)
        assert caught.value.code == 2
        capsys.readouterr()


def test_a_picture_is_read_as_the_design_needs_it(capsys, tmp_path):
    from PIL import Image

    image = load(find_design("digits-cnn")).golden.images[2, :, :, 0]
    Image.fromarray(image).save(tmp_path / "digit.png")
    Image.fromarray(np.stack([image] * 3, axis=-1)).save(tmp_path / "colour.png")
    for name in ("digit.png", "colour.png"):
        code, data = _json(capsys, "run", "digits-cnn", str(tmp_path / name))
        assert code == 0
        assert data["names"] == ["6"]
    Image.fromarray(image[:5]).save(tmp_path / "small.png")
    assert main(["run", "digits-cnn", str(tmp_path / "small.png")]) == 1
    assert "needed (N, 8, 8, 1)" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["новый", "файл/новый"])
def test_a_name_that_the_terminal_cannot_show_loses_nothing(tmp_path, out):
    (tmp_path / "файл").write_text("")
    code = "from crossloom.host.cli import main; raise SystemExit(main())"
    argv = ["emit", "rtl", "digits-cnn", "--folding", "4x4x1x2", "--out", str(tmp_path / out)]
    done = subprocess.run(
        [sys.executable, "-c", code, *argv],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    said = done.stderr if "/" in out else done.stdout
    assert done.returncode == ("/" in out) and rb"\u043d\u043e\u0432\u044b\u0439" in said
    assert said.count(b"\n") == (1 if "/" in out else 2)
