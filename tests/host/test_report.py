"""The report page: its figures, what it never contains, and the files it leaves alone."""

import base64
import io
import json
import re
from dataclasses import replace

import handmade
import numpy as np
import pytest
from html_pages import check_page

from crossloom.host.cli import main
from crossloom.host.report.document import MARKER
from crossloom.host.report.figures import measure
from crossloom.host.report.page import page
from crossloom.host.report.png import encode_png, picture
from crossloom.sim import Artifact, InputError, Network, Node, cost, load, make_golden, random_network, run, save

EVIL = "<script>alert(1)</script>"
OUTCOMES = {"kept": {"old_after": 0.71, "new_accuracy": 0.12}, "retrained": {"old_after": 0.68, "new_accuracy": 0.93}}
GROWN = {
    "class": EVIL, "branch": "branch1", "old_before": 0.73, "old_after": 0.68, "new_accuracy": 0.93,
    "coarse_retrained": True, **OUTCOMES,
}  # fmt: skip


def _artifact(network, info=None, count=90, labels=None):
    rng = np.random.default_rng(5)
    images = rng.integers(0, network.input.levels, (count, *network.input.shape), dtype=np.uint8)
    labels = rng.integers(0, len(network.classes), count) if labels is None else labels
    return Artifact(network, info or {}, make_golden(network, "random test", images, labels))


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A hierarchical artifact with a hostile class name, records of growing and of baselines."""
    network = handmade.routed_network(classes=(EVIL, "b", "c", "d\"'&", "e" * 80))
    classes = [network.classes[i] for i in network.route.branches[1].classes]
    info = {
        "grown": [{**GROWN, "class": classes[0]}],
        "baselines": {"flat": {"accuracy": 0.8125, "origin": EVIL}, "bcnn": {"accuracy": 0.84375, "origin": "guessed"}},
    }
    monkeypatch.chdir(tmp_path)
    save(_artifact(network, info), tmp_path / "evil.loom")
    return tmp_path / "evil.loom"


def _html(artifact):
    return page(measure(*_parts(artifact)), "crossloom report x")


def test_the_page_of_a_hierarchical_network_has_every_section(evil):
    tags = check_page(_html(load(evil)))
    titles = ["Hierarchy", "Confusion", "Coarse errors", "Layers", "What routing saves", "Effect of growing"]
    assert [t for t in tags.texts if t in titles] == titles
    assert {"branch0", "branch1"} <= set(tags.texts)
    for figure in ("81.25 %", "84.38 %", "guessed", "71.0 %", "12.0 %", "93.0 %"):  # baselines, kept, retrained
        assert figure in tags.texts, figure


def test_the_page_of_a_flat_network_says_nothing_of_routing(flat):
    tags = check_page(_html(load(flat)))
    assert {"Classes", "Confusion", "Wrong answers", "Layers"} <= set(tags.texts)
    assert not {"Hierarchy", "Coarse errors", "What routing saves", "Effect of growing"} & set(tags.texts)


def test_hostile_names_are_text_and_never_markup(evil):
    text = _html(load(evil))
    assert EVIL not in text
    assert "<script" not in text
    tags = check_page(text)
    assert any("<script>alert(1)" in t for t in tags.texts)  # shown as it is written
    assert "d\"'&" in tags.texts


def test_what_cannot_be_printed_is_replaced():
    artifact = _artifact(handmade.flat_network())
    golden = replace(artifact.golden, dataset="a\u202eb\nc\ud800")
    text = _html(Artifact(artifact.network, {}, golden))
    text.encode()
    assert "a\ufffdb\ufffdc\ufffd" in text


def test_the_numbers_equal_those_counted_by_hand(capsys, evil):
    assert main(["report", str(evil), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    artifact = load(evil)
    network, images, labels = artifact.network, artifact.golden.inputs, artifact.golden.labels
    found, total = run(network, images), cost(network)
    pairs = {}
    routed = [[0, 0, 0] for _ in network.route.branches]  # images of the branch, of them sent there, sent there at all
    for label, answer, sent in zip(labels.tolist(), found.labels.tolist(), found.branch.tolist(), strict=True):
        pairs[label, answer] = pairs.get((label, answer), 0) + 1
        home = next(i for i, b in enumerate(network.route.branches) if label in b.classes)
        routed[home][0] += 1
        routed[home][1] += home == sent
        routed[sent][2] += 1
    right = sum(n for (a, b), n in pairs.items() if a == b)
    assert 0 < right < 90
    assert data["accuracy"] == right / 90
    assert data["wrong"] == 90 - right
    assert {(a, b): n for a, b, n in data["confusion"]} == pairs
    assert data["coarse_accuracy"] == sum(r[1] for r in routed) / 90
    assert data["coarse_errors"] == 90 - sum(r[1] for r in routed) > 0
    for branch, (own, hit, sent) in zip(data["branches"], routed, strict=True):
        assert (branch["images"], branch["accuracy"], branch["routed"]) == (own, hit / own, sent)
    for index, record in enumerate(data["classes"]):
        own = sum(n for (a, _), n in pairs.items() if a == index)
        assert record["accuracy"] == pairs.get((index, index), 0) / own
        assert record["predicted"] == sum(n for (_, b), n in pairs.items() if b == index)
    assert (data["macs"], data["macs_flat"], data["macs_bcnn"]) == (total.macs, total.macs_flat, total.macs_bcnn)
    assert data["macs"] == found.macs.mean()
    assert data["saved_flat"] == pytest.approx((total.macs_flat - total.macs) / total.macs_flat)
    assert data["saved_bcnn"] == pytest.approx((total.macs_bcnn - total.macs) / total.macs_bcnn)


def test_json_has_its_stable_keys(capsys, evil, flat):
    keys = (
        "report name sha256 structure_sha256 weights_sha256 dataset images accuracy coarse_accuracy accuracy_origin "
        "macs macs_flat macs_bcnn saved_flat saved_bcnn macs_origin parameters memory_bits weight_bits "
        "activation_bits classes branches confusion wrong coarse_errors grown baselines notes spikes"
    )
    for path, routed in ((evil, True), (flat, False)):
        assert main(["report", str(path), "--json"]) == 0
        data = json.loads(capsys.readouterr().out)
        assert set(keys.split()) == data.keys()
        assert (data["saved_flat"] is not None) == (data["coarse_errors"] is not None) == routed
        assert data["report"] == f"{data['name']}-report.html"


def test_coarse_errors_are_shown_most_confident_first(evil):
    artifact = load(evil)
    network, images, labels = artifact.network, artifact.golden.inputs, artifact.golden.labels
    figures = measure(artifact, images, labels)
    frac = network.edges["coarse"].type.frac
    for one in figures.mistakes:
        coarse = run(network, images[one.image][None]).logits[0]
        home = next(i for i, b in enumerate(network.route.branches) if one.label in b.classes)
        assert one.label == labels[one.image]
        assert one.sent == int(np.argmax(coarse)) != home
        assert one.margin == (coarse[one.sent] - coarse[home]) / 2**frac
    margins = [one.margin for one in figures.mistakes]
    assert margins == sorted(margins, reverse=True)
    assert len({one.image for one in figures.mistakes}) == len(margins)


def test_at_most_48_pictures_are_shown_and_all_are_counted(evil):
    artifact = _artifact(load(evil).network, count=400)
    errors = len(measure(*_parts(artifact)).mistakes)
    assert errors > 48
    text = _html(artifact)
    assert text.count("<img") == 48
    assert f"{errors} of 400 test images are sent to a branch" in text
    assert "The 48 most confident are shown" in text


def test_a_network_without_mistakes_says_so():
    network = handmade.routed_network()
    images = np.random.default_rng(0).integers(0, 4, (40, 3, 3, 1), dtype=np.uint8)
    golden = make_golden(network, "easy", images, run(network, images).labels)
    text = _html(Artifact(network, {}, golden))
    check_page(text)
    assert "None: every one of the 40 test images reaches the branch of its class." in text
    assert "No test image is answered wrong." in text
    assert "No class was added to this network yet." in text
    assert "crossloom grow hand-routed.loom --data ... --class NAME" in text
    assert text.count("not in this artifact") == 2  # the baselines


@pytest.mark.parametrize("seed", range(12))
def test_any_network_has_a_page(seed):
    network = random_network(seed, 4)
    labels = np.zeros(9, np.int64)  # classes without a single image
    check_page(_html(_artifact(network, count=9, labels=labels)))


def test_a_stated_accuracy_that_is_not_the_measured_one_is_noted():
    network = handmade.flat_network()
    found = measure(*_parts(_artifact(network)))
    for stated, notes in ((found.accuracy, 0), (found.accuracy + 0.01, 1), (True, 0), ("high", 0)):
        artifact = _artifact(network, {"accuracy": {"value": stated, "origin": "somewhere"}})
        assert len(measure(*_parts(artifact)).notes) == notes


def _parts(artifact):
    return artifact, artifact.golden.inputs, artifact.golden.labels


def _many(classes):
    nodes = (*handmade.trunk(), Node("fc", handmade.dense(classes, 18, 1, 24), ("flat",)))
    return Network("many", handmade.SOURCE, nodes, "fc", tuple(f"class {i} ☃" for i in range(classes)))


def test_many_classes_stay_readable_and_small():
    for classes in (2, 300, 500):
        text = _html(_artifact(_many(classes), count=600))
        check_page(text)
        assert len(text) < 400_000
        assert ('class="matrix"' in text) == (classes <= 400)
        assert ('class="count' in text) == (classes == 2)


def test_malformed_records_are_left_out_with_a_note(capsys, evil):
    artifact = load(evil)
    good = dict(artifact.info["grown"][0])
    bad = [
        7,
        {},
        {**good, "class": EVIL},  # a class of the other branch
        {**good, "branch": ["branch1"]},
        {**good, "old_before": "0.5"},
        {**good, "old_after": 1.5},
        {**good, "new_accuracy": True},
        {**good, "coarse_retrained": 1},
        {**good, "kept": None},
        {**good, "retrained": {"old_after": 0.5}},
    ]
    info = {"grown": [*bad, good], "baselines": {"flat": {"accuracy": 0.5}, "bcnn": 3, "other": 1}}
    save(Artifact(artifact.network, info, artifact.golden), evil)
    assert main(["report", str(evil), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["grown"] == [{"name": good["class"], **{k: v for k, v in good.items() if k != "class"}}]
    assert data["baselines"] == {}
    assert len(data["notes"]) == len(bad) + 2
    tags = check_page(evil.with_name("hand-routed-report.html").read_text(encoding="utf-8"))
    for note in data["notes"]:
        assert note in tags.texts
    for grown in ({"a": 1}, "x", 3):
        found = measure(Artifact(artifact.network, {"grown": grown, "baselines": []}, None), *_parts(artifact)[1:])
        assert len(found.notes) == 2 and not found.grown


def test_the_same_artifact_gives_the_same_page_and_an_older_report_is_replaced(capsys, evil):
    target = evil.with_name("hand-routed-report.html")
    target.write_text(MARKER + "older", encoding="utf-8")
    pages = []
    for _ in range(2):
        assert main(["report", str(evil)]) == 0
        assert str(target.name) in capsys.readouterr().out
        pages.append(target.read_bytes())
    assert pages[0] == pages[1]
    assert str(evil.parent).encode() not in pages[0]  # nothing of the machine
    assert b"crossloom report evil.loom" in pages[0]


def test_other_files_are_not_overwritten_and_bad_paths_are_one_line(capsys, evil, tmp_path):
    other = tmp_path / "thesis.html"
    other.write_text("<!doctype html>\nyears of work", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for out, words in [
        ("thesis.html", "no report of ours"),
        ("folder", "is no file"),
        ("dangling", "is no file"),
        ("absent/x.html", "no such folder"),
        ("thesis.html/x.html", "cannot be written"),
        ("x" * 300, "cannot be written"),
        ("a\0b", "cannot be written"),
    ]:
        assert main(["report", str(evil), "--out", out]) == 1, out
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert words in captured.err, (out, captured.err)
    assert other.read_text(encoding="utf-8") == "<!doctype html>\nyears of work"
    assert main(["report", str(evil), "--out", "folder/new.html"]) == 0
    check_page((tmp_path / "folder" / "new.html").read_text(encoding="utf-8"))


def test_without_labelled_images_there_is_no_report(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = _artifact(handmade.routed_network())
    network, golden = whole.network, whole.golden
    for broken, words in [
        (None, "carries no golden vectors"),
        (replace(golden, labels=None), "test images 'random': not at hand; needed"),
        (replace(golden, labels=golden.labels + 5), "needed 0..4"),
        (replace(golden, labels=golden.labels - 1), "needed 0..4"),
    ]:
        save(Artifact(network, {}, broken), tmp_path / "x.loom")
        assert main(["report", "x.loom"]) == 1
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1
        assert words in captured.err
        assert not (tmp_path / "hand-routed-report.html").exists()
    with pytest.raises(InputError, match="one label each"):
        measure(whole, golden.inputs, golden.labels[:-1])


def test_pictures_are_png_that_other_programs_read():
    from PIL import Image

    rng = np.random.default_rng(1)
    for channels, mode in ((1, "L"), (3, "RGB")):
        pixels = rng.integers(0, 256, (5, 7, channels), dtype=np.uint8)
        with Image.open(io.BytesIO(encode_png(pixels))) as image:
            assert image.mode == mode
            assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)
    levels = np.arange(17, dtype=np.uint8).reshape(1, 17, 1)
    with Image.open(io.BytesIO(base64.b64decode(picture(levels, 17).partition(",")[2]))) as image:
        assert np.asarray(image).ravel().tolist() == [int(np.rint(v * 255 / 16)) for v in range(17)]
    with Image.open(
        io.BytesIO(base64.b64decode(picture(np.zeros((300, 9, 2), np.uint8), 2).partition(",")[2]))
    ) as image:
        assert image.size == (3, 100)  # every third pixel, so that the page stays small
    assert picture(np.zeros(9, np.uint8), 2) is None


def test_info_states_the_products_without_routing(capsys, evil, flat):
    for path in (evil, flat):
        total = cost(load(path).network)
        assert main(["info", str(path), "--json"]) == 0
        data = json.loads(capsys.readouterr().out)
        assert (data["macs_flat"], data["macs_bcnn"]) == (total.macs_flat, total.macs_bcnn)
    assert main(["info", str(evil)]) == 0
    # By hand: trunk 162, coarse head 36, branch 18*4 + 4*3; a tail for all five classes is 18*4 + 4*5.
    text = capsys.readouterr().out
    assert re.search(r"as a flat network +254 \(counted\): routing takes 11\.0 % more", text)
    assert re.search(r"as a B-CNN +290 \(counted\): routing takes 2\.8 % fewer", text)
    assert main(["info", str(flat)]) == 0
    assert "B-CNN" not in capsys.readouterr().out
