"""A Verilated model of any top, loaded by ctypes: ports, clock, streams, AXI4-Lite."""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import RtlError
from .build import build_library

_WRITE, _READ = (
    "awvalid awready awaddr wvalid wready wdata wstrb bvalid bready",
    "arvalid arready araddr rvalid rready rdata",
)
_ONE = ctypes.c_uint64(1)

_Struct = TypeVar("_Struct", bound=ctypes.Structure)


@dataclass(frozen=True)
class StreamResult:
    """What a run of the streams gave: the beats that came out, their `last`, and the clock cycle of every beat."""

    beats: NDArray[np.uint32]  # (beats out, words)
    last: NDArray[np.bool_]
    in_cycles: NDArray[np.uint64]
    out_cycles: NDArray[np.uint64]
    taken: int  # beats that the design took


def build_model(
    top: str,
    parameters: Mapping[str, int] | None = None,
    *,
    sources: Sequence[Path] | None = None,
    defines: Sequence[str] = (),
    optimize: int = 1,
    seed: int = 1,
    clock: str = "aclk",
    reset: str | None = "aresetn",
    argument: str = "",
) -> "Model":
    """Build or find the library of a top and make one model of it, reset; `seed` fills what reset leaves unknown.

    `reset` is None for a top without one; `argument` a plus argument, such as "+program=folder/", that the top reads.
    """
    library = build_library(top, parameters, sources=sources, defines=defines, optimize=optimize)
    return Model(library, top, seed, clock, reset, argument)


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    for name, result in (
        ("cl_new", ctypes.c_void_p),
        ("cl_name", ctypes.c_char_p),
        ("cl_error", ctypes.c_char_p),
        ("cl_bits", ctypes.c_uint32),
        ("cl_cycle", ctypes.c_uint64),
        ("cl_write", ctypes.c_uint64),
        ("cl_read", ctypes.c_uint64),
        ("cl_recorded", ctypes.c_uint64),
        ("cl_attach", ctypes.c_void_p),
    ):
        getattr(library, name).restype = result
    return library


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


