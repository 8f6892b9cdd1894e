"""Routed export: trunk, coarse head and every branch equal torch on every edge, and no fault in one bank hides."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")


from crossloom.sim import Conv2d, Dense, ExportError, Requant, load, run  # noqa: E402
from crossloom.sim.identity import structure, structure_sha256, weights_sha256  # noqa: E402
from crossloom.training.export import Exported  # noqa: E402
from crossloom.training.inputs import to_float  # noqa: E402
from crossloom.training.prove import compare_torch, convert_model, prove, torch_edges, write_artifact  # noqa: E402

warnings.filterwarnings("ignore", category=UserWarning)

Make = Callable[..., Any]


def simple(routed: Make, **options: Any) -> Any:
    conv, flat = {"type": "conv", "channels": 4}, {"type": "flatten"}
    dense, pool = {"type": "dense"}, {"type": "maxpool"}
    return routed(([conv, pool], [flat, dense], [flat, {"type": "dense", "units": 6}, dense]), **options)


def changed(found: Exported, node: str, change: Callable[[Any], Any], bank: int | None = None) -> Exported:
    """Change one operator: of the trunk or head, or of one bank alone."""

    def nodes(old: Any) -> Any:
        assert any(n.name == node for n in old)
        return tuple(replace(n, op=change(n.op)) if n.name == node else n for n in old)

    network, route = found.network, found.network.route
    assert route is not None
    if bank is None:
        return replace(found, network=replace(network, nodes=nodes(network.nodes)))
    branches = [replace(b, nodes=nodes(b.nodes)) if k == bank else b for k, b in enumerate(route.branches)]
    return replace(found, network=replace(network, route=replace(route, branches=tuple(branches))))


def plus_one(op: Any) -> Any:
    """One more in a single weight."""
    weight = op.weight.copy()
    at = (0,) * weight.ndim
    weight[at] += 1 if weight[at] < op.weight_type.hi else -1
    return replace(op, weight=weight)


def test_every_edge_of_trunk_head_and_every_branch_equals_torch(case: Any) -> None:
    found = case.exported()
    proof = prove(found, case.images)
    network = found.network
    assert proof.samples == len(case.images)
    hidden = [n for n in network.edges if n not in torch_edges(found, case.images[:2])]
    assert not hidden and proof.edges == len(network.edges), "an edge that torch does not show is not proved"
    assert proof.codes == len(case.images) * sum(edge.size for edge in network.edges.values())
    answers = run(network, case.images)
    assert set(answers.branch) == set(range(len(network.route.branches))), "a branch that nothing takes is not proved"


def test_scores_and_answers_equal_those_of_torch_and_only_the_branch_taken_has_some(case: Any) -> None:
    network = case.exported().network
    with torch.no_grad():
        scores = case.model(to_float(case.images, case.values)).numpy()
    answers = run(network, case.images)
    assert (scores.argmax(1) == answers.labels).all()
    assert (np.isneginf(scores) == answers.scores.mask).all()
    taken = np.array([len(network.route.branches[k].classes) for k in answers.branch])
    assert (np.isfinite(scores).sum(1) == taken).all()
    fine = network.route.output
    fracs = np.array([edges[fine].type.common_frac for edges in network.branch_edges])[answers.branch]
    codes = np.ma.filled(answers.scores, 0) * 2.0 ** -fracs[:, None]
    assert (np.where(np.isfinite(scores), scores, 0) == codes).all()


def test_a_branch_has_rows_for_the_largest_super_class_and_the_spare_ones(routed: Make) -> None:
    network = simple(routed, members=((4,), (0, 1, 2, 5), (3,))).exported().network
    assert network.route.capacity == 5
    assert [b.classes for b in network.route.branches] == [(4,), (0, 1, 2, 5), (3,)]
    assert [b.name for b in network.route.branches] == ["g0", "g1", "g2"]


# -- planted faults ---------------------------------------------------------------------------------------------


def first_difference(found: Exported, images: Any) -> tuple[str, int]:
    with pytest.raises(ExportError) as caught:
        prove(found, images)
    text = str(caught.value)
    assert "\n" not in text
    edge, image = re.findall(r"first: edge (\w+) \(\w+\), image (\d+), \[", text)[0]
    return edge, int(image)


@pytest.mark.parametrize("bank", [0, 1, 2])
@pytest.mark.parametrize("node", ["branch_dense2", "branch_dense3"])
def test_a_weight_that_is_wrong_in_one_bank_alone_is_found_there(routed: Make, node: str, bank: int) -> None:
    case = simple(routed)
    edge, image = first_difference(changed(case.exported(), node, plus_one, bank), case.images)
    assert edge == node
    assert run(case.exported().network, case.images).branch[image] == bank


def test_a_bias_that_is_wrong_in_one_bank_is_found_at_the_first_image_that_takes_it(routed: Make) -> None:
    case = simple(routed)
    taken = run(case.exported().network, case.images).branch
    for bank in range(3):
        fault = changed(case.exported(), "branch_dense3", lambda op: replace(op, bias=op.bias + 1), bank)
        first = int(np.flatnonzero(taken == bank)[0])
        assert first_difference(fault, case.images) == ("branch_dense3", first)
        assert compare_torch(fault, case.images).total == (taken == bank).sum() * case.model.plan.rows


def test_a_wrong_weight_of_the_coarse_head_is_found_there(routed: Make) -> None:
    case = simple(routed)
    assert first_difference(changed(case.exported(), "coarse_dense2", plus_one), case.images)[0] == "coarse_dense2"


def test_branches_that_change_places_are_found(routed: Make) -> None:
    case = simple(routed)
    found = case.exported()
    route = found.network.route
    a, b, c = route.branches
    swapped = (replace(a, nodes=b.nodes), replace(b, nodes=a.nodes), c)
    fault = replace(found, network=replace(found.network, route=replace(route, branches=swapped)))
    with pytest.raises(ExportError, match="edge branch_"):  # a code, or a value that its scale does not hold
        prove(fault, case.images)


def test_a_network_that_routes_otherwise_than_torch_is_found_in_the_coarse_logits(routed: Make) -> None:
    case = simple(routed)

    def turned(op: Any) -> Any:
        return replace(op, weight=np.roll(op.weight, 1, 0), bias=np.roll(op.bias, 1))

    assert first_difference(changed(case.exported(), "coarse_dense2", turned), case.images) == ("coarse_dense2", 0)


def test_a_fault_in_a_branch_that_no_image_takes_is_found_too(routed: Make) -> None:
    case = simple(routed)
    with torch.no_grad():
        case.model.head[-1].bias[1] -= 100.0
    found = case.exported()
    assert 1 not in run(found.network, case.images).branch
    codes = sum(edge.size for edge in found.network.edges.values())
    bank = sum(edge.size for edge in found.network.branch_edges[1].values())
    assert prove(found, case.images).codes == len(case.images) * codes + min(len(case.images), 128) * bank
    assert first_difference(changed(found, "branch_dense3", plus_one, 1), case.images)[0] == "branch_dense3"


# -- what hardware is built for ---------------------------------------------------------------------------------


def head_and_branch(network: Any) -> Any:
    plain = structure(network)
    return [n for n in plain["nodes"] if n["name"] in network.head], plain["route"]


@pytest.mark.parametrize(
    "name",
    ["convolutions in the branch", "hidden layers", "residuals first", "a trunk with signed codes"],
)
def test_nothing_that_can_be_rewritten_decides_the_structure(matrix: Make, name: str) -> None:
    case = matrix(name)
    other = case.sibling(2)
    if any(type(module).__name__ == "QuantAdd" for module in case.model.modules()):
        # How an addition aligns its operands is structure; the calibration decides it.
        theirs = dict(other.model.named_parameters())
        with torch.no_grad():
            for name, p in case.model.named_parameters():
                if ".act_quant." in name:
                    theirs[name].copy_(p)
    a, b = case.exported().network, other.exported().network
    assert head_and_branch(a) == head_and_branch(b) and weights_sha256(a) != weights_sha256(b)
    other.model.trunk.load_state_dict(case.model.trunk.state_dict())
    assert structure_sha256(a) == structure_sha256(other.exported().network)


def test_which_classes_are_in_which_super_class_is_no_structure(routed: Make) -> None:
    a, b = (
        simple(routed, members=m).exported().network for m in (((0, 1, 2), (3,), (4, 5)), ((3, 4, 5), (1,), (0, 2)))
    )
    assert structure_sha256(a) == structure_sha256(b) and weights_sha256(a) != weights_sha256(b)


def test_a_bias_of_more_than_16_bits_in_one_bank_widens_that_layer_in_every_bank_and_no_other(routed: Make) -> None:
    case = simple(routed)
    with torch.no_grad():
        case.model.banks[1].branch_dense2.bias[0] = 900.0
    found = case.exported()
    prove(found, case.images)
    widths = {(b.name, n.name): n.op.bias_bits for b in found.network.route.branches for n in b.nodes if _weighted(n)}
    assert {name: bits for (_, name), bits in widths.items()} == {"branch_dense2": 24, "branch_dense3": 16}
    assert len(set(widths.values())) == 2
    assert [n.op.bias_bits for n in found.network.nodes if n.name in found.network.head and _weighted(n)] == [16]
    biases = [b.nodes[1].op.bias for b in found.network.route.branches]
    assert [int(abs(bias).max()) >= 1 << 15 for bias in biases] == [False, True, False]


def _weighted(node: Any) -> bool:
    return isinstance(node.op, Conv2d | Dense)


def test_banks_with_dead_channels_and_scales_of_their_own_export(routed: Make) -> None:
    case = simple(routed)
    with torch.no_grad():
        for parameter in case.model.banks[0].branch_dense2.parameters():
            parameter.zero_()
        case.model.banks[1].branch_dense2.weight[0] = 0.0
        case.model.banks[1].branch_dense2.weight[1] /= 64
        case.model.banks[2].branch_dense2.weight.fill_(0.3)
        case.model.banks[2].branch_dense3.weight /= 16
    found = case.exported()
    prove(found, case.images)
    layers = [b.nodes[1].op for b in found.network.route.branches]
    assert len({layer.weight_type.frac for layer in layers}) == 3
    assert not layers[0].weight.any() and not layers[1].weight[0].any() and len(np.unique(layers[2].weight)) == 1
    shifts = [n.op.shift for b in found.network.route.branches for n in b.nodes if isinstance(n.op, Requant)]
    assert [s.shape for s in shifts] == [(6,)] * 3, "a shift a channel, though one would do in two of the banks"
    assert structure_sha256(found.network) == structure_sha256(simple(routed).exported().network)


def test_a_sum_in_a_branch_that_float32_cannot_carry_is_proved_in_float64(routed: Make) -> None:
    case = simple(routed)
    with torch.no_grad():
        case.model.banks[2].branch_dense3.bias[0] = 1e6
    found = case.exported()
    assert prove(found, case.images).precision == "float64"
    edge, image = first_difference(
        changed(found, "branch_dense3", lambda op: replace(op, bias=op.bias + 1), 2), case.images
    )
    assert edge == "branch_dense3" and run(found.network, case.images).branch[image] == 2


# -- the artifact -----------------------------------------------------------------------------------------------


def test_the_written_artifact_counts_right_super_classes_and_computes_the_same(routed: Make, tmp_path: Any) -> None:
    case = simple(routed)
    found = case.exported()
    proof = prove(found, case.images)
    answers = run(found.network, case.images)
    labels = answers.labels.astype(np.int64)
    coarse = case.model.hierarchy.coarse
    labels[:20] = [np.flatnonzero(coarse != b)[0] for b in answers.branch[:20]]  # another super-class
    for i in (30, 31):  # the branch is right, the answer is not
        labels[i] = next((c for c in case.model.members[answers.branch[i]] if c != labels[i]), labels[i])
    arguments = {"dataset": "noise test", "images": case.images, "labels": labels, "info": {"seed": 1}}
    saved = write_artifact(tmp_path / "a.loom", found.network, proof, **arguments)
    assert saved.info["accuracy"]["value"] == (answers.labels == labels).mean()
    assert saved.info["accuracy"]["coarse"] == 110 / 130
    assert write_artifact(tmp_path / "b.loom", found.network, proof, **arguments).sha256 == saved.sha256
    loaded = load(tmp_path / "a.loom")
    assert weights_sha256(loaded.network) == proof.weights_sha256
    assert (run(loaded.network, case.images).labels == answers.labels).all()


def test_a_shared_branch_is_refused_in_one_line(routed: Make) -> None:
    case = simple(routed, branches="shared")
    with pytest.raises(ExportError, match="net: a B-CNN computes two levels of logits for every image") as caught:
        case.exported()
    assert "\n" not in str(caught.value)
    with torch.no_grad():
        assert torch.isfinite(case.model(to_float(case.images, case.values))).all()


# -- modules of a user ------------------------------------------------------------------------------------------


def test_a_flat_network_still_exports_through_the_same_door(routed: Make) -> None:
    from crossloom.training.config import flat_recipe
    from crossloom.training.models import build_float, quantize

    case = simple(routed)
    flat = build_float(flat_recipe(case.model.plan.config), (1, 8, 8), 6).eval()
    model = quantize(flat, to_float(case.images[:64], case.values))
    found = convert_model(model, "net", case.classes, (8, 8, 1), case.values)
    assert found.network.route is None and prove(found, case.images).samples == len(case.images)
