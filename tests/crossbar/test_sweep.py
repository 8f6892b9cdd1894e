"""Accuracy against rho: methods, seeds, intervals, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from crossloom.sim import InputError, load
from crossloom.sim.crossbar import ArraySpec, Physics, method_spec, sweep, wilson
from crossloom.sim.crossbar.accuracy import split


@pytest.fixture(scope="module")
def digits():
    return load(Path(__file__).parents[2] / "bitstreams" / "digits-cnn" / "digits-cnn.loom")


def test_wires_cost_accuracy_and_gain_with_pwa_bring_it_back(digits):
    golden, seen = digits.golden, []
    found = sweep(
        digits.network,
        golden.inputs[:60],
        golden.labels[:60],
        [0.0, 2e-3],
        ["none", "pwa+gain"],
        calibrate=20,
        progress=seen.append,
    )
    assert found.images == 40 and found.calibrated == 20 and found.ideal == 1.0
    none, both = found.points["none"], found.points["pwa+gain"]
    assert none[0].accuracy == both[0].accuracy == 1.0
    assert none[1].accuracy < 0.9 < both[1].accuracy
    low, high = none[1].interval
    assert low < none[1].accuracy < high
    assert seen == sorted(seen) and seen[-1] == 2 * 2 * 40


def test_seeds_add_up_and_need_something_random(digits):
    golden = digits.golden
    arguments = digits.network, golden.inputs[:20], golden.labels[:20], [1e-4], ["none"]
    found = sweep(*arguments, physics=Physics(variation=True), calibrate=4, seeds=2)
    assert found.points["none"][0].count == 32
    with pytest.raises(InputError, match=r"sweep: 2 seeds; needed 1, or more together with variation or noise"):
        sweep(*arguments, seeds=2)


def test_wilson_has_known_values_and_stays_within_0_and_1():
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe, Stat. Med. 17, 857 (1998)
    assert wilson(10, 10)[1] == 1.0


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("none", {}),
        ("swann", {"order": "swann"}),
        ("greedy+pwa+gain", {"order": "greedy", "active_rows": 16, "gain": True}),
        ("range", {"adc_range": "calibrated"}),
    ],
)
def test_a_method_changes_what_its_names_say_and_nothing_else(method, changes):
    assert method_spec(method, ArraySpec(), 16) == ArraySpec(**changes)


@pytest.mark.parametrize(
    "method", ["", "swan", "swann+", "none+gain", "gain+gain", "swann+greedy", "pwa,gain", "x" * 500]
)
def test_unknown_or_contradicting_methods_are_refused_in_one_line(method):
    with pytest.raises(InputError, match="method") as error:
        method_spec(method, ArraySpec(), 32)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


def test_a_sweep_without_points_or_with_duplicates_is_refused(digits):
    images, labels = digits.golden.inputs, digits.golden.labels
    for rho, methods in (([], ["none"]), ([1e-4], []), ([1e-4], ["none", "none"]), ([1e-4] * 101, ["none"])):
        with pytest.raises(InputError, match=r"sweep: \d+ rho, \d+ methods"):
            sweep(digits.network, images, labels, rho, methods)
    with pytest.raises(InputError, match="physics: rho -1"):
        sweep(digits.network, images, labels, [-1.0], ["none"])
    with pytest.raises(InputError, match="calibration: 360 of 360 images"):
        sweep(digits.network, images, labels, [1e-4], ["none"], calibrate=360)


def test_calibration_images_are_not_counted():
    chosen, rest = split(360, 40)
    assert len(chosen) == 40 and len(rest) == 320
    assert np.array_equal(np.sort(np.concatenate([chosen, rest])), np.arange(360))
    assert [len(part) for part in split(7, 0)] == [0, 7]
