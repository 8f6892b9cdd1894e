"""Writes the figures that README and docs tell, from the results in this folder and beside the designs.

`python benchmarks/figures.py` (`make figures`) replaces what stands between `<!-- figures NAME -->` and
`<!-- end of figures -->` by what the function NAME of this file returns; `--check` only lists pages that are not up to
date, and exits with 1 if there are any.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from crossloom.host import design_names, find_design
from crossloom.sim import Cost, cost, load

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
BLOCK = re.compile(r"(<!-- figures (\w+) -->\n).*?(\n<!-- end of figures -->)", re.DOTALL)
WIDTH = 120


def results(name: str) -> Any:
    """A result of this folder."""
    return json.loads((ROOT / "benchmarks" / f"{name}.json").read_text(encoding="utf-8"))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines).replace("|  |", "| |")


def paragraph(text: str) -> str:
    """A paragraph in lines of the pages' width, no percent sign at the beginning of one."""
    joined = " ".join(text.split()).replace(" %", "\0%")
    return fill(joined, WIDTH, break_long_words=False, break_on_hyphens=False).replace("\0", " ")


def percent(fraction: float, digits: int = 2) -> str:
    """A fraction of 1 as a percentage without its sign."""
    return f"{100 * fraction:.{digits}f}"


def plain(value: float) -> str:
    """A percentage without zeros that say nothing: 100 for 100.00."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def designs() -> str:
    """README: the shipped designs."""

    def rows() -> Iterator[list[str]]:
        for name in design_names():
            artifact = load(find_design(name))
            found = json.loads((find_design(name).parent / "results.json").read_text(encoding="utf-8"))
            counted: Cost = cost(artifact.network)
            assert artifact.golden is not None
            route = artifact.network.route
            banks = f", {len(route.branches)} banks" if route else ""
            yield [
                f"`{name}`",
                f"{artifact.golden.dataset.removesuffix(' test')}, {artifact.golden.vectors:,} test images",
                f"{plain(100 * found['test_accuracy'])} % ({found['origin']})",
                f"{counted.weight_bits} and {counted.activation_bits} bits",
                f"{counted.macs:,} (counted)",
                f"{counted.parameters:,} (counted{banks})",
            ]

    header = ["design", "data", "accuracy", "weights, activations", "products an image", "parameters"]
    return table(header, rows())


def spikes() -> str:
    """README: the shipped designs that have time."""

    def rows() -> Iterator[list[str]]:
        for name in design_names():
            found = json.loads((find_design(name).parent / "results.json").read_text(encoding="utf-8"))
            if "spikes" not in found:
                continue
            of, energy = found["spikes"], found["spikes"]["energy_estimate"]
            parts = [f"{percent(part['value'])} % of {key}" for key, part in found.get("parts", {}).items()]
            low, high = (percent(edge, 1) for edge in found["interval"])
            yield [
                f"`{name}`",
                "; ".join([f"{low} to {high} %", *parts]),
                f"{of['steps']}, {of['encoder']}",
                f"{of['spikes_mean']:,.0f}",
                f"{of['synaptic_operations_mean']:,.0f}",
                f"{energy['spiking']['total'] / 1e3:,.0f} and {energy['cnn_same_shapes']['total'] / 1e3:,.0f} nJ",
            ]

    header = ["spiking", "accuracy, 95 % interval (measured)", "steps, input", "spikes an image (simulated)",
              "synaptic operations (simulated)", "energy, and of a CNN of these shapes (estimated)"]  # fmt: skip
    return table(header, rows())


def hierarchy() -> str:
    """README: routed and unrouted networks over seeds."""
    found = results("sha")
    names = {
        "sha": "`digits-sha`, one branch of five an image",
        "flat": "flat: trunk and one tail with all classes",
        "bcnn": "B-CNN: every level for every image",
    }

    def rows() -> Iterator[list[str]]:
        for kind, words in names.items():
            of = found[kind]["accuracy"]
            yield [
                words,
                f"{percent(of['mean'])} %",
                f"{percent(of['least'])} to {percent(of['greatest'])}",
                f"{found['macs_mean' if kind == 'sha' else f'macs_{kind}']:,.0f}",
                "" if kind == "sha" else f"{percent(found[f'saved_{kind}'], 1)} %",
            ]

    seeds = f"hierarchical, seeds 1 to {found['seeds']}"
    return table([seeds, "accuracy, mean", "least to greatest", "products an image", "routing saves"], rows())


def growing() -> str:
    """README: what adding a class does."""
    found = results("sha")["grow"]
    (new, lost), (kept, kept_lost) = (
        (found[way]["new_accuracy"], found[way]["old_lost"]) for way in ("retrained", "kept")
    )
    return paragraph(f"""
        Each digit left out and added again by `crossloom grow`, {found["runs"]} times: the new class reaches
        {percent(new["mean"])} % on average (least {percent(new["least"])} %), the old ones lose
        {percent(lost["mean"])} points (most {percent(lost["greatest"])}); with the coarse head kept as it was,
        {percent(kept["mean"])} % and {percent(kept_lost["mean"])} points. All measured (products counted) by
        `crossloom bench sha` ([benchmarks/sha.json](benchmarks/sha.json)).""")


def others() -> str:
    """README: speed, memory, resources."""
    sim, hls, cores, tile = results("sim"), results("hls"), results("rtl"), results("imc-tile")
    core, spiking = cores["cifar-shape"], cores["mnist-snn"]
    ratios = [sim[batch]["integer"] / sim[batch]["brevitas"] for batch in ("1", "256")]
    rates = [round(sim[batch]["integer"], -2) for batch in ("1", "256")]
    speed = {way: hls[way]["images_per_s"] for way in ("hls-native", "hls4ml", "integer")}
    folding, memory = core["folding"], sim["memory"]
    cycles = min(v for k, v in tile["cycles_per_product"].items() if k != "origin")
    rows = [
        [
            f"integer simulator on `{sim['design']}`, batch 1 and 256",
            f"{ratios[0]:.1f} and {ratios[1]:.1f} times Brevitas' images/s; {rates[0]:,.0f} and {rates[1]:,.0f} "
            "images/s (measured)",
            "`bench sim`",
        ],
        [
            f"{memory['images']:,} 32x32x3 images, {memory['macs'] / 1e6:.1f} million products each",
            f"{memory['peak_mib']:.0f} MiB at most (measured)",
            "`bench sim`",
        ],
        [
            f"`{hls['design']}` in C simulation",
            f"our kernels {round(speed['hls-native'], -1):,.0f} images/s, hls4ml {speed['hls4ml']:.0f}, integer "
            f"simulator {round(speed['integer'], -2):,.0f} (measured)",
            "`bench hls`",
        ],
        [
            f"{core['products'] / 1e6:.1f} million products on one generated array of "
            f"{folding['rows'] * folding['cols'] * folding['pix']:,} multipliers",
            f"{core['latency_cycles']:,} cycles an image (simulated), {core['lut']:,} LUT, {core['bram36']:g} BRAM36, "
            f"{core['dsp']} DSP48E1 of an xc7z020 (estimated)",
            "`bench rtl`",
        ],
        [
            f"`mnist-snn` on a generated core, {spiking['images']:,} test images",
            f"{spiking['cycles_mean']:,.0f} cycles an image on average, {percent(spiking['accuracy'])} % (simulated); "
            f"{spiking['lut']:,} LUT, {spiking['bram36']:g} BRAM36, {spiking['dsp']} DSP48E1 (estimated)",
            "`bench rtl`",
        ],
        [
            f"in-memory-computing tile, {tile['rows']}x{tile['columns']}, 8-bit inputs",
            f"{cycles} cycles a product (simulated), {percent(tile['resources']['share']['lut'], 1)} % of an xc7z020's "
            "LUTs (estimated)",
            "`bench tile`",
        ],
    ]
    return table(["what", "figure", "by"], rows)


def small_pipeline() -> str:
    """docs/engine.md: one array beside an ideal pipeline, for a small network on a small array."""
    core = results("rtl")["digits-sha"]
    ideal = core["streaming"]
    return paragraph(f"""
        A branch of the pipeline can start when the trunk has ended. Small networks on small arrays come out otherwise:
        with {ideal["multipliers"]} multipliers `digits-sha` takes {core["latency_model"]:,} cycles here (modelled),
        most of them for a depthwise layer and for maxima that use few of the array's columns, where the ideal pipeline
        would take {ideal["latency_cycles"]:,} (estimated).""")


def driver() -> str:
    """docs/board.md: what the driver itself takes."""
    found = results("board")
    ours = found["virtual"]
    share = ours["frames_per_s"] / found["rtl"]["frames_per_s"]
    return paragraph(f"""
        On the virtual board with `{found["name"]}`, medians of {found["runs"]} rounds: the host takes
        {ours["host_us_single"]:.0f} us a frame beside the logic with one frame a transfer
        ({ours["host_us_call"]:.0f} with one a call) and {ours["host_us_batched"]:.1f} us with 256; all banks are
        rewritten in {found["bank_rewrite_ms"]:.0f} ms; {ours["frames_per_s"]:.0f} frames/s, {share:.2f} times
        those of the core alone (measured, `crossloom bench board`).""")


def peer() -> str:
    """docs/board.md: one loop on the virtual board and on cocotbpynq."""
    found = results("peer-cocotbpynq")
    ours, other = found["virtual"], found["cocotbpynq"]
    wrong = ours["differences"] + other["differences"]
    told = f"{wrong} answers differ" if wrong else "no answer differs"
    return paragraph(f"""
        The same loop of plain `pynq` over the core of `{found["design"]}`, {found["frames_a_transfer"]} frame a
        transfer, {ours["frames"]} images, one after the other on the same machine with the core in the same form and
        optimized alike: {ours["frames_per_s"]:g} images/s on the virtual board, {other["frames_per_s"]:g} on
        cocotbpynq {other["version"]} (measured); {told}.""")


def _cores() -> dict[str, Any]:
    """The generated cores that were measured, by name."""
    return {
        name: core
        for name, core in results("rtl").items()
        if isinstance(core, dict) and "layers" in core and "images" not in core
    }


def _spiking_cores() -> dict[str, Any]:
    """The spiking ones, by name, in the order of the designs."""
    found = {name: core for name, core in results("rtl").items() if isinstance(core, dict) and "images" in core}
    return dict(sorted(found.items()))


def _folding(core: dict[str, Any]) -> str:
    """A core's folding as the command line has it."""
    rows, cols, pix, lanes, dsp = (core["folding"][key] for key in ("rows", "cols", "pix", "lanes", "dsp"))
    return f"{rows}x{cols}x{pix}x{lanes}{f'+{dsp}' if dsp else ''}"


