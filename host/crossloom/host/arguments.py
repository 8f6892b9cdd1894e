"""What the `crossloom` command and each of its commands take."""

from __future__ import annotations

import argparse
from typing import NoReturn, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_MOST = 200  # characters of what is wrong
DESIGN = "name of a shipped design, or path of a .loom file"


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the usage, and exit with 2."""
        what = message if message.isprintable() else repr(message)
        what = what if len(what) <= _MOST else f"{what[:_MOST]}..."
        self.exit(2, f"{self.prog.replace(' ', ': ', 1)}: {what}; see '{self.prog} --help'\n")


def parser() -> argparse.ArgumentParser:
    """Return the argument parser; builds without numpy."""
    top: argparse.ArgumentParser = _Parser(
        prog="crossloom", description="Train a small quantized network, prove it bit for bit, and run it."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, among: Commands = commands) -> argparse.ArgumentParser:
        sub = among.add_parser(name, help=text, description=text)
        sub.add_argument("--json", action="store_true", help="print one JSON object instead of text")
        return sub

    demo = command("demo", "train a shipped design from its recipe, export it, prove it, run it and write its report")
    demo.add_argument(
        "recipe", nargs="?", default="digits-sha", help="digits-sha, digits-snn or digits-cnn (default: %(default)s)"
    )
    demo.add_argument("--out", default="runs/demo", help="the run goes to a folder in this one (default: %(default)s)")

    train = command("train", "train a network from a TOML recipe and export it")
    train.add_argument("recipe", help="name of a shipped recipe, or path of a .toml file")
    train.add_argument("--data", help="folder of images by class, or an .npz, instead of the recipe's data set")
    train.add_argument("--data-dir", help="folder of the data set's files (default: $CROSSLOOM_DATA, the cache)")
    train.add_argument("--out", help="folder for the run (default: runs/NAME)")
    train.add_argument("--seed", type=int, help="seed instead of the recipe's")
    train.add_argument("--exclude", action="append", default=[], metavar="CLASS", help="leave this class out (repeat)")
    train.add_argument(
        "--baseline", choices=["flat", "bcnn"], help="train this baseline of a hierarchical recipe instead"
    )
    train.add_argument(
        "--with-baselines", action="store_true", help="train both baselines too, and state them in the artifact"
    )
    train.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where to train (default: %(default)s)")
    train.add_argument("--resume", action="store_true", help="go on from the checkpoint in the run's folder")

    info = command("info", "say what a design is, how well it does and what it was built from")
    info.add_argument("design", help=DESIGN)

    run = command("run", "classify images")
    run.add_argument("design", help=DESIGN)
    run.add_argument(
        "images", nargs="?", help=".npy, .npz (array 'images') or picture; default: the design's golden images"
    )
    run.add_argument(
        "--device",
        default="auto",
        help="where to run: integer, hls-native, hls4ml, rtl, virtual or board (default: %(default)s)",
    )
    run.add_argument(
        "--frames", type=int, help="images a DMA transfer, on virtual and board (default: 1, which shows their cycles)"
    )
    run.add_argument("--top", type=int, default=1, help="list this many classes per image (default: %(default)s)")

    verify = command(
        "verify", "compare every edge of every test image with golden digests, the torch model and devices"
    )
    verify.add_argument("design", help=DESIGN)
    verify.add_argument(
        "--devices",
        default="",
        help="comma-separated devices to compare as well: integer, hls-native, hls4ml, rtl, virtual, board",
    )
    verify.add_argument(
        "--run", dest="run_dir", help="folder of the training run with the checkpoint (default: runs/NAME)"
    )
    verify.add_argument(
        "--data", help="images to verify on instead: a folder by class or .npz as in train, or test images alone"
    )
    verify.add_argument(
        "--data-dir", help="folder of unpacked data sets, for designs that do not carry their test images"
    )
    verify.add_argument("--images", type=int, metavar="N", help="verify on the first N of the images alone")

    grow = command("grow", "add a class to a hierarchical design, retraining one branch and the coarse head")
    grow.add_argument("design", help=DESIGN)
    grow.add_argument("--class", dest="name", required=True, metavar="NAME", help="the class to add")
    grow.add_argument(
        "--data",
        help="folder or .npz with the new class, and the old ones where the design's own data set is not at hand",
    )
    grow.add_argument("--data-dir", help="folder of the data set's files (default: $CROSSLOOM_DATA, the cache)")
    grow.add_argument("--keep-coarse", action="store_true", help="leave the coarse head as it is")
    grow.add_argument("--epochs", type=int, default=20, help="epochs of retraining (default: %(default)s)")
    grow.add_argument("--seed", type=int, help="seed instead of the design's")
    grow.add_argument("--out", help="file to write (default: runs/NAME-plus-CLASS/NAME.loom)")

    diff = command("diff", "compare two designs: structure, tensors, accuracy")
    diff.add_argument("a", help=DESIGN)
    diff.add_argument("b", help=DESIGN)

    cache = command("cache", "list the libraries that were compiled and kept, or remove them")
    cache.add_argument("--clear", action="store_true", help="remove them, and what earlier versions left")

    data = command("data", "fetch the published files of a data set")
    data.add_argument("action", choices=["fetch"], help="get its files where they are not there, checked by their MD5")
    data.add_argument("name", help="mnist, fashion-mnist, cifar10 or cifar100")
    data.add_argument("--to", help="folder of data sets (default: $CROSSLOOM_DATA, or the user's cache)")

    cost = command("cost", "count parameters, products, widths and memory per layer")
    cost.add_argument("design", help=DESIGN)

    take = command("import", "bring a network of another program to exact integers, and measure what that changes")
    take.set_defaults(command="import-network")  # a module cannot be called import
    take.add_argument("file", help="a NIR file (.nir)")
    take.add_argument(
        "--writer", help="the library that wrote it: snntorch, spikingjelly, sinabs, norse or spyx; crossloom for ours"
    )
    take.add_argument("--steps", type=int, help="time steps of an image; no file says them but ours")
    take.add_argument("--step", type=float, metavar="SECONDS", help="of one time step (default: the writer's own)")
    take.add_argument("--input", metavar="HxWxC", help="shape of the images, where the file says only their size")
    take.add_argument(
        "--encoder",
        choices=["direct", "rate", "events"],
        default="direct",
        help="how images become steps, events being images with steps (default: %(default)s)",
    )
    take.add_argument("--seed", type=int, default=0, help="of the encoder's draws (default: %(default)s)")
    take.add_argument(
        "--divisor",
        type=float,
        default=255,
        help="an image value u is u / DIVISOR to the network (default: %(default)s)",
    )
    take.add_argument(
        "--guard", type=int, default=16, help="fraction bits of membranes below the sums (default: %(default)s)"
    )
    take.add_argument("--round", action="store_true", help="round decays that are no 1 - 2^-k to the nearest")
    take.add_argument(
        "--weight-bits", type=int, help="of weights at most (default: 16; fewer are cheaper and change more spikes)"
    )
    take.add_argument("--reset", choices=["subtract", "zero", "none"], help="of the neurons (default: the writer's)")
    take.add_argument("--no-norm-input", action="store_true", help="sinabs: inputs do not count by 1 - decay")
    take.add_argument("--most", type=int, default=15, help="sinabs: spikes a step that are kept (default: %(default)s)")
    take.add_argument("--single", action="store_true", help="sinabs: at most one spike a step")
    take.add_argument(
        "--readout",
        choices=["count", "last", "first"],
        default="count",
        help="of the last layer (default: %(default)s)",
    )
    take.add_argument("--classes", help="names, separated by commas (default: 0, 1, ...)")
    take.add_argument(
        "--data", help="images to measure on: mnist, fashion-mnist or digits, or files as verify takes them"
    )
    take.add_argument("--data-dir", help="folder of the data set's files (default: $CROSSLOOM_DATA, the cache)")
    take.add_argument("--samples", type=int, default=1000, help="test images at most (default: %(default)s)")
    take.add_argument("-o", "--out", help="file to write (default: runs/NAME/NAME.loom)")

    give = command("export", "write a design for other programs")
    give.add_argument("design", help=DESIGN)
    give.add_argument("--format", choices=["nir"], default="nir", help="of the file (default: %(default)s)")
    give.add_argument("--step", type=float, default=1e-4, help="seconds of a time step (default: %(default)s)")
    give.add_argument("-o", "--out", help="file to write (default: NAME.nir here)")

    report = command("report", "write one HTML page: hierarchy, confusion, costs and errors of a design")
    report.add_argument("design", help=DESIGN)
    report.add_argument("--out", help="file to write (default: NAME-report.html here)")
    report.add_argument("--data", help="the test images, alone or as in train, for designs that do not carry them")
    report.add_argument(
        "--data-dir", help="folder of unpacked data sets, for designs that do not carry their test images"
    )

    crossbar = command("crossbar", "measure a design's accuracy on resistive arrays against wire resistance")
    crossbar.add_argument("design", help=DESIGN)
    crossbar.add_argument(
        "--rho", default="1e-5,1e-4,5e-4,1e-3,2e-3", help="wire ohms a cell times g_on (default: %(default)s)"
    )
    crossbar.add_argument(
        "--methods",
        default="none,swann,greedy,pwa,gain,pwa+gain,greedy+gain,greedy+pwa+gain",
        help="names of none, swann, greedy, pwa, gain, range, joined by '+' (default: %(default)s)",
    )
    crossbar.add_argument("--cells", default="8t-sram", help="8t-sram, fefet or reram (default: %(default)s)")
    crossbar.add_argument(
        "--law",
        default="linear",
        help="current of a reram cell against its voltage: linear, device (its own), sinh:V0 or tanh:V0, V0 in volts",
    )
    for option, default, text in (
        ("rows", 128, "rows of an array"),
        ("columns", 128, "columns of an array"),
        ("cell-bits", 1, "bits a cell"),
        ("adc-bits", 7, "bits of a converter; 0 is lossless"),
        ("active-rows", 32, "rows that pwa reads at a time"),
        ("seed", 0, "first seed"),
        ("images", 500, "test images at most"),
        ("calibrate", 40, "images of these that calibrate"),
    ):
        crossbar.add_argument(f"--{option}", type=int, default=default, help=f"{text} (default: %(default)s)")
    crossbar.add_argument("--seeds", type=int, help="seeds (default: 5 with variation or noise, else 1)")
    crossbar.add_argument("--variation", action="store_true", help="program with the device's variation")
    crossbar.add_argument("--noise", action="store_true", help="read with the device's noise")
    crossbar.add_argument(
        "--twin", action="store_true", help="measure as well how far the RTL tile's integer model is from the physics"
    )
    crossbar.add_argument("--out", help="write a page to this file as well")
    crossbar.add_argument("--data", help="the test images, alone or as in train, for designs that do not carry them")
    crossbar.add_argument(
        "--data-dir", help="folder of unpacked data sets, for designs that do not carry their test images"
    )

    for sub in (run, verify):
        sub.add_argument(
            "--overlay",
            help="bitstream (.bit) for virtual and board (default: the virtual board's own; beside the design)",
        )

    def hls(name: str, text: str, among: Commands) -> argparse.ArgumentParser:
        sub = command(name, text, among)
        sub.add_argument("design", help=DESIGN)
        sub.add_argument(
            "--flow", choices=["native", "hls4ml"], default="native", help="way to the core (default: %(default)s)"
        )
        sub.add_argument("--out", help="folder for the project (default: runs/NAME-hls-FLOW)")
        return sub

    kinds = commands.add_parser("emit", help="write sources for other tools").add_subparsers(
        dest="what", required=True, metavar="WHAT"
    )
    hls("hls", "write a whole Vitis HLS and Vivado project for the PYNQ-Z2", kinds)
    emit = command("rtl", "write the design's core in SystemVerilog, with its memories and registers", kinds)
    emit.add_argument("--out", help="folder for the core (default: runs/NAME-rtl)")
    virtual = command(
        "virtual", "write the design's overlay for the virtual board: NAME.bit, NAME.hwh, core.json", kinds
    )
    virtual.add_argument("design", help=DESIGN)
    virtual.add_argument("--out", help="folder for the overlay (default: runs/NAME-virtual)")
    synth = command("synth", "estimate what the design's core takes of an xc7z020, by Yosys")
    synth.add_argument("--ff", type=int, help="how many flip-flops it may take (default: 106400)")
    for sub in (emit, synth):
        sub.add_argument("design", help=DESIGN)
        sub.add_argument(
            "--folding",
            default="latency",
            help="array: the best for latency or throughput, or ROWSxCOLSxPIXxLANES, with +DSP for products in DSPs, "
            "such as 32x32x2x8+220 (default: %(default)s)",
        )
        named = ", 53200 for a named array" if sub is emit else ""
        for resource, most in (("lut", f"47000{named}"), ("bram36", "140"), ("dsp", "220")):
            sub.add_argument(f"--{resource}", type=int, help=f"how many it may take (default: {most})")

    kinds = commands.add_parser("build", help="run vendor tools, where they are installed").add_subparsers(
        dest="what", required=True, metavar="WHAT"
    )
    build = hls("hls", "write the project, run vitis-run and vivado on it, and keep what they report", kinds)
    build.add_argument("--baseline", help="file for the figures (default: hls/baselines/vitis/NAME.json)")
    bitstream = command("bitstream", "build the design's core for a board: .bit, .hwh and a record, by Vivado", kinds)
    bitstream.add_argument("design", help=DESIGN)
    bitstream.add_argument(
        "--flow", choices=["rtl", "hls-native", "hls4ml"], default="rtl", help="way to the core (default: %(default)s)"
    )
    bitstream.add_argument(
        "--folding", help="array of a core in RTL, as emit rtl takes it (default: the best for latency)"
    )
    bitstream.add_argument(
        "--board", default="pynq-z2", help="a board of bitstreams/boards: pynq-z2 or pynq-z1 (default: %(default)s)"
    )
    bitstream.add_argument("--clock", type=float, default=100, help="MHz, at most this (default: %(default)s)")
    bitstream.add_argument("--out", help="folder for project and bitstream (default: runs/NAME-bitstream-FLOW)")
    for sub in (build, bitstream):
        sub.add_argument("--hours", type=float, default=4, help="limit of each tool (default: %(default)s)")

    tune = command("fine-tune", "train a design further with its resistive arrays in the forward pass, and prove it")
    tune.add_argument("design", help=DESIGN)
    tune.add_argument("--rho", type=float, required=True, help="wire ohms a cell times g_on")
    tune.add_argument("--epochs", type=int, default=5, help="epochs of training (default: %(default)s)")
    tune.add_argument(
        "--methods", default="none", help="what the arrays do besides: as one of crossbar's (default: %(default)s)"
    )
    tune.add_argument("--cells", default="8t-sram", help="8t-sram, fefet or reram (default: %(default)s)")
    for option, default, text in (
        ("rows", 128, "rows of an array"),
        ("columns", 128, "columns of an array"),
        ("cell-bits", 1, "bits a cell"),
        ("adc-bits", 7, "bits of a converter; 0 is lossless"),
        ("active-rows", 32, "rows that pwa reads at a time"),
        ("images", 500, "test images at most, to measure on"),
        ("physics-seed", 0, "seed of variation and noise"),
    ):
        tune.add_argument(f"--{option}", type=int, default=default, help=f"{text} (default: %(default)s)")
    tune.add_argument("--seed", type=int, help="seed of the training instead of the design's")
    tune.add_argument("--variation", action="store_true", help="program with the device's variation")
    tune.add_argument("--noise", action="store_true", help="read with the device's noise")
    tune.add_argument("--data", help="folder or .npz to train on, where the design's own data set is not at hand")
    tune.add_argument("--data-dir", help="folder of the data set's files (default: $CROSSLOOM_DATA, the cache)")
    tune.add_argument("--out", help="file to write (default: runs/NAME-tuned/NAME.loom)")

    kinds = commands.add_parser("bench", help="measure speed, memory, accuracy and resources").add_subparsers(
        dest="what", required=True, metavar="WHAT"
    )
    bench = command("sim", "measure the integer simulator beside Brevitas and float torch", kinds)
    bench.add_argument("design", nargs="?", default="digits-cnn", help=DESIGN + " (default: %(default)s)")
    bench.add_argument("--runs", type=int, default=7, help="alternating runs behind each median (default: %(default)s)")

    bench = command("hls", "measure compile time and speed of both HLS flows in C simulation", kinds)
    bench.add_argument("design", nargs="?", default="digits-sha", help=DESIGN + " (default: %(default)s)")
    bench.add_argument("--runs", type=int, default=5, help="alternating runs behind each median (default: %(default)s)")

    bench = command("crossbar", "measure the exact crossbar solvers beside badcrossbar", kinds)
    bench.add_argument("--runs", type=int, default=5, help="alternating runs behind each median (default: %(default)s)")

    bench = command("tile", "measure the in-memory-computing tile in RTL: cycles, equality, resources", kinds)
    bench.add_argument("--tiles", type=int, default=10_000, help="random tiles to compare (default: %(default)s)")
    bench.add_argument("--seed", type=int, default=4, help="seed of the random tiles (default: %(default)s)")
    bench.add_argument("--no-synthesis", action="store_true", help="leave out the resources, which take minutes")
    bench.add_argument("--out", help="write the JSON to this file as well")

    bench = command("rtl", "measure generated cores: cycles of every layer, resources, speed beside cocotb", kinds)
    bench.add_argument(
        "--designs",
        default="digits-sha,cifar-shape,cifar-shape-small,cifar-sha-shape,digits-snn",
        help="which of them, comma-separated; mnist-snn, mnist-snn:lut (without DSPs) and nmnist-snn besides, which "
        "need --data-dir (default: %(default)s)",
    )
    for resource, limit in (("lut", 6000), ("bram36", 140), ("dsp", 220)):
        bench.add_argument(
            f"--{resource}", type=int, help=f"how many a spiking design's chosen array may take (default: {limit})"
        )
    bench.add_argument("--data-dir", help="folder of unpacked data sets, for designs that do not carry their images")
    bench.add_argument("--no-synth", action="store_true", help="leave out the resources, which take minutes")
    bench.add_argument("--no-cocotb", action="store_true", help="leave out the comparison with cocotb")
    bench.add_argument("--out", help="write the JSON to this file as well; what was not measured again stays in it")

    bench = command(
        "board", "measure the driver on the virtual board beside the core alone: host time, frames/s", kinds
    )
    bench.add_argument("design", nargs="?", default="digits-sha", help=DESIGN + " (default: %(default)s)")
    bench.add_argument("--device", choices=["virtual", "board"], default="virtual", help="default: %(default)s")
    bench.add_argument("--runs", type=int, default=5, help="alternating runs behind each median (default: %(default)s)")
    bench.add_argument("--out", help="write the JSON to this file as well")

    bench = command("snn", "measure a spiking training step beside snnTorch and SpikingJelly, memory, speed", kinds)
    bench.add_argument("--runs", type=int, default=9, help="alternating runs behind each median (default: %(default)s)")
    bench.add_argument("--out", help="write the JSON to this file as well")

    bench = command("sha", "train a hierarchical recipe, its baselines and its growth over several seeds", kinds)
    bench.add_argument("recipe", nargs="?", default="digits-sha", help="recipe with a hierarchy (default: %(default)s)")
    bench.add_argument("--seeds", type=int, default=5, help="seeds 1 to this (default: %(default)s)")
    bench.add_argument("--jobs", type=int, default=1, help="trainings at a time (default: %(default)s)")
    bench.add_argument("--no-grow", action="store_true", help="leave out growing, which trains once for every class")
    bench.add_argument("--data", help="folder or .npz instead of the recipe's data set")
    bench.add_argument("--data-dir", help="folder of the data set's files (default: $CROSSLOOM_DATA, the cache)")
    bench.add_argument("--out", default="runs/bench-sha", help="folder for runs and results (default: %(default)s)")
    return top
