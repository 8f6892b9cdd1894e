"""Environments and inputs that a command may meet: each ends in its result or in one line with the remedy.

More of their kinds are in test_terminal.py (signals, streams, texts of files), test_ending.py (what must end with us),
test_pictures.py (pictures and arrays), tests/sim/test_cache.py, tests/sim/test_loom_*.py and
tests/training/test_config.py.
"""

import io
import os
import resource
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from crossloom.host import find_design
from crossloom.host.cli import main
from crossloom.sim import simulator

RUN = "from crossloom.host.cli import main; raise SystemExit(main())"
LONG, HUGE = "x" * 300, "9" * 30
GOOD = "name = 'own'\n[data]\nname = 'digits'\n"
GRAY = np.zeros((2, 8, 8), np.uint8)


def checked(code, out, err, wanted=1):
    """A refusal: its exit code, and one printable line that a terminal holds."""
    assert (code, out) == (wanted, "")
    assert err.startswith("crossloom: ") and err.endswith("\n") and err[:-1].isprintable()
    assert len(err) <= 312 and "Traceback" not in err and "fault of Crossloom" not in err
    assert "needed" in err or "; " in err, "no remedy"
    return err


@pytest.fixture
def refused(capfd, tmp_path, monkeypatch):
    """Run a command line that must be refused, in an empty folder; returns the line."""
    monkeypatch.chdir(tmp_path)

    def run(argv, wanted=1):
        try:
            code = main([str(part) for part in argv])
        except SystemExit as end:
            code = end.code
        return checked(code, *capfd.readouterr(), wanted)

    return run


def npy(header, body=bytes(128)):
    """An .npy file whose header is any text."""
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + body


def shaped(shape, kind="|u1"):
    return npy(f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}")


