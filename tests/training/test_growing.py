"""Growing: one branch and the coarse head change, nothing else; labels follow names, figures are the file's."""

from __future__ import annotations

import copy
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")

from pets import CLASSES, EPOCHS, GROUPS, NEW, accuracy, branch_of, faster, pictures, recipe, trained

from crossloom.sim import Artifact, load, run
from crossloom.sim.errors import CrossloomError, ExportError
from crossloom.sim.identity import structure_sha256, weights_sha256
from crossloom.sim.schema import encode
from crossloom.training.data.labelled import Dataset
from crossloom.training.data.regroup import exclude
from crossloom.training.growing import Grown, _Training, grow, place
from crossloom.training.inputs import to_float
from crossloom.training.prove import prove
from crossloom.training.restore import restore
from crossloom.training.workflow import grow_and_export


@pytest.fixture(scope="module")
def data() -> Dataset:
    return pictures()


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory, data: Dataset) -> Artifact:
    folder = tmp_path_factory.mktemp("pets")
    trained(folder, recipe(), exclude(data, NEW))
    return faster(load(folder / "pets.loom"))


@pytest.fixture(scope="module")
def grown(artifact: Artifact, data: Dataset) -> dict[bool, Grown]:
    """Grown by one class, with the coarse head kept (True) and retrained (False)."""
    return {kept: grow(artifact, data, "puma", keep_coarse=kept, epochs=EPOCHS) for kept in (True, False)}


@pytest.mark.parametrize("kept", [True, False])
def test_only_the_bank_of_the_branch_and_the_coarse_head_change(
    artifact: Artifact, grown: dict[bool, Grown], kept: bool
) -> None:
    before, after, found = artifact.network, grown[kept].exported.network, grown[kept]
    (plain, old), (grown_plain, new) = encode(before), encode(after)
    assert old.keys() == new.keys()
    changed = {name for name in old if old[name].tobytes() != new[name].tobytes()}
    bank = branch_of(before, found.branch)
    banked = {name for name in old if name.startswith("branch_") and name.endswith(f".{bank}")}
    head = {name for name in old if name.startswith("coarse_")}
    assert changed <= banked | (set() if kept else head)
    assert {"branch_dense2.weight", "branch_dense3.weight"} <= {name.removesuffix(f".{bank}") for name in changed}
    assert kept or "coarse_dense2.weight" in changed
    assert set(found.changed_tensors) == changed and set(found.unchanged_tensors) == set(old) - changed
    assert structure_sha256(after) == structure_sha256(before) and weights_sha256(after) != weights_sha256(before)
    # Scales stand beside the tensors: those of trunk, other banks, and a head that is kept are the same.
    for a, b in zip(plain["nodes"], grown_plain["nodes"], strict=True):
        assert a == b or (not kept and a["name"].startswith("coarse_"))
    branches = zip(plain["route"]["branches"], grown_plain["route"]["branches"], strict=True)
    assert [k for k, (a, b) in enumerate(branches) if a != b] == [bank]
    assert plain["input"] == grown_plain["input"]


def test_the_new_class_has_the_next_row_of_its_branch_and_the_last_label(
    artifact: Artifact, grown: dict[bool, Grown]
) -> None:
    after, before = grown[False].exported.network, artifact.network
    assert after.classes == (*before.classes, "puma")
    hierarchy = before.hierarchy
    assert hierarchy is not None and grown[False].branch == "cats"
    assert after.hierarchy == {**hierarchy, "cats": [*hierarchy["cats"], "puma"]}
    assert before.route is not None and after.route is not None and after.route.capacity == before.route.capacity == 4


def test_the_class_goes_where_the_mean_softmax_of_the_coarse_logits_is_greatest(
    artifact: Artifact, data: Dataset, grown: dict[bool, Grown]
) -> None:
    network = artifact.network
    label = data.classes.index("puma")
    rows = [i for i in data.train if data.labels[i] == label]
    frac = network.edges[network.output].type.frac
    assert isinstance(frac, int)
    logits = run(network, data.images[rows]).logits / 2.0**frac
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    means = dict(zip(GROUPS, softmax.mean(axis=0)[[branch_of(network, name) for name in GROUPS]], strict=True))
    assert grown[True].responses == pytest.approx(means) and grown[True].responses == grown[False].responses
    assert grown[True].branch == max(means, key=lambda name: means[name])
    assert place(network, data.images[data.labels == data.classes.index("pike")])["fish"] > 0.5


