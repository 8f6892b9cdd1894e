"""What will be refused is refused before the work, with the remedy; what can be proved another way is not refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from small_runs import config_of, grouped, small, tree_config

torch = pytest.importorskip("torch", reason="torch is not installed")

from crossloom.sim import ExportError  # noqa: E402 - after the skip
from crossloom.training import workflow  # noqa: E402
from crossloom.training.beforehand import refuse_beforehand  # noqa: E402
from crossloom.training.config import Config, override  # noqa: E402
from crossloom.training.prove import prove  # noqa: E402

warnings.filterwarnings("ignore", category=UserWarning)

Make = Callable[..., Any]


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
