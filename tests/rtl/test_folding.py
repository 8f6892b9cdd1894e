"""The solver finds the best array within a budget, the same anywhere, and says what does not fit."""

from pathlib import Path

import pytest

from crossloom.rtl import RtlError, folding
from crossloom.rtl.folding import choose_folding, estimate, estimate_lut
from crossloom.rtl.plan import plan
from crossloom.sim import InputError, load, random_network
from crossloom.sim.shapes import cifar_shape

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"


@pytest.fixture
def small(monkeypatch):
    """A solver with few arrays to try: every one of them can be looked at."""
    monkeypatch.setattr(folding, "_SIDES", (4, 8, 16))
    monkeypatch.setattr(folding, "CANDIDATES", sum(1 for _ in folding._candidates(0)))


@pytest.mark.parametrize("target", ["latency", "throughput"])
@pytest.mark.parametrize("lut", [3_000, 6_000, 47_000])
def test_no_array_within_the_budget_is_faster(small, target, lut):
    network = load(BITSTREAMS / "digits-cnn" / "digits-cnn.loom").network
    found = choose_folding(network, target, lut=lut, dsp=40)
    every = [estimate(plan(network, f)) for f in folding._candidates(40)]
    inside = [e for e in every if e.lut <= lut and e.bram36 <= 140 and e.dsp <= 40]
    key = (lambda e: e.latency) if target == "latency" else (lambda e: e.interval)
    assert key(found) == min(map(key, inside))
    assert found.lut == min(e.lut for e in inside if key(e) == key(found))
    assert found in inside
    assert len(inside) < len(every) or lut == 47_000


def test_a_larger_budget_is_never_slower(small):
    network = random_network(2)
    cycles = [choose_folding(network, lut=lut).latency for lut in (10_000, 20_000, 47_000)]
    assert cycles == sorted(cycles, reverse=True)


def test_a_cifar_sized_network_fits_the_chip_within_28000_cycles():
    found = choose_folding(cifar_shape(), lut=27_000)
    assert found.latency <= 28_000 and found.lut <= 27_000 and found.bram36 <= 140 and found.dsp <= 220
    assert found == choose_folding(cifar_shape(), lut=27_000)


def test_what_fits_nowhere_is_refused_with_the_resource(small):
    network = random_network(2)
    with pytest.raises(RtlError, match=r"smallest array takes about \d+ LUT, .* BRAM36; the budget is 500 LUT"):
        choose_folding(network, lut=500)
    with pytest.raises(InputError, match="needed one of latency, throughput"):
        choose_folding(network, "area")


def test_an_array_with_few_words_of_weights_pays_for_them_in_luts():
    # What test_estimates_are_near_what_yosys_takes measured; LUTs hold 47 words of 2,048 bits of weights.
    compiled = plan(load(BITSTREAMS / "digits-cnn" / "digits-cnn.loom").network, folding.Folding(32, 16, 2, 16, 220))
    assert estimate_lut(compiled) == pytest.approx(10579, rel=0.05)


@pytest.mark.long
@pytest.mark.parametrize(("rows", "cols", "lanes", "dsp"), [(8, 8, 4, 0), (16, 16, 8, 40), (32, 16, 16, 220)])
def test_estimates_are_near_what_yosys_takes(tmp_path, rows, cols, lanes, dsp):
    from crossloom.rtl.generate import generate, listed_sources
    from crossloom.rtl.synth import synthesize

    compiled = plan(
        load(BITSTREAMS / "digits-cnn" / "digits-cnn.loom").network, folding.Folding(rows, cols, 2, lanes, dsp)
    )
    generate(compiled, tmp_path)
    found = synthesize("top", sources=listed_sources(tmp_path), memories=tmp_path)
    assert found.lut == pytest.approx(estimate_lut(compiled), rel=0.2)
    assert found.dsp == estimate(compiled).dsp
