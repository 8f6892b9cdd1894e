"""The host's one call: checks, answers, top-k, devices."""

import numpy as np
import pytest

from crossloom.host import Accelerator, design_names, find_design
from crossloom.host.accelerator import Prediction
from crossloom.sim import (
    Artifact,
    ArtifactError,
    DeviceError,
    InputError,
    Result,
    differing,
    load,
    random_network,
    run,
    save,
)


def test_the_accelerator_answers_as_the_integer_simulator_does(flat, routed):
    for path in (flat, routed):
        golden = load(path).golden
        result = run(load(path).network, golden.inputs)
        with Accelerator(path) as accelerator:
            found = accelerator(golden.inputs)
        assert np.array_equal(found.labels, result.labels)
        assert np.ma.allequal(found.scores, result.scores)
        assert np.array_equal(found.macs, result.macs)
        assert found.cycles is None
        assert (found.backend, found.origin) == ("integer", "simulated")
        assert found.names == [load(path).network.classes[i] for i in found.labels]


@pytest.mark.parametrize("at_once", [1, 7, 256])
def test_answers_are_the_same_however_many_images_run_at_once(flat, routed, monkeypatch, at_once):
    monkeypatch.setattr("crossloom.sim.batching.MAX_IMAGES", at_once)
    for path in (flat, routed):
        golden = load(path).golden
        result = run(load(path).network, golden.inputs)
        found = Accelerator(path)(golden.inputs).result
        assert not differing(result, found).any() and len(found.labels) == len(golden.inputs)
        assert np.array_equal(np.ma.getmaskarray(found.scores), np.ma.getmaskarray(result.scores))
        assert np.ma.allequal(found.scores, result.scores) and np.array_equal(found.macs, result.macs)
        assert Accelerator(path)(golden.inputs[:0]).scores.shape == (0, len(load(path).network.classes))


def test_a_wrong_value_is_told_with_its_place_among_all_images(flat, monkeypatch):
    monkeypatch.setattr("crossloom.sim.batching.MAX_IMAGES", 4)
    images = load(flat).golden.inputs / 255
    images[9, 0, 0, 0] = 2
    with pytest.raises(InputError, match=r"value 2.0 at \[9, 0, 0, 0\]"):
        Accelerator(flat)(images)


def test_a_flat_network_has_no_coarse_answer_and_a_routed_one_has(flat, routed):
    assert Accelerator(flat)(load(flat).golden.images).coarse is None
    coarse = Accelerator(routed)(load(routed).golden.images).coarse
    assert coarse.shape == (4,)


def test_scores_of_branches_that_did_not_run_are_absent(routed):
    accelerator = Accelerator(routed)
    found = accelerator(load(routed).golden.inputs)
    branches = accelerator.network.route.branches
    for branch, mask in zip(found.coarse, np.ma.getmaskarray(found.scores), strict=True):
        assert set(np.flatnonzero(~mask)) == set(branches[branch].classes)


def test_top_k_is_sorted_breaks_ties_to_the_lowest_index_and_leaves_absent_classes_out():
    rows = [[5, 7, 7, -9], [1, 2, 3, 4], [-8, 0, -3, 0]]
    scores = np.ma.MaskedArray(rows, mask=[[0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1]])
    labels = np.array([1, 3, 2])
    found = Prediction(Result(scores, None, None, labels, scores, np.zeros(3)), "simulated", "x", tuple("abcd"))
    assert found.top_k(3).tolist() == [[1, 2, 0], [3, 1, None], [2, 0, None]]
    assert found.top_k(1)[:, 0].tolist() == [1, 3, 2]
    for k in (0, 5, True, 1.0):
        with pytest.raises(InputError, match=r"top_k: k is .*; needed 1 to 4"):
            found.top_k(k)


def test_the_best_of_top_k_is_the_label(flat, routed):
    for path in (flat, routed):
        found = Accelerator(path)(load(path).golden.inputs)
        assert np.array_equal(found.top_k(1)[:, 0], found.labels)


def test_auto_says_what_it_took_and_an_unknown_device_is_refused(flat, caplog):
    with caplog.at_level("INFO"):
        accelerator = Accelerator(flat, device="auto")
    assert accelerator.backend == "integer"
    assert "integer simulator" in accelerator.reason
    assert accelerator.reason in caplog.text
    with pytest.raises(DeviceError, match="device 'warp': unknown; needed one of: auto, integer"):
        Accelerator(flat, device="warp")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[:, :-1], "shape"),
        (lambda x: x[0], "add the batch axis"),
        (lambda x: x.astype(np.int64), "dtype int64; needed uint8"),
        (lambda x: x.astype(float), "floats must lie in 0..1"),
        (lambda x: np.full(x.shape, np.nan), "value nan"),
        (lambda x: x.astype(str), "dtype"),
    ],
)
def test_images_of_the_wrong_shape_dtype_or_range_are_refused_in_one_line(flat, change, words):
    with pytest.raises(InputError, match=words) as caught:
        Accelerator(flat)(change(load(flat).golden.inputs))
    assert "\n" not in str(caught.value)


def test_floats_become_the_nearest_level(flat):
    images = load(flat).golden.inputs
    accelerator = Accelerator(flat)
    assert np.array_equal(accelerator(images / 255).labels, accelerator(images).labels)


def test_an_unknown_design_lists_the_known_ones_and_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="design 'nonesuch': not found; shipped designs: "):
        find_design("nonesuch")
    with pytest.raises(InputError, match=r"absent\.loom: no such file"):
        find_design(tmp_path / "absent.loom")
    assert all(find_design(name).is_file() for name in design_names())


def test_a_file_that_is_no_artifact_is_refused(tmp_path):
    path = tmp_path / "x.loom"
    path.write_bytes(b"PK\x03\x04 and so on" * 20)
    with pytest.raises(ArtifactError, match=r"x\.loom: not a whole \.loom file"):
        Accelerator(path)


def test_spikes_drawn_for_an_image_follow_from_its_number_however_images_come(tmp_path, monkeypatch):
    network = random_network(2044)
    assert network.input.encoder == "rate"
    save(Artifact(network, {}), tmp_path / "x.loom")
    shape = (40, *network.input.shape)
    images = np.random.default_rng(0).integers(0, network.input.levels, shape, dtype=np.uint8)
    wanted = run(network, images)
    monkeypatch.setattr("crossloom.sim.batching.MAX_IMAGES", 7)
    accelerator = Accelerator(tmp_path / "x.loom")
    assert not differing(wanted, accelerator(images).result).any()
    assert not differing(run(network, images[9:], index=9), accelerator(images[9:], 9).result).any()
    parts = [part.result.logits for part in accelerator.stream(images, 6)]
    assert np.array_equal(np.concatenate(parts), wanted.logits)
    assert differing(wanted, run(network, images, index=1)).any()
