"""The loop with a hierarchy: super-classes found or given, and the same bits wherever it was stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from small_runs import PAIRS, PARTS, Stop, grouped, same, small, timeless, tree_config  # noqa: E402

from crossloom.sim.errors import ConfigError, ExportError  # noqa: E402 - after the skip
from crossloom.training.config import flat_recipe, override  # noqa: E402
from crossloom.training.hierarchy import Hierarchy, discover, read_hierarchy  # noqa: E402
from crossloom.training.loop import evaluate, train  # noqa: E402
from crossloom.training.models import build_float  # noqa: E402
from crossloom.training.prove import convert_run, prove  # noqa: E402
from crossloom.training.runs import TrainedModel, load_run, read_checkpoint  # noqa: E402


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, Path]:
    folder = tmp_path_factory.mktemp("tree")
    return train(tree_config(), small(), folder, progress=False), folder


def test_a_hierarchical_run_discovers_then_trains_the_whole_then_shares(tree: tuple[TrainedModel, Path]) -> None:
    records = [json.loads(line) for line in (tree[1] / "log.jsonl").read_text().splitlines()]
    phases = [("discover", 1), ("discover", 2), ("float", 1), ("float", 2), ("float", 3), ("qat", 1), ("qat", 2)]
    assert [(r["phase"], r["epoch"]) for r in records] == phases
    hierarchy = tree[0].hierarchy
    assert hierarchy is not None and len(hierarchy.names) == 3
    assert hierarchy.origin == "confusions of a flat network, 3 super-classes as asked"
    assert tree[0].model.members == hierarchy.members == load_run(tree[1]).model.members
    assert read_hierarchy(tree[1] / "hierarchy.json", small().classes) == hierarchy


def test_the_super_classes_are_those_of_the_mean_answers_of_the_flat_network_on_validation_images(
    tmp_path: Path, tree: tuple[TrainedModel, Path]
) -> None:
    def stop(record: Mapping[str, Any]) -> None:
        if record["epoch"] == 2:
            raise Stop

    with pytest.raises(Stop):
        train(tree_config(), small(), tmp_path, progress=False, on_epoch=stop)
    data, state = small(), read_checkpoint(tmp_path)
    model = build_float(flat_recipe(tree_config()), (1, 8, 8), 10)
    model.load_state_dict(state["model"])
    confusion = np.zeros((10, 10))
    for label in range(10):
        rows = data.validation[data.labels[data.validation] == label]
        images = torch.from_numpy(state["values"].numpy()[data.images[rows], 0].transpose(0, 3, 1, 2))
        with torch.no_grad():
            logits = model.eval()(images).double().numpy()
        answers = np.exp(logits - logits.max(1, keepdims=True))
        confusion[label] = (answers / answers.sum(1, keepdims=True)).mean(0)
    assert discover(confusion, 3, False, data.classes) == tree[0].hierarchy


def test_the_weight_of_the_coarse_loss_shifts_over_the_float_phase_and_stays(tree: tuple[TrainedModel, Path]) -> None:
    weights = [record.get("coarse_weight") for record in tree[0].history]
    assert weights[:2] == [None, None], "the flat network of the discovery has one loss"
    assert weights[2:] == pytest.approx([0.9, 0.7, 0.5, 0.5, 0.5], abs=1e-12)


def test_the_loss_of_a_record_is_that_of_its_weight(tree: tuple[TrainedModel, Path]) -> None:
    trained, data = tree[0], small()
    best = read_checkpoint(tree[1])["best"]["epoch"]
    record = next(r for r in trained.history if (r["phase"], r["epoch"]) == ("qat", best))
    found = evaluate(trained.model, data, data.validation, trained.values, record["coarse_weight"])
    assert (found.accuracy, found.loss) == (record["validation_accuracy"], record["validation_loss"])
    assert found.coarse_accuracy == record["validation_coarse_accuracy"]
    losses = [evaluate(trained.model, data, data.validation, trained.values, w).loss for w in (0.0, 0.5, 1.0)]
    assert losses[1] == pytest.approx((losses[0] + losses[2]) / 2, rel=1e-6) and losses[0] != losses[2]


def test_the_test_accuracy_is_that_of_the_scores(tree: tuple[TrainedModel, Path]) -> None:
    trained, data = tree[0], small()
    with torch.no_grad():
        images = torch.from_numpy(trained.values[data.images[data.test], 0].transpose(0, 3, 1, 2))
        scores = trained.model(images).numpy()
    assert trained.test_accuracy == (scores.argmax(1) == data.labels[data.test]).mean()
    assert trained.hierarchy is not None
    taken = np.array([trained.hierarchy.coarse[np.isfinite(row)][0] for row in scores])
    assert trained.test_coarse_accuracy == (taken == trained.hierarchy.coarse[data.labels[data.test]]).mean()
    assert trained.test_coarse_accuracy > trained.test_accuracy > 0.2


def test_spare_rows_stay_zero(tree: tuple[TrainedModel, Path]) -> None:
    for bank, classes in zip(tree[0].model.banks, tree[0].model.members, strict=True):
        last = bank[-1]
        assert last.out_features == max(map(len, tree[0].model.members)) + 1
        assert not last.weight[len(classes) :].any() and not last.bias[len(classes) :].any()
        assert bool(last.weight[: len(classes)].any())


@pytest.mark.parametrize("epochs", [1, 2, 4, 6])
def test_a_hierarchical_run_stopped_in_any_phase_and_resumed_has_the_same_bits(
    tmp_path: Path, tree: tuple[TrainedModel, Path], epochs: int
) -> None:
    left = [epochs]

    def stop(record: Mapping[str, Any]) -> None:
        left[0] -= 1
        if not left[0]:
            raise Stop

    with pytest.raises(Stop):
        train(tree_config(), small(), tmp_path, progress=False, on_epoch=stop)
    assert (tmp_path / "hierarchy.json").exists() is (epochs > 2)
    resumed = train(tree_config(), small(), tmp_path, resume=True, progress=False)
    assert same(resumed.model.state_dict(), tree[0].model.state_dict()) and resumed.hierarchy == tree[0].hierarchy
    assert same(read_checkpoint(tmp_path)["model"], read_checkpoint(tree[1])["model"])
    assert timeless(resumed) == timeless(tree[0])
    assert (tmp_path / "hierarchy.json").read_bytes() == (tree[1] / "hierarchy.json").read_bytes()


KILLED_TREE = """
import os, signal, sys
sys.path[:0] = {paths!r}
import torch
torch.set_num_threads({threads})
from small_runs import small, tree_config
from crossloom.training import train
def kill(record):
    if (record["phase"], record["epoch"]) == ("float", 1):
        os.kill(os.getpid(), signal.SIGKILL)
