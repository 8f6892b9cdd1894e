"""Precision and threads are what a step was fastest with, once a phase; averages are what is validated and kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from small_runs import Stop, config_of, same, small  # noqa: E402

from crossloom.host.cli import main  # noqa: E402 - after the skip
from crossloom.sim.errors import ConfigError  # noqa: E402
from crossloom.training import loop, pace  # noqa: E402
from crossloom.training.averaging import Averages  # noqa: E402
from crossloom.training.config import TrainingConfig, parse_config  # noqa: E402
from crossloom.training.evaluation import evaluate  # noqa: E402
from crossloom.training.loop import train  # noqa: E402
from crossloom.training.pace import Pace, candidates, choose  # noqa: E402
from crossloom.training.runs import read_checkpoint  # noqa: E402
from crossloom.training.steps import learning_rate  # noqa: E402


def test_the_candidates_are_what_a_recipe_leaves_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_cores", lambda: 6)
    own = torch.get_num_threads()
    fixed = TrainingConfig(float_precision="bfloat16")
    assert candidates(fixed, False) == [Pace("bfloat16", True, own)]
    assert candidates(fixed, True) == [Pace("float32", False, own)]
    free = TrainingConfig(float_precision="auto", threads="auto")
    assert [p.threads for p in candidates(free, True)] == [1, 2, 4, 6]
    kinds = {(p.precision, p.channels_last) for p in candidates(free, False)}
    assert kinds == {("float32", False), ("float32", True), ("bfloat16", True)} and len(candidates(free, False)) == 12
    monkeypatch.setattr(pace, "_cores", lambda: 1)
    assert [p.threads for p in candidates(TrainingConfig(threads="auto"), False)] == [1]


def test_the_fastest_is_chosen_by_its_shortest_step_but_the_first() -> None:
    a, b = Pace("float32", False, 1), Pace("bfloat16", True, 2)
    seconds = {a: iter([0.1, 3.0, 4.0]), b: iter([9.0, 5.0, 2.0])}
    best, timings = choose([a, b], lambda found: next(seconds[found]))
    assert best == b and timings == {"float32, 1 thread": 3.0, "bfloat16, channels last, 2 threads": 2.0}
    assert choose([a], lambda found: pytest.fail("nothing to choose")) == (a, {})


AUTO = {"float_precision": "auto", "precision": "auto", "epochs": 2, "float_epochs": 2}


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[Pace]:
    """Answers instead of a clock: bfloat16 is the fastest; what was timed."""
    timed: list[Pace] = []

    def seconds(self: Any, found: Pace) -> float:
        timed.append(found)
        return {"float32": 2.0, "bfloat16": 1.0}[found.precision]

    monkeypatch.setattr(loop._Run, "_seconds", seconds)
    return timed


def test_a_run_that_chooses_says_so_and_ends_in_the_same_bits_as_one_that_was_told(
    tmp_path: Path, chosen: list[Pace]
) -> None:
    run = train(config_of(**AUTO), small(), tmp_path / "auto", progress=False)
    assert [r["precision"] for r in run.history] == ["bfloat16"] * 4
    assert ["timings" in r for r in run.history] == [True, False, True, False]
    assert set(run.history[0]["timings"].values()) == {1.0, 2.0} and "channels last" in run.history[2]["pace"]
    told = {**AUTO, "float_precision": "bfloat16", "precision": "bfloat16"}
    other = train(config_of(**told), small(), tmp_path / "told", progress=False)
    assert same(run.model.state_dict(), other.model.state_dict())
    found = evaluate(run.model, small(), small().validation, run.values)
    assert found.accuracy == run.validation_accuracy  # in float32, whatever it was trained in


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_resumed_run_keeps_its_pace_and_chooses_again_on_another_machine(
    tmp_path: Path,
    chosen: list[Pace],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    elsewhere: bool,
) -> None:
    def stop(record: Mapping[str, Any]) -> None:
        raise Stop

    with pytest.raises(Stop):
        train(config_of(**AUTO), small(), tmp_path, progress=False, on_epoch=stop)
    assert len(chosen) == 3 * pace.ROUNDS
    if elsewhere:
        monkeypatch.setattr(pace, "machine", lambda: "another")
    with caplog.at_level(logging.INFO, "crossloom.training.pace"):
        run = train(config_of(**AUTO), small(), tmp_path, resume=True, progress=False)
    assert ("chosen again" in caplog.text) is elsewhere and ("as before" in caplog.text) is not elsewhere
    assert ["timings" in r for r in run.history] == [True, elsewhere, True, False]


def test_timing_steps_changes_nothing_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = train(config_of(epochs=1, float_epochs=1), small(), tmp_path / "told", progress=False)
    own = Pace("float32", False, torch.get_num_threads())
    monkeypatch.setattr(pace, "_KINDS", {"float32": (("float32", False), ("float32", False))})
    timed = train(config_of(epochs=1, float_epochs=1), small(), tmp_path / "timed", progress=False)
    assert list(timed.history[0]["timings"]) == [str(own)] and timed.history[0]["timings"][str(own)] > 0
    assert same(told.model.state_dict(), timed.model.state_dict())


def test_an_average_is_the_sum_that_its_formula_says_and_is_given_back() -> None:
    model = torch.nn.Linear(2, 1)
    weights = [model.weight.detach().clone()]
    averages, expected = Averages(0.5, model), weights[0]
    for step in range(8):
        with torch.no_grad():
            model.weight += step + 1
        weights.append(model.weight.detach().clone())
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weights[-1]
        averages.update(model)
    with averages.applied(model):
        assert torch.allclose(model.weight, expected, rtol=1e-6)
        assert torch.equal(model.weight, averages.values["weight"])
    assert torch.equal(model.weight, weights[-1])
    again = Averages(0.5, model, averages.state())
    assert again.steps == 8 and torch.equal(again.values["weight"], averages.values["weight"])


def test_a_run_with_averages_keeps_what_it_validated_and_resumes_in_the_same_bits(tmp_path: Path) -> None:
    recipe = config_of(ema=0.9, epochs=2, float_epochs=1, schedule="one-cycle")
    seen: list[Any] = []

    def stop(record: Mapping[str, Any]) -> None:
        seen.append(record)
        if len(seen) == 2:
            raise Stop

    whole = train(recipe, small(), tmp_path / "whole", progress=False)
    with pytest.raises(Stop):
        train(recipe, small(), tmp_path / "cut", progress=False, on_epoch=stop)
    resumed = train(recipe, small(), tmp_path / "cut", resume=True, progress=False)
    assert same(resumed.model.state_dict(), whole.model.state_dict())
    state = read_checkpoint(tmp_path / "whole")
    assert state["averages"]["steps"] > 10 and not same(state["best"]["model"], state["model"])
    assert evaluate(whole.model, small(), small().validation, whole.values).accuracy == whole.validation_accuracy


def test_one_cycle_rises_in_even_steps_and_falls_to_nothing() -> None:
    training = TrainingConfig(schedule="one-cycle")
    rates = [learning_rate(training, 1.0, done) for done in (0, 0.15, 0.3, 0.65, 1)]
    assert rates == pytest.approx([0.04, 0.52, 1.0, 0.5, 0.0])


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"threads": "all"}, r"key 'threads': found 'all'; needed an integer in 0..1024 or \"auto\""),
        ({"threads": True}, r"key 'threads': found true"),
        ({"precision": "float16"}, r'key \'precision\': found .*needed one of "float32", "bfloat16", "auto"'),
        ({"ema": 1.0}, r"key 'ema': found 1.0; needed a number in 0..0.99999"),
        ({"schedule": "onecycle"}, r"key 'schedule'"),
    ],
)
def test_a_pace_that_is_none_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config_of(**keys)


def test_a_device_that_torch_or_the_recipe_cannot_use_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"device 'cuda': torch .* finds no such device; needed .*--device cpu"):
        train(config_of(), small(), tmp_path / "run", progress=False, device="cuda")
    assert main(["train", "digits-cnn", "--device", "cuda", "--out", str(tmp_path / "cli")]) == 1
    assert "finds no such device" in capsys.readouterr().err
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    spiking = parse_config({
        "name": "s", "spiking": {"steps": 2},
        "layers": [{"type": "conv", "channels": 2, "activation": "lif"}, {"type": "flatten"}, {"type": "dense"}],
    })  # fmt: skip
    with pytest.raises(ConfigError, match=r"\[spiking\] on cuda; needed the cpu"):
        train(spiking, small(), tmp_path / "run", progress=False, device="cuda")