# -- the figures ------------------------------------------------------------------------------------------------


def test_both_results_are_those_of_the_artifacts_that_each_way_writes(
    artifact: Artifact, data: Dataset, tmp_path: Path
) -> None:
    old, shown = artifact.network.classes, []
    for kept in (True, False):
        path = tmp_path / f"{kept}" / "pets.loom"
        growth = grow_and_export(artifact, data, "otter", path, keep_coarse=kept, epochs=EPOCHS)
        found, loaded = growth.grown, load(path)
        assert loaded.sha256 == growth.artifact.sha256
        assert weights_sha256(loaded.network) == weights_sha256(found.exported.network) == growth.proof.weights_sha256
        assert found.result == (found.kept if kept else found.retrained) and found.coarse_retrained is not kept
        assert found.result.old_after == accuracy(loaded.network, data, old)
        assert found.result.new_accuracy == accuracy(loaded.network, data, ["otter"])
        assert found.old_before == accuracy(artifact.network, data, old)
        whole = accuracy(loaded.network, data, (*old, "otter"))
        golden, (record,) = loaded.golden, loaded.info["grown"]
        assert loaded.info["accuracy"]["value"] == pytest.approx(whole) and golden is not None
        assert (run(loaded.network, golden.inputs).labels == golden.labels).mean() == pytest.approx(whole)
        assert record["kept"] == asdict(found.kept) and record["retrained"] == asdict(found.retrained)
        shown.append((found.kept, found.retrained))
    assert shown[0] == shown[1], "either way measures both"
    assert shown[0][0] != shown[0][1], "this class needs the coarse head, so that the two differ"


def test_the_new_class_is_learned_and_the_old_ones_are_not_lost(grown: dict[bool, Grown]) -> None:
    result = grown[False].result
    assert grown[False].old_before > 0.8 and result.new_accuracy > 0.6 and result.old_after > 0.8


def test_the_same_seed_grows_the_same_bytes_and_another_one_others(
    artifact: Artifact, data: Dataset, grown: dict[bool, Grown]
) -> None:
    again = grow(artifact, data, "puma", epochs=EPOCHS, seed=1)  # the recipe's own
    assert weights_sha256(again.exported.network) == weights_sha256(grown[False].exported.network)
    other = grow(artifact, data, "puma", epochs=EPOCHS, seed=2)
    assert weights_sha256(other.exported.network) != weights_sha256(grown[False].exported.network)
    assert structure_sha256(other.exported.network) == structure_sha256(artifact.network)


def test_the_head_learns_from_all_images_and_the_bank_from_those_of_its_classes(
    artifact: Artifact, data: Dataset
) -> None:
    import torch

    restored = restore(artifact)
    model: Any = restored.model
    branch = branch_of(artifact.network, "dogs")
    own = exclude(data, NEW)
    names = artifact.network.classes
    labels = np.array([names.index(own.classes[label]) for label in own.labels])
    training = _Training(model, branch, own, labels, restored.values, restored.config)
    rows = own.train[::3]
    loss = float(training._loss(own.images[rows], rows).detach())
    with torch.no_grad():
        source = model.trunk(to_float(own.images[rows], restored.values))
        coarse = torch.log_softmax(model.head(source), 1).numpy()
        fine = torch.log_softmax(model.banks[branch](source)[:, : len(model.members[branch])], 1).numpy()
    wanted = [next(k for k, m in enumerate(model.members) if label in m) for label in labels[rows]]
    inside = [i for i, group in enumerate(wanted) if group == branch]
    assert 5 < len(inside) < len(rows)
    classes = [model.members[branch].index(labels[rows[i]]) for i in inside]
    wanted_loss = -coarse[range(len(rows)), wanted].mean() - fine[inside, classes].mean()
    assert loss == pytest.approx(wanted_loss, rel=1e-5)


def test_growing_leaves_torchs_generator_and_threads_alone(artifact: Artifact, data: Dataset) -> None:
    import torch

    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    ticks: list[int] = []
    grow(artifact, data, "puma", epochs=2, progress=ticks.append)
    assert torch.equal(torch.random.get_rng_state(), before) and torch.get_num_threads() == threads
    assert ticks == [1, 2]


