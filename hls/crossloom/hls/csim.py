"""C simulation: cores compiled by g++ into cached shared libraries, each with a state of its own, called by ctypes."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from crossloom.sim.cache import cached, content_key
from crossloom.sim.errors import DeviceError
from crossloom.sim.frames import (
    Beats,
    fixed_sha256,
    frame_beats,
    frame_layout,
    load_beats,
    read_results,
)
from crossloom.sim.network import Network
from crossloom.sim.programs import program_identity, run_program
from crossloom.sim.result import Result
from crossloom.sim.types import AnyArray, IntArray

from .errors import HlsError
from .names import core_namespace
from .sources import find_ap_types, find_include

# Static members of templates would otherwise be one object in the whole process, whichever library they came from.
_FLAGS = ("-std=c++17", "-w", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-gnu-unique")
# hls::stream prints to std::cout, which all libraries of a process share: one call at a time.
_calling = threading.Lock()


def compiler_identity(where: str) -> list[str]:
    """What tells the compiler and this kind of machine from every other; HlsError without one."""
    return [*program_identity("g++", where=where, error=HlsError), platform.machine()]


def build_library(
    sources: Sequence[Path],
    include: Sequence[Path] = (),
    *,
    where: str,
    optimize: int = 1,
    defines: Sequence[str] = (),
    needs: Sequence[str] = (),
) -> Path:
    """The shared library of some C++ sources; from the cache when nothing that goes into it has changed.

    `include` names folders of headers, all of which go into the cache's key; ours and `ap_types` are added.
    `defines` are like "CROSSLOOM_TRACE" or "NAME=1", `needs` names that it must export. Raises HlsError with the
    compiler's first complaint, or when there is no g++; MissingExtraError without hls4ml.
    """
    folders = [*include, find_include(), find_ap_types()]
    flags = [*_FLAGS, f"-O{optimize}", *(f"-D{define}" for define in defines)]
    headers = [
        (path.relative_to(folder).as_posix(), path)
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".h", ".hpp")
    ]
    files = [*((path.name, path) for path in sources), *headers]
    key = content_key(
        *compiler_identity(where), *flags, *(part for name, path in files for part in (name, path.read_bytes()))
    )

    def build(folder: Path) -> Path:
        library = folder / "core.so"
        paths = [f"-I{path}" for path in folders]
        # What the compiler leaves behind when it is killed goes with the folder.
        environment = {**os.environ, "TMPDIR": str(folder)}
        command: list[str | Path] = ["g++", *flags, *paths, *sources, "-o", library]
        run_program(command, where=where, error=HlsError, environment=environment)
        return library

    return cached(key, build, kind="C simulation", design=where.partition(":")[0], needs=needs)


def _pointer(array: AnyArray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


class Simulation:
    """One core of a network in C simulation; its banks, counters and trace are its own.

    The library must export the functions of `crossloom/csim.hpp` with `prefix` (by default the network's namespace).
    Every method raises HlsError when `hls::stream` complains: a read while empty, or data left over.
    """

    def __init__(self, library: Path, network: Network, *, prefix: str | None = None) -> None:
        self.network = network
        self._prefix = prefix or core_namespace(network)
        self._layout = frame_layout(network)
        self._images = 0
        # The loader gives one file to a process once: only a copy has static variables of its own.
        with tempfile.TemporaryDirectory(prefix="crossloom-") as folder:
            copy = Path(shutil.copy(library, folder))
            try:
                self._library = ctypes.CDLL(str(copy), mode=ctypes.RTLD_LOCAL)
            except OSError as error:  # where programs may not run, or too little was copied
                mend = "a folder for temporary files that libraries load from is needed; set TMPDIR"
                raise HlsError(f"{network.name}: {error}; {mend}") from None
        self._function("said").restype = ctypes.c_char_p

    def _function(self, name: str) -> ctypes._NamedFuncPointer:
        try:
            found: ctypes._NamedFuncPointer = getattr(self._library, f"{self._prefix}_{name}")
        except AttributeError:
            raise HlsError(
                f"{self.network.name}: the library has no {self._prefix}_{name}; a build with it is needed"
            ) from None
        return found

    def _call(self, name: str, *arguments: object) -> None:
        with _calling:
            self._function(name)(*arguments)
            said = self._function("said")().decode(errors="replace")
        if said.strip():
            raise HlsError(f"{self.network.name}: C simulation: {said.strip().splitlines()[0]}; correct the core")

    def run_beats(self, frames: Beats) -> Beats:
        """Run frames (N, frame_beats) and return the results (N, result_beats), as `crossloom.sim.frames` has them."""
        frames = np.ascontiguousarray(frames)
        results = np.zeros((len(frames), self._layout.result_beats), np.uint64)
        if hasattr(self._library, f"{self._prefix}_trace_clear"):
            self._function("trace_clear")()
        self._images = len(frames)
        self._call("run", _pointer(frames), ctypes.c_uint64(len(frames)), _pointer(results))
        return results

    def run(self, codes: IntArray) -> Result:
        """Run input codes (N, *image_shape)."""
        return read_results(self.network, self.run_beats(frame_beats(self.network, codes)))

    def load(self, network: Network) -> None:
        """Rewrite coarse head and branches with another network's; DeviceError unless everything else is the same."""
        if fixed_sha256(network) != fixed_sha256(self.network):
            raise DeviceError(
                f"{self.network.name}: {network.name} has another structure or trunk; only coarse head and branches "
                "can be loaded: build a core for it"
            )
        beats = load_beats(network)
        self._call("load", _pointer(beats), ctypes.c_uint64(len(beats)))
        self.network = network

    def calls(self) -> IntArray:
        """How often each branch has run since the library was loaded, int64 (branches,); (1,) in a flat network."""
        counts = np.zeros(len(self.network.route.branches) if self.network.route else 1, np.uint64)
        self._function("calls")(_pointer(counts))
        return counts.astype(np.int64)

    def edges(self) -> Mapping[str, IntArray]:
        """The codes (N, *image_shape) of every edge in the last run; the library must be built with CROSSLOOM_TRACE."""
        function = self._function("trace")
        function.restype = ctypes.c_uint64
        found = {}
        for name, edge in self.network.edges.items():
            codes = np.zeros((self._images, *edge.image_shape), np.int64)
            count = function(name.encode(), _pointer(codes), ctypes.c_uint64(codes.size))
            if count != codes.size:
                raise HlsError(
                    f"{self.network.name}: edge {name}: {count} codes recorded for {self._images} images; "
                    f"{codes.size} are needed; correct the core"
                )
            found[name] = codes
        return found