def cores() -> str:
    """docs/engine.md: cycles and resources of generated cores."""

    def rows() -> Iterator[list[str]]:
        for name, core in _cores().items():
            yield [
                f"`{name}`, {_folding(core)}",
                f"{core['latency_cycles']:,} and {core['interval_cycles']:,} cycles",
                f"{core['lut']:,} LUT, {core['ff']:,} FF, {core['bram36']:g} BRAM36, {core['dsp']} DSP",
                f"{core['logic_ns']:.2f} ns",
            ]

    header = ["`bench rtl` ([rtl.json](../benchmarks/rtl.json))", "latency, interval (simulated)",
              "resources (estimated)", "logic (estimated)"]  # fmt: skip
    return table(header, rows())


def core_notes() -> str:
    """docs/engine.md: equality, building, speed beside cocotb, what banks cost."""
    found, measured = results("rtl"), _cores()
    wrong, large = sum(core["differences"] for core in measured.values()), measured["cifar-shape"]
    told = f"{wrong} codes" if wrong else "No code"
    least = min(core["codes_compared"] for name, core in measured.items() if name != "digits-sha")
    cocotb = {name: found["cocotb"][name]["speedup"] for name in ("digits-sha", "digits-cnn")}
    banks = measured["cifar-sha-shape"]
    return "\n\n".join(map(paragraph, (f"""
        {told} of four random images differs from the integer simulator's on any edge
        ({measured["digits-sha"]["codes_compared"]:,} codes, and {least:,} and more of the larger ones). Verilator and
        g++ build the core of `cifar-shape` in {large["build_s"]:.0f} s at {large["build_peak_gib"]:.1f} GiB, and an
        image takes {large["image_s"]:.2f} s (measured). `crossloom bench rtl` estimates the resources again, which
        takes a quarter of an hour; `--no-synth` leaves them out. The library runs frames of `digits-sha`
        {cocotb["digits-sha"]} times as fast as cocotb runs them with the AXI drivers of cocotbext-axi, those of
        `digits-cnn` {cocotb["digits-cnn"]} times: the same form of the core with its assertions, compiled at the same
        level, the processor time of the fastest round in one run (measured; other runs gave 20.0 to 21.2 and 22 to
        28). `crossloom bench rtl --designs ""` measures that alone.""", f"""
        `cifar-sha-shape`, with four branches in banks, takes
        {banks["latency_cycles"] / large["latency_cycles"]:.3f} times the cycles of `cifar-shape`; the weights of all
        banks fill {banks["bram36"]:g} of the device's {banks["budget"]["bram36"]} BRAM36.""")))  # fmt: skip