# -- the images -------------------------------------------------------------------------------------------------


def test_labels_follow_names_and_not_positions(
    artifact: Artifact, data: Dataset, grown: dict[bool, Grown], tmp_path: Path
) -> None:
    order = np.random.default_rng(5).permutation(len(CLASSES))
    label_of = np.argsort(order)
    assert data.superclasses is not None
    turned = replace(
        data,
        classes=tuple(data.classes[i] for i in order),
        superclasses=tuple(data.superclasses[i] for i in order),
        labels=label_of[data.labels],
    )
    found = grow_and_export(artifact, turned, "puma", tmp_path / "pets.loom", epochs=EPOCHS)
    assert weights_sha256(found.artifact.network) == weights_sha256(grown[False].exported.network)
    assert found.grown.result == grown[False].result and found.grown.old_before == grown[False].old_before
    golden = found.artifact.golden
    assert golden is not None and golden.labels is not None
    names = [found.artifact.network.classes[label] for label in golden.labels]
    wanted = [CLASSES[data.labels[i]] for i in data.test if CLASSES[data.labels[i]] not in NEW[1:]]
    assert names == wanted


def test_classes_that_are_neither_old_nor_new_are_left_out(
    artifact: Artifact, data: Dataset, grown: dict[bool, Grown]
) -> None:
    found = grow(artifact, exclude(data, NEW[1:]), "puma", epochs=EPOCHS)
    assert weights_sha256(found.exported.network) == weights_sha256(grown[False].exported.network)
    assert set(found.data.classes) == {*artifact.network.classes, "puma"} and found.result == grown[False].result


