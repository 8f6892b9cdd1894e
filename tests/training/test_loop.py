"""The loop: stopped anywhere it ends in the same bits, nothing on disk is ever half a file, the test stays unseen."""

from __future__ import annotations

import errno
import json
import os
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

from crossloom.sim.errors import ConfigError, ExportError  # noqa: E402 - after the skip
from crossloom.training import runs  # noqa: E402
from crossloom.training.config import Config, flat_recipe, load_config, override, parse_config  # noqa: E402
from crossloom.training.datasets import Dataset, digits, split  # noqa: E402
from crossloom.training.hierarchy import Hierarchy, discover, read_hierarchy  # noqa: E402
from crossloom.training.loop import evaluate, train  # noqa: E402
from crossloom.training.models import build_float, build_quantized  # noqa: E402
from crossloom.training.prove import convert_run, prove  # noqa: E402
from crossloom.training.runs import TrainedModel, load_run, read_checkpoint  # noqa: E402
from crossloom.training.steps import batches_of  # noqa: E402

RECIPE = Path(__file__).parents[2] / "training" / "configs" / "digits-cnn.toml"


class Stop(Exception):
    """What a test raises to stop a run."""


def config_of(**training: Any) -> Config:
    table = {
        "name": "small",
        "quantization": {"input_bits": 4},
        "training": {
            "epochs": 3,
            "float_epochs": 2,
            "batch_size": 32,
            "augmentation": {"shift": 1, "flip": True},
            **training,
        },
        "layers": [
            {"type": "conv", "channels": 4},
            {"type": "maxpool"},
            {"type": "residual", "layers": [{"type": "conv", "channels": 4, "activation": "none"}]},
            {"type": "avgpool"},
            {"type": "flatten"},
            {"type": "dense"},
        ],
    }
    return parse_config(table, "small.toml")


def small() -> Dataset:
    data = digits()
    images, labels = data.images[:300], data.labels[:300]
    return Dataset("small", data.classes, 17, images, labels, *split(images, labels, 0.2))


def same(a: Any, b: Any) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainedModel, Path]:
    folder = tmp_path_factory.mktemp("whole")
    return train(config_of(), small(), folder, progress=False), folder


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
def test_a_run_stopped_after_any_epoch_and_resumed_has_the_same_bits(
    tmp_path: Path, whole: tuple[TrainedModel, Path], epochs: int
) -> None:
    left = [epochs]

    def stop(record: Mapping[str, Any]) -> None:
        left[0] -= 1
        if not left[0]:
            raise Stop

    with pytest.raises(Stop):
        train(config_of(), small(), tmp_path, progress=False, on_epoch=stop)
    with pytest.raises(ConfigError, match="the run stopped after epoch"):
        load_run(tmp_path)
    resumed = train(config_of(), small(), tmp_path, resume=True, progress=False)
    assert same(resumed.model.state_dict(), whole[0].model.state_dict())
    assert same(read_checkpoint(tmp_path)["model"], read_checkpoint(whole[1])["model"])
    timeless = [[{k: v for k, v in r.items() if k != "seconds"} for r in t.history] for t in (resumed, whole[0])]
    assert timeless[0] == timeless[1]
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 5