def spiking_cores() -> str:
    """docs/engine.md: cycles, spikes and resources of the cores of spiking networks."""

    def rows() -> Iterator[list[str]]:
        for name, core in _spiking_cores().items():
            yield [
                f"`{name}`, {_folding(core)}",
                f"{core['images']:,} of {core['dataset']}",
                f"{core['cycles_mean']:,.0f} and {core['cycles_max']:,}",
                f"{core['spikes_mean']:,.0f}",
                f"{percent(core['accuracy'])} %",
                f"{core['lut']:,} LUT, {core['ff']:,} FF, {core['bram36']:g} BRAM36, {core['dsp']} DSP",
                f"{core['logic_ns']:.2f} ns",
            ]

    found = _spiking_cores().values()
    wrong, codes = sum(core["differences"] for core in found), sum(core["codes_compared"] for core in found)
    answers, images = sum(core["answers_differing"] for core in found), sum(core["images"] for core in found)
    header = ["`bench rtl`", "images", "cycles an image, mean and most (simulated)", "spikes (simulated)",
              "accuracy (simulated)", "resources (estimated)", "logic (estimated)"]  # fmt: skip
    told = paragraph(f"""
        {answers:,} of the {images:,} answers differ from the integer simulator's, and {wrong:,} of {codes:,} codes,
        spikes and membranes of the first {4 * len(found)} images.""")
    return f"{table(header, rows())}\n\n{told}"