def test_other_images_than_those_of_the_training_are_warned_about_and_the_same_ones_are_not(
    artifact: Artifact, data: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    grow(artifact, data, "puma", epochs=1)
    assert "trained on other images" not in caplog.text
    grow(artifact, pictures(count=29), "puma", epochs=1)
    assert "pets: trained on other images than those of pictures" in caplog.text


def one_line(artifact: Artifact, data: Dataset, name: str, **options: Any) -> str:
    with pytest.raises(CrossloomError) as caught:
        grow(artifact, data, name, **{"epochs": 1, **options})
    text = str(caught.value)
    assert "\n" not in text and len(text) < 400
    return text


def test_a_class_that_is_known_or_has_no_images_is_one_line(artifact: Artifact, data: Dataset) -> None:
    assert "pets: knows class 'lion' already; needed a new one" in one_line(artifact, data, "lion")
    for name in ("cheetah", "", "Puma", "../../x"):
        assert f"pictures has no images of class {name!r}; needed the new class" in one_line(artifact, data, name)


def test_images_without_an_old_class_are_one_line(artifact: Artifact, data: Dataset) -> None:
    for missing, words in (
        (["fox"], "no images of class 'fox'; needed"),
        (["fox", "carp"], "'carp' and 1 more; needed"),
    ):
        text = one_line(artifact, exclude(data, missing), "puma")
        assert words in text and "for replay, every class it knows" in text


def test_a_flat_network_or_one_without_a_recipe_is_one_line(artifact: Artifact, data: Dataset, tmp_path: Path) -> None:
    flat = load(Path(__file__).parents[2] / "bitstreams" / "digits-cnn" / "digits-cnn.loom")
    assert "digits-cnn: a flat network; needed a hierarchical one" in one_line(flat, data, "puma")
    info = {key: value for key, value in artifact.info.items() if key != "config"}
    assert "its recipe: missing from its information" in one_line(replace(artifact, info=info), data, "puma")


def test_images_of_another_size_or_with_values_that_the_network_lacks_are_one_line(
    artifact: Artifact, data: Dataset
) -> None:
    assert "needed (N, 6, 6, 1)" in one_line(artifact, pictures(size=7), "puma")
    assert "this network's images have levels 0..16" in one_line(with_levels(artifact, 17), data, "puma")


def with_levels(artifact: Artifact, levels: int) -> Artifact:
    """The network with an input table of fewer image values."""
    source = artifact.network.input
    return replace(artifact, network=replace(artifact.network, input=replace(source, table=source.table[:levels])))


@pytest.mark.parametrize(("option", "value"), [("epochs", 0), ("epochs", -1), ("seed", -1), ("seed", 1 << 80)])
def test_epochs_and_seeds_that_are_none_are_one_line(
    artifact: Artifact, data: Dataset, option: str, value: int
) -> None:
    text = one_line(artifact, data, "puma", **{option: value})
    assert option in text and str(value) in text


@pytest.mark.parametrize(
    "odd",
    [
        "puma", ["puma", {}, {"class": ["puma"]}], [{"class": "puma"}] * 2, [{"class": name} for name in CLASSES],
    ],
)  # fmt: skip
def test_what_an_artifact_says_of_earlier_growths_is_not_trusted(artifact: Artifact, data: Dataset, odd: Any) -> None:
    found = grow(replace(artifact, info={**artifact.info, "grown": odd}), data, "puma", epochs=1)
    assert found.branch == "cats"


# -- until the rows are used up ---------------------------------------------------------------------------------


def test_classes_are_added_until_the_rows_are_used_up_and_the_stated_spare_would_do(
    artifact: Artifact, data: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = grow_and_export(artifact, data, "puma", tmp_path / "a.loom", epochs=2)
    second = grow_and_export(load(tmp_path / "a.loom"), data, "tiger", tmp_path / "b.loom", epochs=2)
    twice = load(tmp_path / "b.loom")
    assert (first.grown.branch, second.grown.branch) == ("cats", "cats")
    assert twice.network.classes[-2:] == ("puma", "tiger")
    assert structure_sha256(twice.network) == structure_sha256(artifact.network)
    assert [record["class"] for record in twice.info["grown"]] == ["puma", "tiger"]
    assert second.grown.old_before == accuracy(first.artifact.network, data, first.artifact.network.classes)
    assert "other images" not in caplog.text, "the second growth, too, has the images of the training"
    text = one_line(twice, data, "manul")
    assert "class 'manul' belongs to branch 'cats' (mean response " in text
    assert "which is full; needed a capacity of 5, here 4; train again with [hierarchy] spare = 3" in text
    spare = int(re.findall(r"spare = (\d+)", text)[0])
    wide = trained(tmp_path / "wide", recipe(spare=spare), exclude(data, NEW))
    assert wide.network.route is not None and wide.network.route.capacity == 5
    for name in NEW[:3]:
        path = tmp_path / f"{name}.loom"
        grow_and_export(wide, data, name, path, epochs=1)
        wide = load(path)
    assert wide.network.hierarchy is not None and wide.network.hierarchy["cats"][-3:] == list(NEW[:3])


def test_a_network_with_additions_and_hidden_layers_keeps_its_structure_too(data: Dataset, tmp_path: Path) -> None:
    conv, flat, dense = {"type": "conv", "channels": 4}, {"type": "flatten"}, {"type": "dense"}
    residual = {"type": "residual", "layers": [{**conv, "activation": "none"}]}
    parts = {"coarse": [residual, flat, {"type": "dense", "units": 6}, dense], "branch": [conv, residual, flat, dense]}
    quick = {"epochs": 1, "float_epochs": 1, "learning_rate": 0.05, "schedule": "constant", "batch_size": 12}
    base = faster(trained(tmp_path, recipe(training=quick, **parts), exclude(data, NEW)))
    found = grow(base, data, "puma", epochs=2)
    assert structure_sha256(found.exported.network) == structure_sha256(base.network)
    assert prove(found.exported, data.images).edges == len(base.network.edges)
    assert {name.partition(".")[0] for name in found.changed_tensors} >= {"coarse_dense3", "branch_dense4"}


def test_a_bias_that_outgrows_its_declared_width_is_one_line(
    artifact: Artifact, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from crossloom.training import growing as module

    real = module._with_class

    def wide(*arguments: Any) -> Any:
        model = copy.deepcopy(real(*arguments))
        with torch.no_grad():
            model.banks[branch_of(artifact.network, "cats")].branch_dense2.bias[0] = 2000.0
        return model

    monkeypatch.setattr(module, "_with_class", wide)
    with pytest.raises(ExportError, match=r"need another structure \(biases of branch_dense2 need 24 bits, 16 are"):
        grow(artifact, data, "puma", epochs=1)