def test_a_run_killed_while_saving_keeps_the_last_checkpoint_whole_and_resumes(
    tmp_path: Path, whole: tuple[TrainedModel, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = Path.replace, [3]

    def die(self: Path, target: Any) -> Path:
        if self.name.startswith(".checkpoint"):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            train(config_of(), small(), tmp_path, progress=False)
    assert (read_checkpoint(tmp_path)["phase"], read_checkpoint(tmp_path)["epoch"]) == ("float", 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.pt", "log.jsonl"]
    resumed = train(config_of(), small(), tmp_path, resume=True, progress=False)
    assert same(resumed.model.state_dict(), whole[0].model.state_dict())


def test_a_full_disk_is_one_clear_line_and_keeps_the_old_checkpoint(
    tmp_path: Path, whole: tuple[TrainedModel, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [0]

    def full(fd: int) -> None:
        calls[0] += 1
        if calls[0] == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ConfigError, match=r"cannot be written \(No space left.*then resume") as caught:
            train(config_of(), small(), tmp_path, progress=False)
    assert "\n" not in str(caught.value)
    assert read_checkpoint(tmp_path)["epoch"] >= 1 and not list(tmp_path.glob(".*"))
    resumed = train(config_of(), small(), tmp_path, resume=True, progress=False)
    assert same(resumed.model.state_dict(), whole[0].model.state_dict())


KILLED = """
import os, signal, sys
sys.path[:0] = {paths!r}
import torch
torch.set_num_threads({threads})
from crossloom.training import digits, override, load_config, train
count = 0
def kill(record):
    global count
    count += 1
    if count == 2:
        os.kill(os.getpid(), signal.SIGKILL)
config = override(load_config({recipe!r}), {{"training": {{"epochs": 1, "float_epochs": 2}}}})
train(config, digits(), {folder!r}, progress=False, on_epoch=kill)
"""


def test_a_process_killed_outright_resumes_to_the_same_bits(tmp_path: Path) -> None:
    recipe = override(load_config(RECIPE), {"training": {"epochs": 1, "float_epochs": 2}})
    code = KILLED.format(
        paths=[p for p in sys.path if p],
        threads=torch.get_num_threads(),
        recipe=str(RECIPE),
        folder=str(tmp_path / "a"),
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    resumed = train(recipe, digits(), tmp_path / "a", resume=True, progress=False)
    straight = train(recipe, digits(), tmp_path / "b", progress=False)
    assert same(resumed.model.state_dict(), straight.model.state_dict())


def test_the_log_has_one_json_line_per_epoch(whole: tuple[TrainedModel, Path]) -> None:
    lines = [json.loads(line) for line in (whole[1] / "log.jsonl").read_text().splitlines()]
    assert [(r["phase"], r["epoch"]) for r in lines] == [("float", 1), ("float", 2), ("qat", 1), ("qat", 2), ("qat", 3)]
    for record in lines:
        assert record["seconds"] >= 0 and record["loss"] > 0 and record["learning_rate"] > 0
        assert 0 <= record["train_accuracy"] <= 1 and 0 <= record["validation_accuracy"] <= 1
    assert lines == [dict(record) for record in whole[0].history]


def test_the_best_epoch_by_validation_is_kept_and_the_figures_are_its_own(whole: tuple[TrainedModel, Path]) -> None:
    trained, folder = whole
    epochs = [r for r in trained.history if r["phase"] == "qat"]
    best = max(epochs, key=lambda r: (r["validation_accuracy"], -r["validation_loss"]))
    assert read_checkpoint(folder)["best"]["epoch"] == best["epoch"]
    data = small()
    accuracy, loss, _ = evaluate(trained.model, data, data.validation, trained.values)
    assert (
        (accuracy, loss)
        == (best["validation_accuracy"], best["validation_loss"])
        == (trained.validation_accuracy, loss)
    )
    assert evaluate(trained.model, data, data.test, trained.values)[0] == trained.test_accuracy


def test_the_range_of_the_input_is_calibrated_and_not_learned(whole: tuple[TrainedModel, Path]) -> None:
    states = [whole[0].model.state_dict(), read_checkpoint(whole[1])["model"]]
    ranges = [float(value) for state in states for key, value in state.items() if key.startswith("quant_input.")]
    assert len(ranges) == 2 and ranges[0] == ranges[1] and (ranges[0] + 0.5).is_integer()


def test_training_never_looks_at_the_test_images(whole: tuple[TrainedModel, Path], tmp_path: Path) -> None:
    data = small()
    images, labels = data.images.copy(), data.labels.copy()
    images[data.test] = 16 - images[data.test]
    labels[data.test] = (labels[data.test] + 1) % 10
    other = train(config_of(), replace(data, images=images, labels=labels), tmp_path, progress=False)
    assert same(other.model.state_dict(), whole[0].model.state_dict())


def test_the_seed_decides_the_weights_and_global_generators_are_left_alone(
    whole: tuple[TrainedModel, Path], tmp_path: Path
) -> None:
    torch.manual_seed(123)
    np.random.seed(123)
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    again = train(config_of(), small(), tmp_path / "a", progress=False)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()
    assert same(again.model.state_dict(), whole[0].model.state_dict())
    other = train(config_of(seed=2), small(), tmp_path / "b", progress=False)
    assert not same(other.model.state_dict(), whole[0].model.state_dict())


def test_a_finished_run_loads_with_everything_export_needs(whole: tuple[TrainedModel, Path]) -> None:
    trained, loaded = whole[0], load_run(whole[1])
    assert same(loaded.model.state_dict(), trained.model.state_dict()) and not loaded.model.training
    assert (loaded.classes, loaded.shape, loaded.levels) == (tuple("0123456789"), (8, 8, 1), 17)
    assert (loaded.values == trained.values).all() and loaded.values.dtype == np.float32
    assert loaded.dataset_sha256 == small().sha256 and loaded.test_accuracy == trained.test_accuracy
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded.model(x), trained.model(x))


def test_resuming_a_finished_run_trains_nothing_more(whole: tuple[TrainedModel, Path]) -> None:
    def fail(record: Mapping[str, Any]) -> None:
        raise AssertionError("an epoch ran")

    again = train(config_of(), small(), whole[1], resume=True, progress=False, on_epoch=fail)
    assert same(again.model.state_dict(), whole[0].model.state_dict())


def test_a_folder_with_a_run_another_recipe_or_other_data_is_refused(whole: tuple[TrainedModel, Path]) -> None:
    before = (whole[1] / "checkpoint.pt").read_bytes()
    with pytest.raises(ConfigError, match="holds a run already"):
        train(config_of(), small(), whole[1], progress=False)
    with pytest.raises(ConfigError, match=r"training\.epochs was 3, now 4"):
        train(config_of(epochs=4), small(), whole[1], resume=True, progress=False)
    with pytest.raises(ConfigError, match="the images, labels or classes differ"):
        train(config_of(), digits(), whole[1], resume=True, progress=False)
    assert (whole[1] / "checkpoint.pt").read_bytes() == before


def test_a_loss_that_is_not_finite_names_the_epoch_and_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"small.toml: the loss is (nan|inf) in \w+ epoch \d; .*lower the learning"):
        train(config_of(float_learning_rate=10.0, learning_rate=10.0, epochs=400), small(), tmp_path, progress=False)


def test_a_damaged_or_foreign_checkpoint_is_refused_without_unpickling(
    whole: tuple[TrainedModel, Path], tmp_path: Path
) -> None:
    import pickle

    good = (whole[1] / "checkpoint.pt").read_bytes()
    marker = tmp_path / "executed"

    class Bomb:
        def __reduce__(self) -> Any:
            return (marker.touch, ())

    bad = {
        "cut": good[: len(good) // 2],
        "empty": b"",
        "text": b"hello",
        "pickle": pickle.dumps({"format": Bomb()}, protocol=2),
    }
    for name, content in bad.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "checkpoint.pt").write_bytes(content)
        with pytest.raises(ConfigError, match=r"not a whole checkpoint|another kind") as caught:
            load_run(folder)
        assert "\n" not in str(caught.value)
    assert not marker.exists()
    with pytest.raises(ConfigError, match="no such file"):
        load_run(tmp_path / "none")
    state = read_checkpoint(whole[1])
    runs.write_checkpoint(tmp_path, {**state, "best": {**state["best"], "model": {}}})
    with pytest.raises(ConfigError, match="the weights do not fit"):
        load_run(tmp_path)


def test_a_recipe_may_set_the_number_of_threads_and_torch_gets_its_own_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    seen: list[int] = []
    for threads in (0, 1, before + 1):
        train(
            config_of(epochs=1, float_epochs=0, threads=threads),
            small(),
            tmp_path / str(threads),
            progress=False,
            on_epoch=lambda record: seen.append(torch.get_num_threads()),
        )
    assert seen == [before, 1, before + 1]
    assert torch.get_num_threads() == before


def test_channel_rules_still_hold_in_the_trained_weights(whole: tuple[TrainedModel, Path]) -> None:
    model = build_quantized(whole[0].config, (1, 8, 8), 10)
    model.load_state_dict(whole[0].model.state_dict())
    scale = model.conv1.quant_weight().scale.detach()
    assert torch.equal(torch.log2(scale), torch.log2(scale).round()) and float(scale.max() / scale.min()) <= 256


def test_bfloat16_is_for_the_float_phase_alone_and_says_so(tmp_path: Path) -> None:
    run = train(config_of(float_precision="bfloat16", epochs=1, float_epochs=1), small(), tmp_path, progress=False)
    assert [r["precision"] for r in run.history] == ["bfloat16", "float32"]


def test_without_a_float_phase_training_starts_from_the_initial_weights(tmp_path: Path) -> None:
    run = train(config_of(float_epochs=0, epochs=1), small(), tmp_path, progress=False)
    assert [r["phase"] for r in run.history] == ["qat"]


def test_a_short_run_of_the_shipped_recipe_learns_the_digits(tmp_path: Path) -> None:
    recipe = override(load_config(RECIPE), {"training": {"epochs": 6, "float_epochs": 8}})
    assert train(recipe, digits(), tmp_path, progress=False).test_accuracy > 0.96


# -- hierarchical recipes ---------------------------------------------------------------------------------------

PARTS: dict[str, Any] = {
    "layers": [{"type": "conv", "channels": 4, "stride": 2}],
    "coarse": [{"type": "maxpool"}, {"type": "flatten"}, {"type": "dense"}],
    "branch": [{"type": "flatten"}, {"type": "dense", "units": 6}, {"type": "dense"}],
}
PAIRS = {"a": ["1", "0"], "b": ["2", "3"], "c": ["4", "5", "6"], "d": ["7", "8", "9"]}


def tree_config(hierarchy: dict[str, Any] | None = None, parts: dict[str, Any] = PARTS, **training: Any) -> Config:
    discover = {"source": "discover", "superclasses": 3, "discovery_epochs": 2, "spare": 1}
    table = {
        "name": "tree",
        "quantization": {"input_bits": 4},
        "hierarchy": discover if hierarchy is None else hierarchy,
        "training": {"epochs": 2, "float_epochs": 3, "batch_size": 16, "float_learning_rate": 2e-2, **training},
    }
    return parse_config({**table, **parts}, "tree.toml")


def grouped(superclasses: Mapping[str, list[str]] = PAIRS) -> Dataset:
    of_class = {name: group for group, names in superclasses.items() for name in names}
    data = small()
    return replace(data, superclasses=tuple(of_class[name] for name in data.classes))


def timeless(trained: TrainedModel) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in trained.history]


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
import importlib.util
import torch
torch.set_num_threads({threads})
spec = importlib.util.spec_from_file_location("loop_tests", {file!r})
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
def kill(record):
    if (record["phase"], record["epoch"]) == ("float", 1):
        os.kill(os.getpid(), signal.SIGKILL)
tests.train(tests.tree_config(), tests.small(), {folder!r}, progress=False, on_epoch=kill)
"""


def test_a_process_killed_after_the_discovery_resumes_to_the_same_bits(
    tmp_path: Path, tree: tuple[TrainedModel, Path]
) -> None:
    code = KILLED_TREE.format(
        paths=[p for p in sys.path if p], threads=torch.get_num_threads(), file=__file__, folder=str(tmp_path)
    )
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


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_shipped_recipe_reaches_98_percent_of_the_digits_test_at_any_seed(tmp_path: Path, seed: int) -> None:
    recipe = override(load_config(RECIPE), {"training": {"seed": seed}})
    assert train(recipe, digits(), tmp_path, progress=False).test_accuracy >= 0.98


def test_no_batch_is_one_image_alone_and_none_is_lost() -> None:
    for count in (1, 2, 3, 5, 63, 64, 65, 1294):
        for size in (2, 3, 64):
            batches = batches_of(np.arange(count), size)
            assert np.array_equal(np.concatenate(batches), np.arange(count))
            assert min(map(len, batches)) >= min(2, count)
            assert max(map(len, batches)) <= size + 1
    assert len(batches_of(np.arange(1294), 64)) == 21
