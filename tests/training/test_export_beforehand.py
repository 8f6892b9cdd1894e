"""What will be refused is refused before the work, with the remedy; what can be proved another way is not refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy
import pytest
from small_runs import config_of, grouped, small, tree_config

torch = pytest.importorskip("torch", reason="torch is not installed")

from crossloom.host import find_design  # noqa: E402 - after the skip
from crossloom.sim import ConfigError, ExportError, load, loom  # noqa: E402
from crossloom.sim.crossbar import DEVICES, ArraySpec, Physics  # noqa: E402
from crossloom.sim.golden import golden_bytes  # noqa: E402
from crossloom.sim.loom import to_bytes  # noqa: E402
from crossloom.sim.schema import encode  # noqa: E402
from crossloom.training import beforehand, workflow  # noqa: E402
from crossloom.training import prove as prove_module  # noqa: E402
from crossloom.training.beforehand import refuse_beforehand  # noqa: E402
from crossloom.training.config import Config, override  # noqa: E402
from crossloom.training.data.digits import digits  # noqa: E402
from crossloom.training.hierarchical import build_quantized_network  # noqa: E402
from crossloom.training.layer_tables import Dense, Flatten  # noqa: E402
from crossloom.training.prove import export_model, prove  # noqa: E402

warnings.filterwarnings("ignore", category=UserWarning)

Make = Callable[..., Any]
VALUES: Any = numpy.linspace(0, 1, 17, dtype=numpy.float32)[:, None]


def test_wide_layers_of_head_and_branches_are_proved_in_float64(routed: Make) -> None:
    flat, dense = {"type": "flatten"}, {"type": "dense"}
    bits = {"weight_bits": 8, "activation_bits": 8, "input_bits": 8}
    case = routed(([{"type": "conv", "channels": 16}], [flat, dense], [flat, dense]), quantization=bits)
    found = case.exported()
    assert found.network.edges[found.network.output].magnitude >= 1 << 24
    assert prove(found, case.images[:20]).precision == "float64"


def test_branches_whose_additions_align_otherwise_are_refused_with_the_remedy(routed: Make) -> None:
    residual = {"type": "residual", "layers": [{"type": "conv", "channels": 4, "activation": "none"}]}
    parts = ([{"type": "conv", "channels": 4}], [{"type": "flatten"}, {"type": "dense"}])
    case = routed((*parts, [residual, {"type": "flatten"}, {"type": "dense"}]))
    case.exported()
    ranges = [p for n, p in case.model.banks[1].named_parameters() if "main" in n and ".act_quant." in n]
    with torch.no_grad():
        ranges[-1] += 2.0
    words = r"branch 'g1': .*aligns what it adds by \(\d+, \d+\) bits.*share the ranges of the quantizers before the "
    with pytest.raises(ExportError, match=words) as caught:
        case.exported()
    assert "\n" not in str(caught.value)


def _shared() -> Config:
    return tree_config({"source": "discover", "superclasses": 3, "branches": "shared"})


def test_a_recipe_that_cannot_be_exported_is_refused_before_it_is_trained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    def train(*_: Any, **__: Any) -> None:
        raise AssertionError("it was trained")

    monkeypatch.setattr(workflow, "train", train)
    with pytest.raises(ExportError, match="a B-CNN computes two levels of logits"):
        workflow.train_and_export(_shared(), small(), tmp_path / "run")


def test_recipes_that_can_be_exported_pass_and_leave_chance_as_it_was() -> None:
    state = torch.random.get_rng_state()
    refuse_beforehand(config_of(), small())
    refuse_beforehand(tree_config(), small())
    refuse_beforehand(override(tree_config({"source": "dataset"}), {"quantization": {"weight_bits": 8}}), grouped())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_more_weights_than_an_artifact_holds_are_refused_before_there_is_memory_for_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    def built(*_: Any) -> None:
        raise AssertionError("it took the memory")

    monkeypatch.setattr(beforehand, "build_quantized_network", built)
    config = replace(config_of(), layers=(Flatten(), *2 * (Dense(units=60_000),), Dense()))
    with pytest.raises(ConfigError, match=r"3,6\d\d,\d{3},\d{3} weights, .* at most 268,435,456; take smaller layers"):
        workflow.train_and_export(config, small(), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_what_no_artifact_could_hold_is_refused_before_training_or_proof(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    def work(*_: Any, **__: Any) -> None:
        raise AssertionError("it went to work")

    for name in ("train", "grow", "fine_tune"):
        monkeypatch.setattr(workflow, name, work)
    monkeypatch.setattr(prove_module, "prove", work)
    sha, model = load(find_design("digits-sha")), build_quantized_network(config_of(), (1, 8, 8), 10)
    size = sum(array.nbytes for array in encode(sha.network)[1].values())
    for most, words in ((size + 100, rf"{size:,} bytes of weights and [\d,]+ of golden vectors; an artifact has"),
                        (size - 1, "smaller layers or fewer test images")):  # fmt: skip
        monkeypatch.setattr(loom, "MAX_FILE_BYTES", most)
        with pytest.raises(ExportError, match=words):
            workflow.grow_and_export(sha, digits(), "x", tmp_path / "x.loom")
        with pytest.raises(ExportError, match=words):
            workflow.tune_and_export(
                sha, digits(), tmp_path / "x.loom", ArraySpec(), Physics(DEVICES["fefet"]), epochs=1
            )
    monkeypatch.setattr(loom, "MAX_FILE_BYTES", 500)
    with pytest.raises(ExportError, match=r"small: [\d,]+ bytes of weights and [\d,]+ of golden vectors"):
        workflow.train_and_export(config_of(), small(), tmp_path / "run")
    given: Any = {"name": "x", "classes": digits().classes, "shape": (8, 8, 1), "values": VALUES}
    with pytest.raises(ExportError, match="bytes of weights and 0 of golden vectors"):
        export_model(model, images=digits().images[:9], **given)
    assert list(tmp_path.iterdir()) == []


def test_the_size_that_is_told_beforehand_is_not_more_than_that_of_the_file(tmp_path: Any) -> None:
    for name in ("digits-cnn", "digits-sha"):
        artifact = load(find_design(name))
        assert artifact.golden is not None
        told = golden_bytes(artifact.network, artifact.golden.vectors)
        told += sum(array.nbytes for array in encode(artifact.network)[1].values())
        assert 0.6 * len(to_bytes(artifact)) < told < len(to_bytes(artifact))