def saved(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def zipped(*entries, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


def encrypted():
    data = bytearray(zipped(("images.npy", shaped((2, 8, 8)))))
    data[6] |= 1
    data[data.find(b"PK\1\2") + 8] |= 1
    return bytes(data)


# Usage: numbers and words that no option takes.
USAGE = [
    [], ["no-such-command"], ["run"], ["run", "digits-cnn", "--top", "1e9"], ["run", "digits-cnn", "--top", ""],
    ["run", "digits-cnn", "--top"], ["info", "digits-cnn", "a\nb\x1b[2J"], ["info", "digits-cnn", "x" * 9000],
    ["emit"], ["emit", "nothing", "digits-cnn"], ["crossbar", "digits-cnn", "--seed", "nan"], ["cache", "extra"],
    ["build", "hls", "digits-cnn", "--hours", "soon"], ["train", "digits-cnn", "--baseline", "none"],
]  # fmt: skip

# Values of options, each in its own command.
CROSSBAR = ["crossbar", "digits-cnn", "--images", "4", "--calibrate", "2", "--methods", "none", "--rho", "1e-3"]
OPTIONS = [
    ["run", "digits-cnn", "--top", "-1"],
    ["run", "digits-cnn", "--top", "0"],
    ["run", "digits-cnn", "--device", ""],
    ["run", "digits-cnn", "--device", LONG],
    ["verify", "digits-cnn", "--devices", "x\x1b[2J"],
    *([*CROSSBAR, f"--rho={value}"] for value in ("nan", "inf", "-1", "", ",", "1e400", "1e-3," * 5000)),
    *([*CROSSBAR, f"--{name}", value] for name in ("rows", "columns", "images") for value in ("0", "-1")),
    *([*CROSSBAR, f"--{name}", HUGE] for name in ("cell-bits", "rows")),
    *([*CROSSBAR, f"--{name}", "-1"] for name in ("seed", "seeds", "adc-bits", "calibrate")),
    *([*CROSSBAR, "--cells", "reram", f"--law={law}"] for law in ("sinh:0", "sinh:nan", "tanh:", "cosh:1")),
    [*CROSSBAR, "--methods", "none+none"],
    [*CROSSBAR, "--cells", LONG],
    *(["emit", "rtl", "digits-cnn", f"--folding={text}"] for text in ("", "0x0x0x0", f"{HUGE}x1x1x1", "1" * 5000)),
    *(["emit", "rtl", "digits-cnn", f"--{name}", "-1"] for name in ("lut", "dsp", "bram36")),
    ["emit", "rtl", "digits-cnn", "--lut", "0"],
    *(["build", "hls", "digits-cnn", f"--hours={value}"] for value in ("nan", "inf", "0", "-1")),
    *(["bench", name, "--runs", "-1"] for name in ("sim", "hls")),
    ["bench", "tile", "--tiles", "-1"],
    ["bench", "rtl", "--designs", ",", "--no-cocotb"],
    ["grow", "digits-sha", "--class", "x", "--epochs", "0"],
    ["grow", "digits-sha", "--class", "", "--data", "none"],
    ["grow", "digits-cnn", "--class", "x", "--data", "none"],
    ["diff", "digits-cnn", "none"],
    ["info", ""], ["info", "."], ["info", "a\0b.loom"], ["info", "\udcff.loom"], ["info", LONG + ".loom"],
    ["run", "digits-cnn", "a\0b.png"], ["run", "digits-cnn", "/dev/null"], ["run", "digits-cnn", "x" * 9000],
    ["report", "digits-cnn", "--out", "/dev/full"], ["report", "digits-cnn", "--out", "none/x.html"],
    ["report", "digits-cnn", "--out", "."], ["report", "digits-cnn", "--out", LONG],
    ["emit", "hls", "digits-cnn", "--out", "/dev/full"], ["emit", "hls", "digits-cnn", "--out", "a\0b"],
    ["emit", "hls", "digits-cnn", "--out", "x/" * 3000], ["emit", "rtl", "digits-cnn", "--out", "/dev/null/x"],
    ["train", "digits-cnn", "--data", "none"], ["train", "none.toml"], ["train", LONG],
]  # fmt: skip

# Files of images, by name.
IMAGES = {
    "huge.npy": shaped("(1000000000, 1000000)"), "negative.npy": shaped("(-1, 8, 8)"),
    "many.npy": shaped(f"({HUGE}, 8)"),
    "half.npy": shaped("(2.5, 8, 8)"), "object.npy": shaped("(2, 8, 8)", "|O"),
    "wide.npy": shaped("(2, 8, 8)", "|V9999999"),
    "text.npy": shaped("(2, 8, 8)", "<U9999999"), "deep.npy": npy("(" * 3000), "call.npy": npy("__import__('os')"),
    "none.npy": npy("{}"), "long.npy": npy("{'descr': '|u1'}" + "#" * 20_000), "zeros.npy": bytes(1000),
    "a.png": b"\x89PNG",
    "cut.jpg": b"\xff\xd8\xff\xe0", "a.gif": b"GIF89a", "a.bmp": b"BM" + bytes(50), "a.svg": b"<svg/>",
    "a.pdf": b"%PDF",
    "none.npz": zipped(), "text.npz": zipped(("images.npy", b"hello")), "out.npz": zipped(("../images.npy", b"x")),
    "names.npz": zipped(("a\x1b[2J\nb.npy", shaped("(2, 8, 8)"))), "locked.npz": encrypted(), "cut.npz": zipped()[:-4],
    "floats.npz": saved(images=np.full((2, 8, 8), np.nan)), "complex.npz": saved(images=GRAY.astype(complex)),
    "dates.npz": saved(images=GRAY.astype("M8[s]")), "words.npz": saved(images=np.array(["a"])),
    "large.npz": saved(images=np.full((2, 8, 8), 2**64 - 1, np.uint64)), "flat.npz": saved(images=np.zeros((2, 64))),
    "one.npz": saved(images=np.uint8(3)), "other.npz": saved(pictures=GRAY),
}  # fmt: skip

# Labels and class names beside right images.
LABELS = {
    "half": np.array([0.5, 1]), "negative": np.array([-1, 0]), "huge": np.array([2**62, 1]),
    "table": np.zeros((2, 2), int),
    "one": np.zeros(1, int), "large": np.array([2**63 + 5, 1], np.uint64), "none": np.array([np.nan, 0]),
}  # fmt: skip

# Recipes, by name.
RECIPES = {
    "empty": b"", "zeros": bytes(100), "latin": b"name = '\xe9'", "deep": b"a = " + b"[" * 5000 + b"]" * 5000,
    "digits": b"seed = " + b"9" * 5000, "twice": (GOOD + GOOD).encode(), "null": b'name = "a\\u0000b"',
    "path": b"name = '../x'", "long": b"name = '" + b"x" * 5000 + b"'", "surrogate": b'name = "\\ud800"',
    "control": b'"a\\u001b[2J\\nb" = 1', "key": b"'" + b"k" * 9000 + b"' = 1", "list": b"[[layers]]\n" * 1000,
    "date": b"name = 1979-05-27", "utf16": GOOD.encode("utf-16"), "huge": b"# " + b"x" * (2 << 20),
}  # fmt: skip


@pytest.mark.parametrize("argv", USAGE, ids=lambda argv: " ".join(argv)[:40] or "nothing")
def test_wrong_usage_is_one_line(refused, argv):
    assert "--help" in refused(argv, 2)


@pytest.mark.parametrize("argv", OPTIONS, ids=lambda argv: " ".join(argv)[:60])
def test_a_value_that_an_option_cannot_take_is_one_line(refused, argv):
    pytest.importorskip("brevitas", reason="Brevitas is not installed")
    refused(argv)


@pytest.mark.parametrize("name", IMAGES)
def test_a_file_of_images_that_is_none_is_one_line(refused, tmp_path, name):
    (tmp_path / name).write_bytes(IMAGES[name])
    assert name in refused(["run", "digits-cnn", name])


@pytest.mark.parametrize("command", ["verify", "report", "train"])
def test_labels_that_are_none_are_one_line(refused, tmp_path, command):
    pytest.importorskip("brevitas", reason="Brevitas is not installed")
    for name, labels in LABELS.items():
        arrays = {"images": GRAY, "labels": labels}
        if command == "train":
            arrays = {f"{part}_{what}": data for part in ("train", "test") for what, data in arrays.items()}
        (tmp_path / f"{name}.npz").write_bytes(saved(**arrays))
        assert f"{name}.npz" in refused([command, "digits-cnn", "--data", f"{name}.npz"])


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_that_is_none_is_one_line(refused, tmp_path, name):
    pytest.importorskip("brevitas", reason="Brevitas is not installed")
    (tmp_path / f"{name}.toml").write_bytes(RECIPES[name])
    assert f"{name}.toml" in refused(["train", f"{name}.toml"])


def test_what_may_never_end_is_refused_as_an_input(refused, tmp_path):
    pytest.importorskip("brevitas", reason="Brevitas is not installed")
    for name in ("x.toml", "x.npz", "x.npy", "x.png", "x.html", "x.loom", "run/checkpoint.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        os.mkfifo(tmp_path / name)
    for argv in (
        ["train", "x.toml"], ["train", "digits-cnn", "--data", "x.npz"], ["run", "digits-cnn", "x.npy"],
        ["run", "digits-cnn", "x.png"], ["report", "digits-cnn", "--out", "x.html"], ["info", "x.loom"],
        ["verify", "digits-cnn", "--run", "run"], ["train", "digits-cnn", "--resume", "--out", "run"],
    ):  # fmt: skip
        refused(argv)


def test_a_design_that_is_no_artifact_is_one_line_in_every_command(refused, tmp_path):
    pytest.importorskip("brevitas", reason="Brevitas is not installed")
    whole = Path(find_design("digits-cnn")).read_bytes()
    files = {
        "empty": b"", "text": b"hello\n", "html": b"<html>", "half": whole[: len(whole) // 2], "less": whole[:-1],
        "more": whole + b"x", "twice": whole * 2, "head": whole[:8], "deep": whole[:8] + b"[" * 100_000,
        "zip": zipped(("a", whole)), "zeros": bytes(1000), "flip": whole[:99] + bytes([whole[99] ^ 1]) + whole[100:],
    }  # fmt: skip
    os.mkfifo(tmp_path / "pipe.loom")
    (tmp_path / "folder.loom").mkdir()
    (tmp_path / "circle.loom").symlink_to("circle.loom")
    for name, data in files.items():
        (tmp_path / f"{name}.loom").write_bytes(data)
    for name in (*files, "pipe", "folder", "circle", "none"):
        assert f"{name}.loom" in refused(["info", f"{name}.loom"])
    others = ["run", "verify", "report", "cost", "crossbar", "synth", "grow --class x", "fine-tune --rho 1e-3"]
    for command in [*others, "diff digits-cnn", "emit hls", "emit rtl", "bench sim", "bench hls", "build hls"]:
        assert "half.loom" in refused([*command.split(), "half.loom"])


# Compilers, by what is wrong with them; $2 of -o is what they should write.
WRITES = '#!/bin/sh\nwhile [ $# -gt 0 ]; do if [ "$1" = -o ]; then {}; fi; shift; done\n'
COMPILERS = {
    "finds nothing": "#!/bin/sh\nexit 127\n",
    "is silent": "#!/bin/sh\nexit 1\n",
    "writes nothing": "#!/bin/sh\necho 'a compiler'\n",
    "is empty": "",
    "has no interpreter": "#!/no/such/interpreter\n",
    "is no program": "\x7f\x00\x01\x02",
    "dies": "#!/bin/sh\nkill -SEGV $$\n",
    "writes junk": WRITES.format('echo junk > "$2"'),
    "writes a folder": WRITES.format('mkdir "$2"'),
    "writes a program": WRITES.format('cp /bin/sh "$2"'),
    "writes half": WRITES.format('head -c 5000 /bin/sh > "$2"'),
    "has no room": "#!/bin/sh\necho 'fatal error: error writing to x.s: No space left on device'; exit 1\n",
    "lacks a library": "#!/bin/sh\necho 'error while loading shared libraries: libmpc.so.3'; exit 127\n",
    "says bytes": "#!/bin/sh\nprintf '\\377\\376 error \\033[2J\\n'; exit 1\n",
    "says much": "#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' e; exit 1\n",
}


@pytest.mark.parametrize("how", COMPILERS)
def test_a_compiler_that_does_not_work_is_one_line_and_leaves_nothing(refused, tmp_path, monkeypatch, how):
    pytest.importorskip("hls4ml", reason="hls4ml is not installed")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "g++").write_text(COMPILERS[how])
    (tmp_path / "bin" / "g++").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    refused(["run", "digits-cnn", "--device", "hls-native"])
    cache = tmp_path / "crossloom"
    assert not cache.exists() or list(cache.iterdir()) == []


@pytest.mark.parametrize("place", ["folder", "file", "circle", "none"])
def test_what_is_called_like_a_compiler_but_is_none_is_one_line(refused, tmp_path, monkeypatch, place):
    pytest.importorskip("hls4ml", reason="hls4ml is not installed")
    (tmp_path / "bin").mkdir()
    compiler = tmp_path / "bin" / "g++"
    {"folder": compiler.mkdir, "file": compiler.touch, "circle": lambda: compiler.symlink_to("g++")}.get(place, str)()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "no program g++" in refused(["run", "digits-cnn", "--device", "hls-native"])


@pytest.mark.parametrize(
    "variables",
    [
        {"XDG_CACHE_HOME": "relative", "HOME": "relative"}, {"XDG_CACHE_HOME": "", "HOME": "/dev/null"},
        {"XDG_CACHE_HOME": "/dev/full"}, {"XDG_CACHE_HOME": "/proc"}, {"XDG_CACHE_HOME": "/" + "x" * 5000},
        {"XDG_CACHE_HOME": "FOLDER/file"}, {"XDG_CACHE_HOME": "FOLDER/nothing"}, {"XDG_CACHE_HOME": "FOLDER/open"},
    ],
    ids=str,
)  # fmt: skip
def test_a_cache_that_cannot_be_is_one_line(refused, tmp_path, monkeypatch, variables):
    (tmp_path / "file").write_text("")
    (tmp_path / "nothing").symlink_to("nowhere")
    (tmp_path / "open" / "crossloom").mkdir(parents=True)
    (tmp_path / "open" / "crossloom").chmod(0o777)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("FOLDER", str(tmp_path)))
    assert "XDG_CACHE_HOME" in refused(["cache"])
    assert "XDG_CACHE_HOME" in refused(["cache", "--clear"])


# What each command does where not a byte can be written, as on a full disk.
@pytest.mark.parametrize(
    "argv",
    [
        ["report", "digits-cnn", "--out", "x.html"], ["emit", "hls", "digits-cnn", "--out", "x"],
        ["emit", "rtl", "digits-cnn", "--folding", "8x8x2x4", "--out", "x"],
        ["run", "digits-cnn", "--device", "hls-native"],
        [*CROSSBAR, "--out", "x.html"],
    ],
    ids=lambda argv: " ".join(argv)[:30],
)  # fmt: skip
def test_a_full_disk_is_one_line_and_nothing_half_written_stays(refused, tmp_path, monkeypatch, argv):
    pytest.importorskip("hls4ml", reason="hls4ml is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read, write = os.pipe()  # stderr of a test is a file, which could not be written either
    kept = [os.dup(1), os.dup(2)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open(write, "w", closefd=False) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            monkeypatch.chdir(tmp_path)
            code = main(argv)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    os.close(write)
    with open(read) as told:  # noqa: PTH123 - a descriptor
        checked(code, "", told.read())
    for descriptor in kept:
        os.close(descriptor)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in (".html", ".so", ".json")] == []


@pytest.mark.parametrize("command", ["info", "cost", "run", "verify", "report", "cache"])
def test_odd_terminals_and_places_change_nothing(command, tmp_path):
    (tmp_path / "gone").mkdir()
    argv = [command] if command == "cache" else [command, str(find_design("digits-cnn"))]
    argv += ["--out", str(tmp_path / "ä.html")] if command == "report" else []
    odd = {
        "COLUMNS": "-5", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "TMPDIR": "/none", "HOME": "", "TERM": "",
        "XDG_CACHE_HOME": str(tmp_path),
    }  # fmt: skip
    shell = f'cd "{tmp_path}/gone" && rmdir "{tmp_path}/gone" && "$0" -c "$1" "$@" <&-'
    found = subprocess.run(
        ["sh", "-c", shell.replace('"$@"', " ".join(f"'{part}'" for part in argv)), sys.executable, RUN],
        env={**os.environ, **odd}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (0, ""), found.stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "out of memory"), (OSError(28, "No space left on device"), "make room"),
        (OSError(24, "Too many open files"), "Too many open files"),
        (OSError(30, "Read-only file system", "x"), "x: Read-only"),
        (RecursionError("maximum"), "nested too deeply"), (UnicodeEncodeError("ascii", "ä", 0, 1, "no"), "PYTHONUTF8"),
        (ValueError("embedded null byte"), "null character"), (ImportError("cut"), "install them again"),
    ],
    ids=lambda part: type(part).__name__ if isinstance(part, Exception) else "",
)  # fmt: skip
def test_what_the_system_refuses_in_the_midst_is_one_line(refused, monkeypatch, error, words):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(simulator, "_run_section", fail, raising=False)
    monkeypatch.setattr("crossloom.host.backends.run", fail)
    assert words in refused(["run", "digits-cnn"])