class Model:
    """One running instance of a Verilated top; integers by port name, helpers for AXI4-Lite and AXI4-Stream.

    Raises RtlError when an assertion in the design fails, when something waits longer than its limit, and when it is
    used after `close`.
    """

    def __init__(self, library: Path, top: str, seed: int, clock: str, reset: str | None, argument: str = "") -> None:
        self._library = _load(library)
        made = self._library.cl_new(ctypes.c_uint32(seed & 0x7FFFFFFF), argument.encode())
        self._made: ctypes.c_void_p | None = ctypes.c_void_p(made)
        self._records: list[int] = []  # words an entry
        self._groups: dict[tuple[str, str], ctypes.Array[ctypes.c_int]] = {}
        self._one = (ctypes.c_uint32 * 2)()  # address and word of a single access
        self.top = top
        count = int(self._library.cl_count())
        self._ports = {self._library.cl_name(self._handle, p).decode(): p for p in range(count)}
        self._reset = reset
        self._library.cl_clock(self._handle, self._port(clock))
        self.reset()

    def close(self) -> None:
        """Free the model; it cannot be used afterwards. A second call does nothing."""
        if self._made:
            self._library.cl_delete(self._made)
            self._made = None

    def __del__(self) -> None:
        """Free the model that nobody closed."""
        if getattr(self, "_made", None):
            self.close()

    @property
    def _handle(self) -> ctypes.c_void_p:
        """The model for C, which must never get one that is freed."""
        if self._made is None:
            raise RtlError(f"{self.top}: the model is closed; make a new one")
        return self._made

    @property
    def is_open(self) -> bool:
        """Whether it can be used still."""
        return self._made is not None

    def __enter__(self) -> "Model":
        _ = self._handle
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _port(self, name: str) -> int:
        _ = self._handle
        if name not in self._ports:
            raise RtlError(f"{self.top}: no port {name!r}; one of {', '.join(self._ports)} is needed")
        return self._ports[name]

    def _indices(self, prefix: str, names: str) -> ctypes.Array[ctypes.c_int]:
        if (prefix, names) not in self._groups:
            indices = [self._port(f"{prefix}{name}") for name in names.split()]
            self._groups[prefix, names] = (ctypes.c_int * len(indices))(*indices)
        return self._groups[prefix, names]

    def _words(self, name: str) -> int:
        return (int(self._library.cl_bits(self._handle, self._port(name))) + 31) // 32

    def _check(self) -> None:
        error = self._library.cl_error(self._handle)
        if error:
            raise RtlError(f"{self.top}, cycle {self.cycle}: {error.decode()}")

    @property
    def cycle(self) -> int:
        """Clock cycles since the model was made."""
        return int(self._library.cl_cycle(self._handle))

    def set(self, name: str, value: int) -> None:
        """Drive an input port; outputs follow with the next cycle."""
        words = np.frombuffer(value.to_bytes(4 * self._words(name), "little"), dtype=np.uint32)
        self._library.cl_set(self._handle, self._port(name), _pointer(words))

    def get(self, name: str) -> int:
        """The value of a port, unsigned."""
        words = np.zeros(self._words(name) + 1, dtype=np.uint32)
        self._library.cl_get(self._handle, self._port(name), _pointer(words))
        return int.from_bytes(words.tobytes(), "little")

    def record(self, valid: str, *names: str) -> int:
        """From now on keep ports `names` in every cycle in which `valid` is 1; the number to ask `recorded` for."""
        ports = [self._port(name) for name in (valid, *names)]
        self._library.cl_record(self._handle, len(ports), (ctypes.c_int * len(ports))(*ports))
        self._records.append(1 + sum(self._words(name) for name in names))
        return len(self._records) - 1

    def recorded(self, number: int) -> NDArray[np.uint32]:
        """What was kept (entries, words): the cycle's number and the ports, each in 32-bit words."""
        if not 0 <= number < len(self._records):
            raise RtlError(f"{self.top}: no record {number}, of {len(self._records)}; ask for one that `record` gave")
        at, width = ctypes.POINTER(ctypes.c_uint32)(), self._records[number]
        words = int(self._library.cl_recorded(self._handle, ctypes.c_int(number), ctypes.byref(at)))
        if not words:
            return np.zeros((0, width), np.uint32)
        return np.ctypeslib.as_array(at, (words,)).reshape(-1, width).copy()

    def forget(self) -> None:
        """Drop what was recorded so far."""
        self._library.cl_forget(self._handle)

    def run(self, cycles: int) -> None:
        """Let the clock run."""
        self._library.cl_run(self._handle, ctypes.c_uint64(cycles))
        self._check()

    def reset(self, cycles: int = 4) -> None:
        """Hold the reset low for some cycles with every other input 0."""
        for name, port in self._ports.items():
            if self._library.cl_input(self._handle, port):
                self.set(name, 0)
        self.run(cycles)
        if self._reset:
            self.set(self._reset, 1)
            self.run(1)

    def write(self, address: Any, data: Any, prefix: str = "s_axi_", limit: int = 64) -> None:
        """AXI4-Lite writes of 32-bit words, back to back; `limit` cycles a write, then RtlError."""
        addresses = np.ascontiguousarray(np.atleast_1d(address), dtype=np.uint32)
        words = np.ascontiguousarray(np.atleast_1d(data)).astype(np.int64).astype(np.uint32)
        if addresses.shape != words.shape:
            raise RtlError(f"{self.top}: {words.shape} words for {addresses.shape} addresses; as many are needed")
        ports = self._indices(prefix, _WRITE)
        many = ctypes.c_uint64(len(words))
        most = ctypes.c_uint64(limit * len(words) + limit)
        done = self._library.cl_write(self._handle, ports, many, _pointer(addresses), _pointer(words), most)
        self._check()
        if done != len(words):
            raise RtlError(f"{self.top}: {done} of {len(words)} writes answered; one in {limit} cycles is needed")

    def read(self, address: Any, prefix: str = "s_axi_", limit: int = 64) -> NDArray[np.uint32]:
        """AXI4-Lite reads of 32-bit words; `limit` cycles a read, then RtlError."""
        addresses = np.ascontiguousarray(np.atleast_1d(address), dtype=np.uint32)
        words = np.zeros(len(addresses), dtype=np.uint32)
        ports = self._indices(prefix, _READ)
        many = ctypes.c_uint64(len(words))
        most = ctypes.c_uint64(limit * len(words) + limit)
        done = self._library.cl_read(self._handle, ports, many, _pointer(addresses), _pointer(words), most)
        self._check()
        if done != len(words):
            raise RtlError(f"{self.top}: {done} of {len(words)} reads answered; one in {limit} cycles is needed")
        return words

    def read_one(self, address: int, limit: int = 64) -> int:
        """As `read` for one address of `s_axi_`, with little time around it."""
        self._one[0], word = address, ctypes.byref(self._one, 4)
        ports = self._indices("s_axi_", _READ)
        if not self._library.cl_read(self._handle, ports, _ONE, self._one, word, ctypes.c_uint64(limit)):
            raise RtlError(f"{self.top}: a read of {address:#x} was not answered in {limit} cycles")
        self._check()
        return self._one[1]

    def write_one(self, address: int, word: int, limit: int = 64) -> None:
        """As `write` for one word to `s_axi_`, with little time around it."""
        self._one[0], self._one[1] = address, word
        ports = self._indices("s_axi_", _WRITE)
        data = ctypes.byref(self._one, 4)
        if not self._library.cl_write(self._handle, ports, _ONE, self._one, data, ctypes.c_uint64(limit)):
            raise RtlError(f"{self.top}: a write to {address:#x} was not answered in {limit} cycles")
        self._check()

    def attach(self, source: str, sink: str, kind: type[_Struct]) -> ctypes.Array[_Struct]:
        """Let the two movers of the harness drive the streams; see movers.py, whose `kind` they are."""
        streams = [*self._indices(source, "valid ready data last"), *self._indices(sink, "valid ready data last")]
        at = self._library.cl_attach(self._handle, (ctypes.c_int * 8)(*streams))
        return (kind * 2).from_address(at)

    def move(self, mover: int, limit: int) -> None:
        """Let the clock run until mover 0 or 1 stops, or the other finds a fault, at most `limit` cycles."""
        self._library.cl_move(self._handle, mover, ctypes.c_uint64(limit))
        self._check()

    def stream(
        self,
        beats: NDArray[Any],
        last: NDArray[Any],
        expect: int,
        *,
        idle: NDArray[Any] | None = None,
        stall: NDArray[Any] | None = None,
        limit: int = 1_000_000,
        source: str = "s_axis_t",
        sink: str = "m_axis_t",
    ) -> StreamResult:
        """Send beats (n, 32-bit words) with their `last` (n,) while receiving, until `expect` beats came out.

        `idle` and `stall` are patterns over cycles, repeated: true where the source pauses, where the sink is not
        ready. After `limit` cycles it returns what there is: a caller that needs more looks at the counts.
        """
        data, words = np.ascontiguousarray(beats, dtype=np.uint32), self._words(f"{source}data")
        if data.shape != (len(last), words):
            raise RtlError(
                f"{self.top}: beats are {data.shape} with {len(last)} lasts; {words} words and one last each are needed"
            )
        lasts = np.ascontiguousarray(last).astype(np.uint8)
        out = np.zeros((max(expect, 1), self._words(f"{sink}data")), dtype=np.uint32)
        out_last, counts = np.zeros(max(expect, 1), dtype=np.uint8), np.zeros(2, dtype=np.uint64)
        cycles = np.zeros(max(len(data), 1), dtype=np.uint64), np.zeros(max(expect, 1), dtype=np.uint64)
        quiet = np.zeros(1, dtype=np.uint8)
        gates = [quiet if gate is None else np.ascontiguousarray(gate).astype(np.uint8) for gate in (idle, stall)]
        ports = (ctypes.c_int * 8)(
            *self._indices(source, "valid ready data last"), *self._indices(sink, "valid ready data last")
        )
        u64 = ctypes.c_uint64
        self._library.cl_stream(
            *(self._handle, ports, u64(len(data)), _pointer(data), _pointer(lasts), _pointer(cycles[0])),
            *(u64(expect), _pointer(out), _pointer(out_last), _pointer(cycles[1])),
            *(_pointer(gates[0]), u64(len(gates[0])), _pointer(gates[1]), u64(len(gates[1]))),
            *(u64(limit), _pointer(counts)),
        )
        self._check()
        taken, came = int(counts[0]), int(counts[1])
        return StreamResult(out[:came], out_last[:came] != 0, cycles[0][:taken], cycles[1][:came], taken)