def skipping() -> str:
    """docs/engine.md: what skipping array cycles whose codes are all 0 would save."""
    found = results("skipping")

    def rows() -> Iterator[list[str]]:
        for name, foldings in found["designs"].items():
            for folding, of in foldings.items():
                yield [
                    f"`{name}`, {folding}",
                    f"{of['taps']:,.0f}",
                    f"{percent(of['zero'], 1)} %",
                    f"{of['cycles']:,.0f}",
                    f"{of['cycles_scanned']:,.0f} ({percent(1 - of['cycles_scanned'] / of['cycles'], 1)} % less)",
                    f"{of['cycles_by_group']:,.0f} ({percent(1 - of['cycles_by_group'] / of['cycles'], 1)} % less)",
                ]

    header = ["array cycles an image (modelled)", "in all", "codes all 0", "with the drain's waits",
              "four scanned a cycle", "a window's row and block a cycle"]  # fmt: skip
    mnist, sha = found["designs"]["mnist-snn"], found["designs"]["digits-sha"]
    single, pair, dense = mnist["16x8x1x4"], mnist["16x8x2x4"], sha["16x8x2x4"]
    told = paragraph(f"""
        So a pair of pixels and skipping stand in each other's way: with 16x8x1x4 `mnist-snn` would take
        {single["cycles_scanned"]:,.0f} cycles with a scanner, with twice the multipliers {pair["cycles"]:,.0f} without
        and {pair["cycles_scanned"]:,.0f} with one. ReLU networks on two pixels would gain little, `digits-sha`
        {percent(1 - dense["cycles_scanned"] / dense["cycles"], 1)} % there.""")
    return f"{table(header, rows())}\n\n{told}"


