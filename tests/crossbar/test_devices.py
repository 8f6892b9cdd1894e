"""Device presets and their statistics, with bounds from the sampling distributions."""

from dataclasses import replace

import numpy as np
import pytest

from crossloom.sim import InputError
from crossloom.sim.crossbar import DEVICES, FEFET, RERAM, SRAM_8T, Quantity, drift, program, read_noise, stick

CELLS = (400, 500)
COUNT = 400 * 500
SIGMAS = 5  # a bound of five standard errors fails one correct run in 1.7 million; the seeds are fixed anyway


def with_values(device, **values):
    return replace(device, **{name: replace(getattr(device, name), value=value) for name, value in values.items()})


def assert_mean(sample, expected, sigma):
    assert abs(np.mean(sample) - expected) < SIGMAS * sigma / np.sqrt(np.size(sample))


def assert_deviation(sample, sigma):
    """The standard error of a normal sample's standard deviation is sigma / sqrt(2 n)."""
    assert abs(np.std(sample) - sigma) < SIGMAS * sigma / np.sqrt(2 * np.size(sample))


@pytest.mark.parametrize("device", DEVICES.values(), ids=list(DEVICES))
def test_every_parameter_carries_a_unit_and_a_source_or_the_word_assumption(device):
    quantities = device.quantities()
    assert len(quantities) == 16
    for name, quantity in quantities.items():
        assert quantity.unit in {"S", "ohm", "V", "s", "1"}, name
        known = ("assumption", "derived: ", "arXiv ", "fit of aihwkit", "aihwkit (", "Stanford/ASU")
        assert quantity.source.startswith(known), f"{device.name}.{name}: {quantity.source}"
    assert device.law_source


def test_the_presets_are_the_three_of_the_design():
    assert set(DEVICES) == {"8t-sram", "fefet", "reram"}
    assert (SRAM_8T.mode, SRAM_8T.g_on.value, SRAM_8T.column_wire.value) == ("gate", 40e-6, 5.0)
    assert SRAM_8T.g_on.value / SRAM_8T.g_off.value == pytest.approx(1e4)
    assert 1e-6 <= FEFET.g_on.value <= 20e-6
    assert RERAM.mode == "voltage" and RERAM.law.shape == "sinh" and RERAM.law.v0 == 0.25


def test_programming_is_log_normal_with_the_target_as_its_mean():
    device = with_values(FEFET, stuck_on=0.0, stuck_off=0.0)
    sigma = device.program_sigma.value
    for level in (0.0, 0.3, 1.0):
        target = device.g_off.value + level * (device.g_on.value - device.g_off.value)
        written = program(device, np.full(CELLS, level), np.random.default_rng(1)) / target
        assert_deviation(np.log(written), sigma)
        assert_mean(np.log(written), -(sigma**2) / 2, sigma)
        assert_mean(written, 1.0, np.sqrt(np.expm1(sigma**2)))
        assert (written > 0).all()


def test_without_variation_and_faults_programming_writes_the_targets_exactly():
    device = with_values(RERAM, program_sigma=0.0, stuck_on=0.0, stuck_off=0.0)
    written = program(device, [[0.0, 1.0]], np.random.default_rng(0))
    assert written.tolist() == [[device.g_off.value, device.g_on.value]]


def test_stuck_cells_appear_with_their_probabilities_at_their_conductances():
    device = with_values(RERAM, stuck_on=0.02, stuck_off=0.09)
    g = np.full(CELLS, 7e-6)
    found = stick(device, g, np.random.default_rng(2))
    on, off = found == device.g_on.value, found == device.g_off.value
    for share, p in ((on, 0.02), (off, 0.09)):
        assert abs(share.mean() - p) < SIGMAS * np.sqrt(p * (1 - p) / COUNT)
    assert (found[~on & ~off] == 7e-6).all()
    every = stick(with_values(device, stuck_on=1.0, stuck_off=0.0), g, np.random.default_rng(2))
    assert (every == device.g_on.value).all()