train(tree_config(), small(), {folder!r}, progress=False, on_epoch=kill)
"""


def test_a_process_killed_after_the_discovery_resumes_to_the_same_bits(
    tmp_path: Path, tree: tuple[TrainedModel, Path]
) -> None:
    code = KILLED_TREE.format(paths=[p for p in sys.path if p], threads=torch.get_num_threads(), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (tmp_path / "hierarchy.json").write_text("half a fi")  # what a kill may leave; the checkpoint knows better
    resumed = train(tree_config(), small(), tmp_path, resume=True, progress=False)
    assert same(resumed.model.state_dict(), tree[0].model.state_dict())
    assert (tmp_path / "hierarchy.json").read_bytes() == (tree[1] / "hierarchy.json").read_bytes()


def test_neither_discovery_nor_training_looks_at_the_test_images(
    tmp_path: Path, tree: tuple[TrainedModel, Path]
) -> None:
    data = small()
    images, labels = data.images.copy(), data.labels.copy()
    images[data.test] = 16 - images[data.test]
    labels[data.test] = (labels[data.test] + 1) % 10
    other = train(tree_config(), replace(data, images=images, labels=labels), tmp_path, progress=False)
    assert same(other.model.state_dict(), tree[0].model.state_dict()) and other.hierarchy == tree[0].hierarchy


def test_super_classes_of_a_file_are_taken_and_a_changed_file_does_not_resume(tmp_path: Path) -> None:
    file, folder = tmp_path / "groups.json", tmp_path / "run"
    file.write_text(json.dumps({"superclasses": PAIRS}))
    config = tree_config({"source": "file", "file": str(file)}, epochs=1, float_epochs=1)
    trained = train(config, small(), folder, progress=False)
    assert trained.hierarchy == Hierarchy(tuple("abcd"), ((0, 1), (2, 3), (4, 5, 6), (7, 8, 9)), "file groups.json")
    assert json.loads((folder / "hierarchy.json").read_text())["superclasses"] == {**PAIRS, "a": ["0", "1"]}
    assert [r["phase"] for r in trained.history] == ["float", "qat"]
    assert same(
        train(config, small(), folder, resume=True, progress=False).model.state_dict(), trained.model.state_dict()
    )
    moved = (tmp_path / "elsewhere" / "groups.json").resolve()
    moved.parent.mkdir()
    moved.write_bytes(file.read_bytes())
    train(override(config, {"hierarchy": {"file": str(moved)}}), small(), folder, resume=True, progress=False)
    file.write_text(json.dumps({"superclasses": {**PAIRS, "a": ["0", "9"], "d": ["7", "8", "1"]}}))
    with pytest.raises(ConfigError, match="cannot resume, the super-classes differ; needed those it started with"):
        train(config, small(), folder, resume=True, progress=False)


@pytest.mark.parametrize("source", ["auto", "dataset"])
def test_the_super_classes_of_the_data_set_are_taken_where_it_has_some(tmp_path: Path, source: str) -> None:
    config = tree_config({"source": source}, epochs=1, float_epochs=0)
    trained = train(config, grouped(), tmp_path, progress=False)
    assert trained.hierarchy is not None and [r["phase"] for r in trained.history] == ["qat"]
    assert (trained.hierarchy.names, trained.hierarchy.origin) == (tuple("abcd"), "data set small")
    assert prove(convert_run(tmp_path), small().images[:50]).samples == 50


def test_discovery_may_be_asked_for_though_the_data_set_has_super_classes(
    tmp_path: Path,
) -> None:
    config = tree_config({"source": "discover", "discovery_epochs": 1}, epochs=1, float_epochs=0)
    trained = train(config, grouped(), tmp_path, progress=False)
    assert trained.hierarchy is not None and trained.hierarchy.names[:2] == ("group0", "group1")
    assert [r["phase"] for r in trained.history] == ["discover", "qat"]


def test_a_branch_with_a_residual_trains_and_exports(tmp_path: Path) -> None:
    residual = {"type": "residual", "layers": [{"type": "conv", "channels": 4, "activation": "none"}]}
    parts = {**PARTS, "branch": [{"type": "conv", "channels": 4}, residual, {"type": "flatten"}, {"type": "dense"}]}
    config = tree_config({}, parts, float_epochs=1, epochs=2, learning_rate=0.05, schedule="constant")
    train(config, grouped(), tmp_path, progress=False)
    found = convert_run(tmp_path)
    assert prove(found, small().images).edges == len(found.network.edges)


REFUSED: dict[str, tuple[dict[str, Any], bool, str]] = {
    "no super-classes": (
        {"source": "dataset"},
        False,
        r"tree.toml: \[hierarchy\] key 'source': \"dataset\", but small",
    ),
    "super-classes and a number": ({"superclasses": 2}, True, r"tree.toml: \[hierarchy\]: superclasses or balanced"),
    "super-classes and a balance": ({"balanced": True}, True, "small has super-classes of its own; needed one"),
    "too many": ({"source": "discover", "superclasses": 10, "discovery_epochs": 1}, False, "10 super-classes of 10 "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_super_classes_that_cannot_be_had_are_one_line(tmp_path: Path, name: str) -> None:
    hierarchy, has_some, words = REFUSED[name]
    with pytest.raises(ConfigError, match=words) as caught:
        train(tree_config(hierarchy), grouped() if has_some else small(), tmp_path / "run", progress=False)
    assert "\n" not in str(caught.value)


FILES: dict[str, tuple[Any, str]] = {
    "a class left out": ({**PAIRS, "d": ["7", "8"]}, "class '9' is in no super-class"),
    "a class of its own": ({**PAIRS, "d": ["7", "8", "9", "ten"]}, "'ten' is unknown"),
    "a class twice": ({**PAIRS, "d": ["7", "8", "9", "1"]}, "class '1' is in 'a' and 'd'"),
    "one super-class": ({"all": list("0123456789")}, "1 super-class; needed 2 to"),
    "a super-class without classes": ({**PAIRS, "e": []}, "super-class 'e': no class"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_does_not_group_the_classes_is_one_line_before_anything_is_written(
    tmp_path: Path, name: str
) -> None:
    groups, words = FILES[name]
    (tmp_path / "h.json").write_text(json.dumps(groups))
    config = tree_config({"source": "file", "file": str(tmp_path / "h.json")})
    with pytest.raises(ConfigError, match=words) as caught:
        train(config, small(), tmp_path / "run", progress=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "checkpoint.pt").exists()
    with pytest.raises(ConfigError, match="cannot be read"):
        train(tree_config({"source": "file", "file": "absent.json"}), small(), tmp_path / "run", progress=False)


def test_a_bcnn_trains_to_figures_of_its_own_and_has_no_artifact(tmp_path: Path) -> None:
    config = tree_config({"branches": "shared"}, epochs=1, float_epochs=3)
    trained = train(config, grouped(), tmp_path, progress=False)
    assert trained.test_coarse_accuracy is not None and trained.test_accuracy > 0.2
    data = grouped()
    with torch.no_grad():
        images = torch.from_numpy(trained.values[data.images[data.test], 0].transpose(0, 3, 1, 2))
        scores = load_run(tmp_path).model(images).numpy()
    assert np.isfinite(scores).all(), "a B-CNN's fine answer does not wait for the coarse one"
    assert trained.test_accuracy == (scores.argmax(1) == data.labels[data.test]).mean()
    with pytest.raises(ExportError, match="tree: a B-CNN computes two levels of logits for every image") as caught:
        convert_run(tmp_path)
    assert "\n" not in str(caught.value)
