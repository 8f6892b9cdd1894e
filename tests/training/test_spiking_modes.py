"""Ways to a spiking network: with fewer and fewer steps, from a network without spikes, by the latency of spikes."""

import itertools
import json

import numpy as np
import pytest
import torch
from small_runs import Stop, same, small
from test_spiking_networks import exported, recipe

from crossloom.sim import LIF, ConfigError, Threshold, run
from crossloom.sim import First as FirstOp
from crossloom.training.config import config_dict
from crossloom.training.loop import load_run, train
from crossloom.training.prove import convert_model, prove, write_artifact
from crossloom.training.restore import restore
from crossloom.training.runs import read_checkpoint
from crossloom.training.spiking.layers import First

FEWER = {"steps": 1, "from_steps": 3, "stage_epochs": 1, "learn": ["theta"], "loss": "membrane"}


def fewer(**spiking):
    return recipe(training={"epochs": 2, "float_epochs": 1, "seed": 4}, **{**FEWER, **spiking})


@pytest.fixture(scope="module")
def reduced(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reduced")
    return train(fewer(), small(), folder, progress=False), folder


def proved(trained, data, folder):
    """The artifact of a trained network, proved equal on every edge."""
    found = convert_model(trained.model, "spikes", trained.classes, trained.shape, trained.values)
    proof = prove(found, data.images)
    assert proof.edges == len(found.network.edges)
    given = {"images": data.images[:9], "labels": data.labels[:9], "info": {"config": config_dict(trained.config)}}
    return write_artifact(folder / "spikes.loom", found.network, proof, dataset="some", **given)


def test_steps_are_taken_away_one_stage_after_the_other(reduced):
    trained, folder = reduced
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    stages = [(r["phase"], r["epoch"], r["steps"]) for r in lines]
    assert stages == [("float", 1, 3), ("qat-3", 1, 3), ("qat-3", 2, 3), ("qat-2", 1, 2), ("qat", 1, 1)]
    assert [stage["steps"] for stage in trained.stages] == [3, 2]
    for stage in trained.stages:
        reached = [r["validation_accuracy"] for r in lines if r["phase"] == f"qat-{stage['steps']}"]
        assert stage["validation_accuracy"] == max(reached) and 0 <= stage["test_accuracy"] <= 1
    assert load_run(folder).stages == trained.stages


def test_a_stage_begins_with_the_best_weights_of_the_one_before(tmp_path):
    slow = {"epochs": 1, "float_epochs": 1, "learning_rate": 1e-7, "weight_decay": 0}
    trained = train(recipe(training=slow, **FEWER), small(), tmp_path, progress=False)
    (first, second), last = read_checkpoint(tmp_path)["stages"], trained.model.state_dict()
    assert (first["steps"], second["steps"]) == (3, 2)
    for key, begun in first["model"].items():  # hardly anything was learned since
        torch.testing.assert_close(last[key], begun, rtol=0, atol=1e-4, msg=key)


def test_a_run_stopped_in_a_stage_ends_in_the_same_bits(tmp_path, reduced):
    def stop(record):
        if record["phase"] == "qat-2":
            raise Stop

    with pytest.raises(Stop):
        train(fewer(), small(), tmp_path, progress=False, on_epoch=stop)
    resumed = train(fewer(), small(), tmp_path, resume=True, progress=False)
    assert same(resumed.model.state_dict(), reduced[0].model.state_dict()) and resumed.stages == reduced[0].stages


def test_a_network_of_one_step_after_several_is_one_of_thresholds(tmp_path, reduced):
    written = proved(reduced[0], small(), tmp_path)
    network = written.network
    assert network.timed is None and all(edge.steps == 1 for edge in network.edges.values())
    kinds = [type(node.op) for node in network.nodes]
    assert kinds.count(Threshold) == 2 and LIF not in kinds
    assert restore(written).config.spiking.from_steps == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "first", "mode": "sltt"}, r"key 'mode': found \"sltt\" beside loss \"first\""),
        ({"from_steps": 1}, r"key 'from_steps': found 1; needed an integer in 2..4096"),
        ({"from_steps": 3}, r"key 'from_steps': found 3, and steps 3; needed more than steps"),
        ({"stage_epochs": 2}, r"key 'stage_epochs': given, but there is one stage; needed from_steps"),
    ],
)
def test_modes_that_do_not_go_together_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        recipe(**changes)


@pytest.mark.parametrize("spiking", [{"strict": True}, {"most": 3, "theta": 0.3}, {"loss": "count", "guard": 0}])
def test_thresholds_learned_for_one_step_come_back_from_the_artifact(tmp_path, spiking):
    config = fewer(from_steps=2, **spiking)
    trained = train(config, small(), tmp_path / "run", progress=False)
    restored = restore(proved(trained, small(), tmp_path))  # refused where the weights identity is not the artifact's
    assert restored.config.spiking == config.spiking


def first_of(spikes):
    """Rows (steps, N) to steps - t of the first spike."""
    return [next((len(spikes) - t for t, s in enumerate(column) if s), 0) for column in zip(*spikes, strict=True)]


def test_the_first_spikes_gradient_is_what_each_spike_would_change():
    steps = 5
    spikes = torch.tensor(list(itertools.product([0.0, 1.0], repeat=steps))).T.clone()  # every pattern of five steps
    spikes.requires_grad_()
    found = First(steps)(spikes.reshape(-1, 1))
    assert found[:, 0].tolist() == first_of(spikes.tolist())
    (slope,) = torch.autograd.grad(found.sum(), spikes)
    for t in range(steps):
        changed = []
        for value in (0.0, 1.0):
            other = spikes.detach().clone()
            other[t] = value
            changed.append(torch.tensor(first_of(other.tolist())))
        assert torch.equal(slope[t], (changed[1] - changed[0]).float())


@pytest.mark.parametrize("spiking", [{}, {"most": 2, "theta": 0.3}, {"steps": 1, "theta": 0.05}])
def test_a_network_that_answers_by_its_first_spike_is_proved(spiking):
    found, data = exported(recipe(**{"steps": 6, "loss": "first", "theta": 0.4, **spiking}))
    last = found.network.producers[found.network.output].op
    assert isinstance(last, Threshold if spiking.get("steps") == 1 else FirstOp)
    assert prove(found, data.images[:60]).edges == len(found.network.edges)
    scores = run(found.network, data.images[:60]).logits
    assert len(np.unique(scores)) > (1 if spiking.get("steps") == 1 else 2)


def test_latency_is_learned(tmp_path):
    config = recipe(steps=8, loss="first", theta=0.5, leak=4, training={"epochs": 5, "float_epochs": 5})
    trained = train(config, small(), tmp_path / "run", progress=False)
    assert trained.validation_accuracy > 0.5  # of ten classes
    proved(trained, small(), tmp_path)