def test_read_noise_is_normal_about_the_conductance_and_new_at_every_reading():
    g = np.full(CELLS, 3e-6)
    rng = np.random.default_rng(3)
    first, second = (read_noise(RERAM, g, rng) / 3e-6 - 1 for _ in range(2))
    sigma = RERAM.read_sigma.value
    for reading in (first, second):
        assert_mean(reading, 0.0, sigma)
        assert_deviation(reading, sigma)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < SIGMAS / np.sqrt(COUNT)


def test_read_noise_never_makes_a_conductance_negative():
    wild = with_values(RERAM, read_sigma=2.0)
    found = read_noise(wild, np.full(CELLS, 1e-6), np.random.default_rng(4))
    assert found.min() == 0 and (found > 0).any()


def test_drift_is_a_power_law_with_an_exponent_of_each_cell():
    g, seconds = np.full(CELLS, 5e-6), 1e4
    device = with_values(FEFET, drift_exponent=0.03, drift_sigma=0.01)
    later = drift(device, g, seconds, np.random.default_rng(5))
    exponent = -np.log(later / g) / np.log(seconds)
    assert_mean(exponent, 0.03, 0.01)
    assert_deviation(exponent, 0.01)
    much_later = drift(device, g, seconds**2, np.random.default_rng(5))  # the same seed: the same cells
    assert np.allclose(-np.log(much_later / g), 2 * -np.log(later / g), rtol=1e-9, atol=1e-12)


def test_nothing_drifts_before_t0_and_an_sram_cell_never_does():
    g = np.random.default_rng(6).uniform(1e-9, 1e-5, (9, 9))
    for seconds in (0.0, 0.5, 1.0):
        assert np.array_equal(drift(FEFET, g, seconds, np.random.default_rng(7)), g)
    assert np.array_equal(drift(SRAM_8T, g, 1e9, np.random.default_rng(7)), g)


def test_the_reram_spread_after_a_day_is_the_one_it_was_derived_from():
    later = drift(RERAM, np.full(CELLS, RERAM.g_on.value), 86400.0, np.random.default_rng(8))
    fresh = 1.103 / 40
    spread = np.hypot(np.std(later) / RERAM.g_on.value, fresh)
    assert spread == pytest.approx(2.651 / 40, rel=0.03)


def test_the_same_seed_gives_the_same_cells_and_another_seed_others():
    levels = np.random.default_rng(9).random((20, 20))
    for call in (
        lambda seed: program(FEFET, levels, np.random.default_rng(seed)),
        lambda seed: read_noise(FEFET, levels * 1e-6, np.random.default_rng(seed)),
        lambda seed: drift(FEFET, levels * 1e-6, 100.0, np.random.default_rng(seed)),
    ):
        assert np.array_equal(call(1), call(1)) and not np.array_equal(call(1), call(2))


def test_inputs_are_not_written_to():
    g = np.full((5, 5), 1e-6)
    for call in (stick, read_noise, lambda d, g, rng: drift(d, g, 10.0, rng)):
        call(with_values(RERAM, stuck_on=0.5), g, np.random.default_rng(0))
    assert (g == 1e-6).all()


def test_impossible_devices_levels_and_times_are_refused():
    rng = np.random.default_rng(0)
    for call, message in (
        (lambda: Quantity(float("nan"), "S", "assumption"), "a quantity of nan S"),
        (lambda: Quantity(1.0, "S", ""), "without unit or source"),
        (lambda: with_values(RERAM, g_off=1.0), "needed g_off < g_on"),
        (lambda: with_values(RERAM, read_sigma=-0.1), "read_sigma is -0.1"),
        (lambda: with_values(RERAM, stuck_on=0.6, stuck_off=0.6), "sum to more than 1"),
        (lambda: replace(RERAM, mode="optical"), "mode 'optical'"),
        (lambda: with_values(RERAM, drift_t0=0.0), "drift_t0"),
        (lambda: program(RERAM, [[1.5]], rng), r"levels: found 1.5 at \[0, 0\]"),
        (lambda: read_noise(RERAM, [[-1e-6]], rng), "found -1e-06"),
        (lambda: drift(RERAM, [[1e-6]], -1.0, rng), "-1.0 seconds"),
    ):
        with pytest.raises(InputError, match=message):
            call()
