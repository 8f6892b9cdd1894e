"""A bitstream's `build.json`: what it was built from, what it takes, and whether the files beside it are of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import DeviceError
from ..strict_json import flag, made, many, number, parsed, sha256, text

RECORD = "build.json"
FORMAT = 1
DESCRIPTION = "core.json"  # of a core in RTL, by its generator
MAX_BYTES = 64 << 10  # of a record, which is untrusted
MAX_FILE = 256 << 20  # of a file that it lists
_FILE = re.compile(r"([a-z0-9_-]+\.(bit|hwh)|core\.json)\Z")
_AGAIN = "take all files of one build, or run 'crossloom build bitstream' again"


@dataclass(frozen=True)
class Resources:
    """What placement took: LUTs, flip-flops, BRAM36 (halves count), DSPs; `origin` says who says so."""

    origin: str
    lut: float
    ff: float
    bram36: float
    dsp: float


@dataclass(frozen=True)
class Slack:
    """Worst slack of setup and hold in ns, by static analysis after routing; `met` where neither is negative."""

    origin: str
    wns_ns: float
    whs_ns: float
    met: bool


@dataclass(frozen=True)
class BuildRecord:
    """A build. Hashes are hexadecimal: of the `.loom` file, the network's identities, and each file built, by name.

    `flow` is rtl, hls-native or hls4ml; `core` the core's VLNV and `core_version` its registers' version, "" in HLS;
    `folding` as the command line has it, "" in HLS; `clock_mhz` what the divisors of the processor's PLL reach.
    """

    name: str
    flow: str
    artifact: str
    structure: str
    weights: str
    core: str
    core_version: str
    folding: str
    board: str
    part: str
    clock_mhz: float
    tools: tuple[str, ...]
    resources: Resources
    timing: Slack
    files: Mapping[str, str]

    def to_json(self) -> bytes:
        """As the text of `build.json`."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n").encode("ascii")


def built_files(name: str, folder: Path) -> dict[str, str]:
    """SHA-256 of `<name>.bit`, `<name>.hwh` and, where there is one, `core.json`; DeviceError without the former."""
    names = [f"{name}.bit", f"{name}.hwh", *([DESCRIPTION] if (folder / DESCRIPTION).is_file() else [])]
    return {file: _hash(folder / file) for file in names}


def write_build(record: BuildRecord, folder: Path) -> Path:
    """Write a record into the folder of its files."""
    path = folder / RECORD
    path.write_bytes(record.to_json())
    return path


def read_build(folder: Path) -> BuildRecord:
    """The record in a folder, when every file that it lists is there and is the one that was built.

    Raises DeviceError, one line, without a record, for one that cannot be read, and for files of different builds.
    """
    path = folder / RECORD
    try:
        with path.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise DeviceError(f"{path}: {error.strerror}; a bitstream's record is needed; {_AGAIN}") from None
    record = parse_build(data, path)
    for name, expected in record.files.items():
        if _hash(folder / name) != expected:
            others = " and ".join(sorted(record.files.keys() - {name}))
            raise DeviceError(f"{folder / name}: of another build than {others} beside it ({RECORD}); {_AGAIN}")
    return record


def parse_build(data: bytes, where: Path | str = RECORD) -> BuildRecord:
    """The record in the bytes of a `build.json`, its files unseen; DeviceError, one line, for anything else."""
    if len(data) > MAX_BYTES:
        raise DeviceError(f"{where}: more than {MAX_BYTES:,} bytes; a build's record takes a few thousand; {_AGAIN}")
    try:
        plain = parsed(data)
        if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
            raise ValueError(f"no record of format {FORMAT}")
        names = ("name", "flow", "core", "core_version", "folding", "board", "part")
        readers: dict[str, Any] = {
            **dict.fromkeys(names, text),
            **dict.fromkeys(("artifact", "structure", "weights"), sha256),
            "clock_mhz": number,
            "tools": many(text),
            "resources": lambda value: made(Resources, value, _numbers("lut", "ff", "bram36", "dsp")),
            "timing": lambda value: made(Slack, value, {**_numbers("wns_ns", "whs_ns"), "met": flag}),
            "files": _files,
        }
        record = made(BuildRecord, plain, readers)
        needed = {f"{record.name}.bit", f"{record.name}.hwh"}
        if not needed <= record.files.keys() <= {*needed, DESCRIPTION}:
            raise ValueError(f"its files are not {record.name[:80]}.bit, .hwh and {DESCRIPTION}")
        return record
    except (ValueError, RecursionError) as error:
        said = str(error).splitlines()[0][:160]
        raise DeviceError(f"{where}: no record of a build ({said}); {_AGAIN}") from None


def _numbers(*names: str) -> dict[str, Any]:
    return {"origin": text, **dict.fromkeys(names, number)}


def _files(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(_FILE.match(name) for name in value):
        raise ValueError("its files are not an object of plain names")
    return {name: sha256(given) for name, given in value.items()}


def _hash(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE:
            raise DeviceError(f"{path}: more than {MAX_FILE:,} bytes; no file of a build is as large; {_AGAIN}")
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DeviceError(f"{path}: {error.strerror}; a build's file is needed here; {_AGAIN}") from None
