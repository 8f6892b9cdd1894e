"""`crossloom verify` sees one code, one answer, one digest that is wrong, on any device, and runs each image once."""

import json
from dataclasses import replace

import pytest

from crossloom.host import backends
from crossloom.host.cli import main
from crossloom.host.commands import verify as command
from crossloom.sim import load, run, save


def verified(capsys, *argv):
    code = main(["verify", *map(str, argv), "--json"])
    return code, json.loads(capsys.readouterr().out)


def planted(change):
    """A kind of device that gives what the simulator gives but for one change of the result."""

    class Planted(backends.IntegerBackend):
        def run(self, codes, edges=()):
            found = super().run(codes, edges)
            return change(found) if len(codes) else found

    return Planted


def another_code(edge, image, at):
    def change(found):
        codes = found.edges[edge].copy()
        codes[(image, *at)] += 1
        return replace(found, edges={**found.edges, edge: codes})

    return change


def another_answer(name, image):
    def change(found):
        values = getattr(found, name).copy()
        values.reshape(len(values), -1)[image, -1] ^= 1
        return replace(found, edges={}, **{name: values})

    return change


@pytest.mark.parametrize("device", [name for name in backends.BACKENDS if name not in backends.BEHIND_PYNQ])
@pytest.mark.parametrize("chunk", [512, 7])
def test_one_code_that_a_device_gets_wrong_is_told_with_its_place_and_what_made_it(
    capsys, monkeypatch, routed, device, chunk
):
    monkeypatch.setattr("crossloom.sim.batching.MAX_IMAGES", chunk)
    network, images = load(routed).network, load(routed).golden.inputs
    node = network.route.branches[0].nodes[0]
    source, edge = node.inputs[0], node.name
    at = tuple(size - 1 for size in network.edges[edge].shape)
    monkeypatch.setitem(backends.BACKENDS, device, planted(another_code(edge, 1, at)))
    code, data = verified(capsys, routed, "--devices", device)
    assert code == 1
    assert data["differences"] == {"golden": 0, device: -(-len(images) // chunk)}
    assert data["compared"][device] == f"{len(network.edges)} edges, scores, labels"
    right = int(run(network, images, edges=[edge]).edges[edge][(1, *at)])
    told = ", ".join(map(str, at))
    assert data["first"][device].startswith(
        f"edge {edge} ({node.op.kind}), image 1, [{told}]: {right + 1} instead of {right}; made from {source} "
    )


@pytest.mark.parametrize("name", ["labels", "logits", "branch", "fine"])
def test_one_answer_that_a_device_gets_wrong_is_told(capsys, monkeypatch, routed, name):
    monkeypatch.setattr("crossloom.sim.batching.MAX_IMAGES", 20)
    monkeypatch.setitem(backends.BACKENDS, "wrong", planted(another_answer(name, 5)))
    code, data = verified(capsys, routed, "--devices", "wrong,integer")
    assert code == 1
    assert data["differences"] == {"golden": 0, "wrong": 2, "integer": 0}
    assert data["first"]["wrong"] == "image 5: scores, branch or label differ"
    assert data["compared"]["wrong"] == "scores, labels"


def test_a_flat_networks_wrong_score_in_a_later_chunk_is_told_with_its_image(capsys, monkeypatch, flat):
    monkeypatch.setattr("crossloom.sim.batching.MAX_IMAGES", 12)
    wrong = another_answer("logits", 3)
    monkeypatch.setitem(
        backends.BACKENDS, "late", planted(lambda found: wrong(found) if len(found.labels) < 12 else found)
    )
    code, data = verified(capsys, flat, "--devices", "late")
    assert (code, data["differences"]["late"]) == (1, 1)
    assert data["first"]["late"] == "image 27: scores, branch or label differ"


def test_device_and_simulator_run_every_image_once(capsys, monkeypatch, flat):
    monkeypatch.setattr("crossloom.sim.batching.MAX_IMAGES", 13)
    ran, simulated = [], []

    class Counting(backends.IntegerBackend):
        def run(self, codes, edges=()):
            ran.append(len(codes))
            return super().run(codes, edges)

    def simulate(network, images=None, *, codes=None, **how):
        simulated.append(0 if codes is None else len(codes))
        return run(network, images, codes=codes, **how)

    monkeypatch.setitem(backends.BACKENDS, "counting", Counting)
    monkeypatch.setattr(command, "simulate", simulate)
    assert verified(capsys, flat, "--devices", "counting")[0] == 0
    assert [count for count in ran if count] == [count for count in simulated if count] == [13, 13, 4]


def test_a_golden_digest_that_is_wrong_is_told(capsys, flat, tmp_path):
    artifact = load(flat)
    digests = artifact.golden.digests.copy()
    digests[7, 3] += 1
    digests[9, 2] += 1
    path = tmp_path / "wrong.loom"
    save(replace(artifact, golden=replace(artifact.golden, digests=digests)), path)
    code, data = verified(capsys, path)
    assert code == 1
    assert data["differences"]["golden"] == 2
    edge = artifact.golden.edges[2]
    assert data["first"]["golden"] == f"edge {edge}, image 9: the digest differs from the simulator's"


def test_every_device_is_known_before_one_runs(capsys, monkeypatch, flat):
    monkeypatch.setattr(command, "open_backend", None)
    assert main(["verify", str(flat), "--devices", "rtl,foo"]) == 1
    assert "device 'foo': unknown" in capsys.readouterr().err


def test_a_device_that_fails_is_closed_and_told_in_one_line(capsys, monkeypatch, flat):
    closed = []

    class Failing(backends.IntegerBackend):
        def run(self, codes, edges=()):
            if len(codes):
                raise backends.DeviceError("core: gone")
            return super().run(codes, edges)

        def close(self):
            closed.append(True)

    monkeypatch.setitem(backends.BACKENDS, "failing", Failing)
    assert main(["verify", str(flat), "--devices", "failing"]) == 1
    assert capsys.readouterr().err == "crossloom: core: gone\n" and closed == [True]


def test_the_first_images_alone_are_verified_where_asked_and_the_others_counted(capsys, monkeypatch, flat):
    wrong = another_answer("logits", 3)
    late = planted(lambda found: wrong(found) if len(found.labels) > 3 else found)
    monkeypatch.setitem(backends.BACKENDS, "late", late)
    every = len(load(flat).golden.inputs)
    for count in (1, 3, 4, every):
        code, data = verified(capsys, flat, "--devices", "late", "--images", count)
        assert (data["images"], data["left_out"], data["missing"]) == (count, every - count, 0)
        assert (code, data["differences"]["late"]) == (int(count > 3), int(count > 3))
    assert main(["verify", str(flat), "--images", "4"]) == 0
    assert f"verified on the first 4 of {every} images, as --images asks" in capsys.readouterr().out
    assert main(["verify", str(flat)]) == 0
    assert "as --images asks" not in capsys.readouterr().out


@pytest.mark.parametrize("count", [0, -1, 10_000])
def test_more_images_than_there_are_or_none_are_refused(capsys, flat, count):
    assert main(["verify", str(flat), "--images", str(count)]) == 1
    every = len(load(flat).golden.inputs)
    told = f"crossloom: --images {count}: there are {every}; needed 1 or more of them; leave it out\n"
    assert capsys.readouterr().err == told
