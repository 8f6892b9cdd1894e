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

from small_runs import RECIPE, Stop, config_of, same, small  # noqa: E402

from crossloom.sim.errors import ConfigError  # noqa: E402 - after the skip
from crossloom.training import runs  # noqa: E402
from crossloom.training.config import load_config, override  # noqa: E402
from crossloom.training.data.digits import digits  # noqa: E402
from crossloom.training.loop import evaluate, train  # noqa: E402
from crossloom.training.models import build_quantized  # noqa: E402
from crossloom.training.runs import TrainedModel, load_run, read_checkpoint  # noqa: E402
from crossloom.training.steps import batches_of  # noqa: E402


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
