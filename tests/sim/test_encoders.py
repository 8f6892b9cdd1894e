"""Encoders make time steps of images: rate by draws of an LFSR, latency by one spike, events as they come."""

from dataclasses import replace

import numpy as np
import pytest
from handmade import spiking_network

from crossloom.sim import (
    Artifact,
    Input,
    InputError,
    NetworkError,
    QType,
    input_codes,
    make_golden,
    run,
    structure_sha256,
    weights_sha256,
)
from crossloom.sim.encoders import RATE_ONE, TAPS, draws, first_states
from crossloom.sim.loom import from_bytes, to_bytes
from crossloom.sim.schema import encode

STEPS, LEVELS = 3, 4
BITS = QType(0, 1)
TABLES = {
    "rate": np.array([0, 1 << 14, 50_000, RATE_ONE])[:, None],
    "latency": np.array([STEPS, 2, 1, 0])[:, None],
    "events": np.array([0, 1, 3, 2])[:, None],
}


def encoded(encoder, steps=STEPS, seed=0, shape=(3, 3, 1)):
    """An input of this encoder."""
    return Input(shape, QType(0, 3) if encoder == "events" else BITS, TABLES[encoder], encoder, steps, seed)


def images(count=6, shape=(3, 3, 1)):
    return np.random.default_rng(1).integers(0, LEVELS, (count, *shape), dtype=np.uint8)


def given(encoder, count=6):
    return images(count, (STEPS, 3, 3, 1) if encoder == "events" else (3, 3, 1))


def network(encoder):
    """The hand-made spiking network behind an encoder."""
    return replace(spiking_network(), input=encoded(encoder, seed=5 if encoder == "rate" else 0))


def lfsr(seed, index):
    """The draws of one image in Python's integers, without end."""
    x = (seed + index * 0x9E3779B9) % 2**32
    x = (x ^ x >> 16) * 0x85EBCA6B % 2**32
    x = (x ^ x >> 13) * 0xC2B2AE35 % 2**32
    x = (x ^ x >> 16) or 1
    while True:
        for _ in range(16):
            x = x >> 1 ^ (TAPS if x & 1 else 0)
        yield x % 2**16


def test_draws_are_those_of_the_lfsr_bit_by_bit():
    index = np.array([0, 1, 2, 7, 60_000, 1 << 40])
    for seed in (0, 1, (1 << 32) - 1):
        found = draws(seed, index, 37)
        for row, number in zip(found.tolist(), index.tolist(), strict=True):
            drawn = lfsr(seed, number)
            assert row == [next(drawn) for _ in range(37)]


