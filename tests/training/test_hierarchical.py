"""The hierarchical torch network: its loss as stated, one branch an image, and sharing that copies the right rows."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")

from crossloom.sim.errors import ConfigError  # noqa: E402 - after the skip
from crossloom.training.batchnorm import folded  # noqa: E402
from crossloom.training.hierarchical import (  # noqa: E402
    build_float_network,
    build_quantized_network,
    quantize,
    rows_of,
)
from crossloom.training.hierarchy import Hierarchy  # noqa: E402
from crossloom.training.inputs import to_float  # noqa: E402
from crossloom.training.models import Network  # noqa: E402
from crossloom.training.quantizers import range_parameter  # noqa: E402

warnings.filterwarnings("ignore", category=UserWarning)

Make = Callable[..., Any]

CONV: dict[str, Any] = {"type": "conv", "channels": 4}
FLAT, DENSE, POOL = {"type": "flatten"}, {"type": "dense"}, {"type": "maxpool"}
PARTS = ([CONV, POOL], [FLAT, DENSE], [CONV, FLAT, {"type": "dense", "units": 6}, DENSE])
MEMBERS = ((1, 4, 5), (3,), (0, 2))


@pytest.fixture(scope="module")
def plain(routed: Make) -> Any:
    return routed(PARTS, members=MEMBERS)


@pytest.fixture(scope="module")
def shared(routed: Make) -> Any:
    return routed(PARTS, members=MEMBERS, branches="shared")


def batch(case: Any, count: int = 60) -> tuple[Any, Any]:
    labels = torch.from_numpy(np.random.default_rng(3).integers(0, 6, count))
    return to_float(case.images[:count], case.values), labels


def cross_entropy(logits: Any, wanted: int, smoothing: float) -> float:
    """Cross entropy with label smoothing, in numpy."""
    z = np.asarray(logits, np.float64)
    log = z - z.max() - np.log(np.exp(z - z.max()).sum())
    return float(-(1 - smoothing) * log[wanted] - smoothing * log.mean())


def plain_loss(model: Any, x: Any, labels: Any, smoothing: float, weight: float) -> tuple[float, list[bool]]:
    """The loss and the right super-classes, image by image."""
    losses, right = [], []
    with torch.no_grad():
        for image, label in zip(x, labels.tolist(), strict=True):
            source = model.trunk(image[None])
            coarse = model.head(source)[0].tolist()
            superclass = next(k for k, group in enumerate(MEMBERS) if label in group)
            bank = superclass if len(model.banks) > 1 else 0
            classes = list(MEMBERS[superclass]) if len(model.banks) > 1 else list(range(6))
            fine = model.banks[bank](source)[0].tolist()[: len(classes)]
            one = weight * cross_entropy(coarse, superclass, smoothing)
            losses.append(one + (1 - weight) * cross_entropy(fine, classes.index(label), smoothing))
            right.append(int(np.argmax(coarse)) == superclass)
    return float(np.mean(losses)), right


@pytest.mark.parametrize(("smoothing", "weight"), [(0.0, 0.5), (0.2, 0.9), (0.0, 1.0), (0.1, 0.0)])
@pytest.mark.parametrize("kind", ["routed", "shared", "float"])
def test_the_loss_is_the_weighted_sum_of_two_cross_entropies(
    plain: Any, shared: Any, kind: str, smoothing: float, weight: float
) -> None:
    case = shared if kind == "shared" else plain
    model = case.origin if kind == "float" else case.model
    x, labels = batch(case)
    loss, _, coarse_right = model.assess(x, labels, smoothing, weight)
    wanted, wanted_right = plain_loss(model, x, labels, smoothing, weight)
    assert float(loss.detach()) == pytest.approx(wanted, rel=1e-5)
    assert coarse_right.tolist() == wanted_right


@pytest.mark.parametrize("kind", ["routed", "shared", "float"])
def test_an_answer_counts_as_right_where_the_greatest_score_is_the_label(plain: Any, shared: Any, kind: str) -> None:
    case = shared if kind == "shared" else plain
    model = case.origin if kind == "float" else case.model
    x, labels = batch(case, 130)
    with torch.no_grad():
        answers = model(x).argmax(1)
        labels[:60] = answers[:60]
        _, right, coarse_right = model.assess(x, labels, 0.0, 0.5)
    assert right.tolist() == (answers == labels).tolist()
    assert 60 <= int(right.sum()) < 130
    if kind == "routed":
        assert bool((coarse_right | ~right).all()), "no right answer in a wrong branch"


def test_scores_of_branches_not_taken_are_minus_infinity_and_a_shared_branch_has_them_all(
    plain: Any, shared: Any
) -> None:
    x, _ = batch(plain)
    with torch.no_grad():
        coarse = plain.model.head(plain.model.trunk(x)).argmax(1)
        scores = plain.model(x)
        assert torch.isfinite(shared.model(x)).all() and torch.isfinite(plain.origin(x)).all()
    assert set(coarse.tolist()) == {0, 1, 2}
    for row, taken in zip(scores, coarse.tolist(), strict=True):
        finite = torch.isfinite(row)
        assert set(finite.nonzero()[:, 0].tolist()) == set(MEMBERS[taken])
        assert bool((row[~finite] == -torch.inf).all())


def test_each_image_alone_gets_the_scores_it_has_in_a_batch(plain: Any) -> None:
    x, _ = batch(plain, 20)
    with torch.no_grad():
        together = plain.model(x)
        alone = torch.cat([plain.model(image[None]) for image in x])
    assert torch.equal(together, alone)


def test_a_tie_of_coarse_logits_goes_to_the_first_branch(plain: Any) -> None:
    model = copy.deepcopy(plain.model)
    with torch.no_grad():
        model.head[-1].weight.zero_()
        model.head[-1].bias.zero_()
        scores = model(batch(plain)[0])
    assert bool(torch.isfinite(scores[:, list(MEMBERS[0])]).all()) and int(torch.isfinite(scores[0]).sum()) == 3


def test_an_image_teaches_the_branch_of_its_true_super_class_alone(plain: Any) -> None:
    model = copy.deepcopy(plain.model).train()
    x, _ = batch(plain, 12)
    loss, _, _ = model.assess(x, torch.tensor([0, 2] * 6), 0.0, 0.5)
    loss.backward()
    taught = [any(p.grad is not None and bool(p.grad.any()) for p in bank.parameters()) for bank in model.banks]
    assert taught == [False, False, True]
    assert all(bool(part[-1].weight.grad.any()) for part in (model.head, model.banks[2]))
    assert not model.banks[2][-1].weight.grad[2:].any(), "a spare row learns nothing"


def test_a_weight_of_one_silences_the_other_loss(plain: Any) -> None:
    for weight, head, branch in ((1.0, True, False), (0.0, False, True)):
        model = copy.deepcopy(plain.model).train()
        model.assess(*batch(plain, 12), 0.0, weight)[0].backward()
        assert bool(model.head[-1].weight.grad.any()) is head
        assert (
            any(bool(bank[-1].weight.grad.any()) for bank in model.banks if bank[-1].weight.grad is not None) is branch
        )


# -- training, then sharing -------------------------------------------------------------------------------------


def weights_of(network: Any, name: str) -> tuple[Any, Any]:
    modules = dict(network.named_modules())
    layer, norm = modules[name], modules.get(f"{name}_bn")
    return (layer.weight, layer.bias) if norm is None else folded(layer.weight, layer.bias, norm)


def test_every_branch_starts_as_a_copy_of_the_shared_one_with_the_rows_of_its_own_classes(plain: Any) -> None:
    before = copy.deepcopy(plain.origin.state_dict())
    model = quantize(plain.origin, to_float(plain.images[:64], plain.values))
    assert all(torch.equal(before[key], value) for key, value in plain.origin.state_dict().items())
    for bank, classes in enumerate(MEMBERS):
        for layer in ("branch_conv1", "branch_dense3"):
            for found, wanted in zip(
                weights_of(model, f"banks.{bank}.{layer}"), weights_of(plain.origin, f"banks.0.{layer}"), strict=True
            ):
                assert torch.equal(found, wanted)
        last, origin = model.banks[bank].branch_dense4, plain.origin.banks[0].branch_dense4
        assert torch.equal(last.weight[: len(classes)], origin.weight[list(classes)])
        assert torch.equal(last.bias[: len(classes)], origin.bias[list(classes)])
        assert last.weight.shape == (4, 6) and not last.weight[len(classes) :].any()
        assert not last.bias[len(classes) :].any()
    for name in ("trunk.conv1", "head.coarse_dense2"):
        assert all(
            torch.equal(a, b) for a, b in zip(weights_of(model, name), weights_of(plain.origin, name), strict=True)
        )
    ranges = [[float(range_parameter(bank[i]).detach()) for i in (1, 4)] for bank in model.banks]
    assert ranges[0] == ranges[1] == ranges[2]


def test_a_shared_branch_keeps_all_rows(shared: Any) -> None:
    model = quantize(shared.origin, to_float(shared.images[:64], shared.values))
    assert not model.routed and len(model.banks) == 1
    assert torch.equal(model.banks[0].branch_dense4.weight, shared.origin.banks[0].branch_dense4.weight)


def test_quantizing_twice_is_refused(plain: Any) -> None:
    with pytest.raises(ConfigError, match="quantized already"):
        quantize(plain.model, batch(plain)[0])


def test_the_capacity_is_the_largest_super_class_and_the_spare_rows(plain: Any) -> None:
    config = plain.model.plan.config
    for members, rows in ((MEMBERS, 4), (((0,), (1, 2, 3, 4, 5)), 6)):
        hierarchy = Hierarchy(tuple(f"g{k}" for k in range(len(members))), members, "test")
        model: Any = build_quantized_network(config, (1, 8, 8), 6, hierarchy)
        assert [bank[-1].out_features for bank in model.banks] == [rows] * len(members)
        assert model.head[-1].out_features == len(members)


def test_before_the_super_classes_are_known_the_network_is_the_flat_one(plain: Any) -> None:
    model = build_float_network(plain.model.plan.config, (1, 8, 8), 6)
    assert isinstance(model, Network) and [step.name for step in model.plan.steps][:3] == ["conv1", "maxpool2", "conv3"]


def test_the_seed_decides_the_weights_and_torchs_generator_is_left_alone(plain: Any) -> None:
    config, hierarchy = plain.model.plan.config, plain.model.hierarchy
    before = torch.random.get_rng_state()
    first, second = (build_float_network(config, (1, 8, 8), 6, hierarchy).state_dict() for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_state_dict_restores_the_network_to_the_bit(plain: Any) -> None:
    again = build_quantized_network(plain.model.plan.config, (1, 8, 8), 6, plain.model.hierarchy)
    again.load_state_dict(plain.model.state_dict())
    x, _ = batch(plain)
    with torch.no_grad():
        assert torch.equal(again.eval()(x), plain.model(x))


# -- what is learned --------------------------------------------------------------------------------------------


def names_of(model: Any) -> set[str]:
    learned = {id(p) for p in model.learned_parameters()}
    return {name for name, p in model.named_parameters() if id(p) in learned}


def test_everything_is_learned_but_the_range_of_the_input(plain: Any) -> None:
    every = {name for name, _ in plain.model.named_parameters()}
    left = every - names_of(plain.model)
    assert len(left) == 1 and all(name.startswith("trunk.quant_input.") for name in left)
    assert names_of(plain.origin) == {name for name, _ in plain.origin.named_parameters()}


def test_what_an_addition_reads_in_a_branch_or_head_keeps_its_scale(routed: Make) -> None:
    residual = {"type": "residual", "layers": [{**CONV, "activation": "none"}]}
    model = routed(([CONV, POOL, residual], [FLAT, DENSE], [CONV, residual, FLAT, DENSE]), members=MEMBERS).model
    left = {name for name, _ in model.named_parameters()} - names_of(model)
    ranges = {name for name, _ in model.named_parameters() if ".act_quant." in name}
    assert left == {n for n in ranges if n.startswith(("banks.", "trunk.quant_input."))}
    assert any(n.startswith("trunk.residual3") for n in names_of(model) & ranges), "the trunk has no banks"


def test_rows_of_a_batch_keep_their_scale(plain: Any) -> None:
    x, _ = batch(plain, 9)
    rows = torch.tensor([7, 2])
    with torch.no_grad():
        source = plain.model.trunk(x)
        some = rows_of(source, rows, len(x))
    assert torch.equal(some.value, source.value[rows]) and torch.equal(some.scale, source.scale)
    assert torch.equal(rows_of(x, rows, len(x)), x[rows])
    timed = torch.arange(12).reshape(6, 2)  # 3 images at 2 steps
    assert rows_of(timed, torch.tensor([2, 0]), 3)[:, 0].tolist() == [4, 0, 10, 6]
