"""The figures that README tells are those of the results in benchmarks/."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def results(name):
    return json.loads((ROOT / "benchmarks" / f"{name}.json").read_text(encoding="utf-8"))


def percent(fraction):
    return f"{100 * fraction:.2f}"


def simulator():
    found = results("sim")
    ratios = [found[batch]["integer"] / found[batch]["brevitas"] for batch in ("1", "256")]
    rates = [round(found[batch]["integer"], -2) for batch in ("1", "256")]
    yield f"{ratios[0]:.1f} and {ratios[1]:.1f} times Brevitas' images/s; {rates[0]:,.0f} and {rates[1]:,.0f} images/s"
    memory = found["memory"]
    yield f"{memory['images']:,} 32x32x3 images, {memory['macs'] / 1e6:.1f} million products each | "
    yield f"| {memory['peak_mib']:.0f} MiB at most"


def kernels():
    native, hls4ml, integer = (results("hls")[way]["images_per_s"] for way in ("hls-native", "hls4ml", "integer"))
    yield f"kernels {round(native, -1):,.0f} images/s, hls4ml {hls4ml:.0f}, "
    yield f"hls4ml {hls4ml:.0f}, integer simulator {round(integer, -2):,.0f} (measured)"


def engine():
    found = results("rtl")["cifar-shape"]
    multipliers = found["folding"]["rows"] * found["folding"]["cols"] * found["folding"]["pix"]
    yield f"{found['products'] / 1e6:.1f} million products on one generated array of {multipliers:,} multipliers"
    yield f"{found['latency_cycles']:,} cycles an image (simulated), {found['lut']:,} LUT, {found['bram36']:g} BRAM36, "
    yield f"{found['bram36']:g} BRAM36, {found['dsp']} DSP48E1 of an xc7z020 (estimated)"


def hierarchy():
    found = results("sha")
    for name, products in (("sha", "macs_mean"), ("flat", "macs_flat"), ("bcnn", "macs_bcnn")):
        of = found[name]["accuracy"]
        saved = f"{100 * found[f'saved_{name}']:.1f} % " if name != "sha" else ""
        spread = f"{percent(of['least'])} to {percent(of['greatest'])}"
        yield f"| {percent(of['mean'])} % | {spread} | {found[products]:,.0f} | {saved}|"
    grown, kept = found["grow"]["retrained"], found["grow"]["kept"]
    new, lost = grown["new_accuracy"], grown["old_lost"]
    yield f"reaches {percent(new['mean'])} % on average (least {percent(new['least'])} %)"
    yield f"lose {percent(lost['mean'])} points (most {percent(lost['greatest'])})"
    yield f"{percent(kept['new_accuracy']['mean'])} % and {percent(kept['old_lost']['mean'])} points"


def tile():
    found = results("imc-tile")
    cycles, share = min(v for k, v in found["cycles_per_product"].items() if k != "origin"), found["resources"]["share"]
    yield f"{found['rows']}x{found['columns']}, 8-bit inputs | {cycles} cycles a product (simulated), "
    yield f"a product (simulated), {100 * share['lut']:.1f} % of an xc7z020's LUTs (estimated)"


@pytest.mark.parametrize("told", [simulator, kernels, engine, hierarchy, tile])
def test_figures_are_those_that_were_measured(told):
    text = " ".join(README.split())
    for figure in told():
        assert figure in text