def test_the_lfsr_goes_through_every_state_but_0():
    """2^32 - 1 shifts lead back and no divisor of it that could be a period does; shifts are linear."""

    def after(times):
        columns, power = (
            [1 << bit for bit in range(32)],
            [b >> 1 ^ (TAPS if b & 1 else 0) for b in (1 << i for i in range(32))],
        )

        def apply(matrix, x):
            found = 0
            for bit in range(32):
                found ^= matrix[bit] if x >> bit & 1 else 0
            return found

        while times:
            if times & 1:
                columns = [apply(power, c) for c in columns]
            power, times = [apply(power, c) for c in power], times >> 1
        return columns

    whole = 2**32 - 1
    same = after(0)
    assert after(whole) == same
    assert all(after(whole // prime) != same for prime in (3, 5, 17, 257, 65537))


def test_no_image_starts_at_state_0():
    # The one number whose mixture is 0: all steps of it are one to one.
    assert first_states(0, np.array([0])).tolist() == [1]


def test_a_spike_of_rate_is_a_draw_below_the_level_step_by_step():
    source, pixels = encoded("rate", seed=9), images()
    codes = input_codes(source, pixels, index=40)
    assert codes.shape == (6, STEPS, 3, 3, 1)
    for number, image in enumerate(pixels):
        drawn = lfsr(9, 40 + number)
        wanted = [[int(next(drawn) < TABLES["rate"][u, 0]) for u in image.ravel()] for _ in range(STEPS)]
        assert codes[number].reshape(STEPS, -1).tolist() == wanted


def test_levels_0_and_65536_never_and_always_spike():
    codes = input_codes(encoded("rate", 50), np.array([0, 3] * 4 + [0], np.uint8).reshape(1, 3, 3, 1))
    assert codes.reshape(50, 9).mean(0).tolist() == [0, 1] * 4 + [0]


def test_rates_are_those_of_the_table():
    pixels = np.full((1, 3, 3, 1), 2, np.uint8)
    share = input_codes(encoded("rate", 4000), pixels).mean()
    assert abs(share - 50_000 / RATE_ONE) < 0.01


def test_spikes_follow_from_seed_and_number_not_from_the_batch():
    source, pixels = encoded("rate", seed=3), images(9)
    whole = input_codes(source, pixels)
    parts = [input_codes(source, pixels[i : i + 2], i) for i in range(0, 9, 2)]
    assert np.array_equal(np.concatenate(parts), whole)
    order = np.random.default_rng(0).permutation(9)
    assert np.array_equal(input_codes(source, pixels[order], order), whole[order])
    assert not np.array_equal(input_codes(source, pixels, 1), whole)
    assert not np.array_equal(input_codes(replace(source, seed=4), pixels), whole)


@pytest.mark.parametrize("chunk", [1, 1 << 30])
def test_a_run_draws_by_the_images_numbers_however_it_is_cut(chunk, monkeypatch):
    monkeypatch.setattr("crossloom.sim.simulator.CHUNK_BYTES", chunk)
    net, pixels = network("rate"), images()
    codes = run(net, pixels, edges=["input"], index=11).edges["input"]
    assert np.array_equal(codes, input_codes(net.input, pixels, 11))


@pytest.mark.parametrize("encoder", TABLES)
def test_no_images_are_no_codes(encoder):
    net = network(encoder)
    assert input_codes(net.input, given(encoder, 0)).shape == (0, STEPS, 3, 3, 1)
    assert run(net, given(encoder, 0)).logits.shape == (0, 3)


def test_latency_spikes_once_at_the_tables_step_or_never():
    pixels = np.array([0, 1, 2, 3, 0, 0, 0, 0, 0], np.uint8).reshape(1, 3, 3, 1)
    codes = input_codes(encoded("latency"), pixels)[0].reshape(STEPS, 9)
    assert codes[:, :4].tolist() == [[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]]
    assert not codes[:, 4:].any()


def test_events_go_through_the_table_at_every_step():
    pixels = given("events")
    assert np.array_equal(input_codes(encoded("events"), pixels), TABLES["events"][:, 0][pixels])
    assert np.array_equal(input_codes(encoded("events"), pixels[..., 0]), TABLES["events"][:, 0][pixels])


@pytest.mark.parametrize("encoder", TABLES)
def test_an_artifact_keeps_the_encoder_and_its_golden_codes(encoder):
    net = network(encoder)
    found = from_bytes(to_bytes(Artifact(net, {}, make_golden(net, "hand test", given(encoder)))))
    source = found.network.input
    assert (source.encoder, source.steps, source.seed) == (encoder, STEPS, net.input.seed)
    assert np.array_equal(found.golden.codes["input"], input_codes(source, found.golden.images))
    assert weights_sha256(found.network) == weights_sha256(net)
    if encoder == "rate":
        other = replace(net, input=replace(net.input, seed=6))
        assert weights_sha256(other) != weights_sha256(net) and structure_sha256(other) == structure_sha256(net)


def test_a_network_without_an_encoder_is_written_as_before():
    assert encode(spiking_network())[0]["input"].keys() == {"shape", "type"}
    assert encode(network("rate"))[0]["input"].keys() == {"shape", "type", "encoder", "steps", "seed"}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"encoder": "poisson"}, "encoder 'poisson'; needed one of direct, rate, latency, events"),
        ({"encoder": "direct", "steps": 2}, "2 steps; encoder 'direct' has one"),
        ({"encoder": "rate", "steps": 0}, "steps: found 0"),
        ({"encoder": "rate", "seed": 1 << 32}, "seed: found 4294967296"),
        ({"encoder": "events", "seed": 1}, "seed 1; only encoder 'rate' draws"),
        ({"encoder": "rate", "type": QType(0, 3)}, "type 0..3; the codes of encoder 'rate' are 0 and 1"),
        ({"encoder": "latency", "type": QType(-1, 1)}, "type -1..1"),
        ({"encoder": "rate", "table": np.array([[0], [65537]])}, "table of encoder 'rate': code 65537"),
        ({"encoder": "latency", "table": np.array([[0], [STEPS + 1]])}, "table of encoder 'latency': code 4"),
    ],
)
def test_an_encoder_that_cannot_be_is_refused_in_one_line(change, match):
    plain = {"shape": (2,), "type": BITS, "table": np.array([[0], [1]]), "steps": STEPS} | change
    with pytest.raises(NetworkError, match=match) as told:
        Input(**plain)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("encoder", "pixels", "index", "match"),
    [
        ("events", images(), 0, r"shape \[6, 3, 3, 1\]; needed \(N, 3, 3, 3, 1\)"),
        ("events", given("events") / 3.0, 0, r"dtype float64; needed uint8 0\.\.3$"),
        ("rate", given("events"), 0, r"needed \(N, 3, 3, 1\)"),
        ("rate", images(), -1, "index: int64"),
        ("rate", images(), np.arange(5), r"index: int64 \[5\]; needed 0 or more, one or 6 of them"),
        ("rate", images(), 0.5, "index: float64"),
    ],
)
def test_images_that_an_encoder_cannot_take_are_refused_in_one_line(encoder, pixels, index, match):
    with pytest.raises(InputError, match=match) as told:
        input_codes(encoded(encoder), pixels, index)
    assert "\n" not in str(told.value)