def spiking_cost() -> str:
    """docs/spiking.md: what mnist-snn takes on the engine, beside a published core."""

    def row(name: str, words: str) -> list[str]:
        core = results("rtl")[name]
        return [
            words,
            f"{percent(core['accuracy'])} % (simulated, {core['images']:,} images)",
            f"{core['cycles_mean']:,.0f} (simulated)",
            f"{core['cycles_mean'] / 100:,.1f} us",
            f"{core['lut']:,} LUT, {core['bram36']:g} BRAM36, {core['dsp']} DSP48E1 (estimated)",
        ]

    spiker = ["Spiker+ (published)", "93.85 %", "78,000", "780 us", "7,612 cells, 18 BRAM; 9,328 LUT (estimated)"]
    header = ["MNIST", "accuracy", "cycles an image", "at 100 MHz", "resources"]
    return table(header, [row("mnist-snn", "`mnist-snn`"), row("mnist-snn:lut", "`mnist-snn` without DSPs"), spiker])


def spiking() -> str:
    """docs/training.md: a spiking training step, its memory, and the integer simulator."""
    found = results("snn")
    step, peak, speed = found["step_ms"], found["peak_mib"], found["images_per_s"]
    other = min(step["snntorch"], step["spikingjelly"])
    bptt, sltt = (" , ".join(f"{value:.0f}" for value in peak[mode].values()).replace(" ,", ",") for mode in peak)
    return paragraph(f"""
        `crossloom bench snn` ([snn.json](../benchmarks/snn.json)), one thread on two shared cores, processor time,
        medians of {found["runs"]} alternating runs: a training step of 784-256-10 neurons, 128 images, 25 steps, takes
        {step["crossloom"]:.1f} ms, snnTorch's {step["snntorch"]:.1f} and SpikingJelly's {step["spikingjelly"]:.1f} as
        their tutorials write it: {step["crossloom"] / other:.2f} of the faster one. A step of 2,048 images needs {bptt}
        MiB at {", ".join(peak["bptt"])} time steps with `"bptt"`, {sltt} with `"sltt"`. The integer simulator answers
        {speed["integer"] / speed["snntorch"]:.1f} times as many images a second as snnTorch's forward pass, once the
        table of its spike trains is made, which takes a tenth of a second (measured).""")


def solvers() -> str:
    """docs/crossbar.md: the exact solvers beside badcrossbar."""
    found = results("crossbar-solvers")
    once, each, theirs = found["build_ms"], found["apply_1024_ms"], found["badcrossbar_1024_ms"]
    rows = [
        ["transfer matrix, once a tile", f"{once:.1f}", ""],
        ["applying it to 1,024 vectors", f"{each:.2f}", f"{theirs / each:,.0f} times as long ({theirs:,.0f} ms)"],
        ["both", f"{once + each:.1f}", f"{theirs / (once + each):.0f} times as long"],
        ["gate mode, 1,024 vectors of bits, table included", f"{found['gate_1024_ms']:.1f}", ""],
    ]
    return table(["work", "ms (measured)", "badcrossbar 1.1.0 takes"], rows)


def resistance() -> str:
    """docs/crossbar.md: accuracy of digits-cnn against wire resistance."""
    found = results("crossbar-digits-cnn")

    def rows() -> Iterator[list[str]]:
        for name, of in found["methods"].items():
            cells = zip(of["accuracy"], of["low"], of["high"], strict=True)
            yield [f"`{name}`", *(f"{percent(a, 1)} [{percent(b, 0)}, {percent(c, 0)}]" for a, b, c in cells)]

    return table(["accuracy, % [95 % interval]", *(f"rho {rho:g}" for rho in found["rho"])], rows())


def tile() -> str:
    """docs/crossbar.md: the in-memory-computing tile in RTL."""
    found = results("imc-tile")
    rows = ("128", "64", "32")
    campaign, used = found["campaign"], found["resources"]
    names = {"lut": "LUT", "ff": "flip-flops", "bram36": "BRAM36", "dsp": "DSP48E1"}
    cycles = table(
        ["rows read at a time", *rows],
        [
            ["cycles a product of 8-bit inputs, back to back (simulated)",
             *(f"{found['cycles_per_product'][n]}" for n in rows)],
            ["cycles from the first beat in to the last beat out (simulated)",
             *(f"{found['latency_cycles'][n]}" for n in rows)],
        ],
    )  # fmt: skip
    equality = paragraph(f"""
        {campaign["differences"]:,} of {campaign["results"]:,} results and {campaign["counter_differences"]:,} of
        {campaign["counters"]:,} counters differ over {campaign["tiles"]:,} random tiles, inputs and configurations,
        seed {campaign["seed"]} (simulated: the Verilated model against the integer model).""")
    resources = table(
        ["of an xc7z020 (estimated by Yosys)", *names.values()],
        [
            ["the tile", *(f"{used[key]:,g}" for key in names)],
            ["share", *(f"{percent(used['share'][key], 1)} %" for key in names)],
        ],
    )
    return "\n\n".join((cycles, equality, resources))


def imports() -> str:
    """docs/spiking.md: spikes that differ between models of other libraries and their integers."""
    names = {"snntorch": "snnTorch", "spikingjelly": "SpikingJelly", "sinabs": "sinabs", "norse": "norse"}

    def rows() -> Iterator[list[str]]:
        for library, case, kind, found in (
            (library, case, kind, found)
            for library, cases in results("imports").items()
            for case, kinds in cases.items()
            for kind, found in sorted(kinds.items(), reverse=True)
        ):
            neurons, _, options = case.partition(", ")
            grid, free, fine = (found[key] for key in ("grid", "free_8", "free_16"))
            yield [
                f"{names[library]} `{neurons}`, {options}",
                kind,
                f"{grid['spikes_differing']:,} of {grid['spikes']:,}",
                _before_after(grid),
                f"{percent(free['share'])} %",
                _before_after(free),
                f"{percent(fine['share'], 3)} %",
            ]

    header = [
        "neurons (measured)",
        "network",
        "on a grid, spikes that differ",
        "accuracy",
        "free, 8 bits",
        "accuracy",
        "free, 16 bits",
    ]
    return table(header, rows())


def _before_after(found: dict[str, Any]) -> str:
    """Accuracies of an original and of its integers."""
    return f"{percent(found['accuracy_original'], 1)}, {percent(found['accuracy'], 1)} %"


FIGURES = {
    made.__name__: made
    for made in (
        *(designs, spikes, hierarchy, growing, others),
        *(small_pipeline, cores, core_notes, spiking_cores, spiking_cost, skipping),
        *(spiking, solvers, resistance, tile, driver, peer, imports),
    )
}


def written(text: str) -> str:
    """A page with its figures as they are now; KeyError for figures that nobody makes."""
    return BLOCK.sub(lambda found: found[1] + FIGURES[found[2]]() + found[3], text)


def main(argv: Sequence[str]) -> int:
    """Write the pages, or with --check name those that would change."""
    changed = 0
    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        now = written(text)
        if now == text:
            continue
        changed += 1
        if "--check" not in argv:
            path.write_text(now, encoding="utf-8")
        print(f"{page}: {'not up to date; run make figures' if '--check' in argv else 'written'}")
    return int(changed > 0 and "--check" in argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
