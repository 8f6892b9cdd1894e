"""What a core is built with: its parameters, and the files of its memories."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crossloom.sim.frames import field_bits, fixed_sha256, frame_layout
from crossloom.sim.identity import structure_sha256, weights_sha256
from crossloom.sim.network import INPUT, Network

from ..compiler.memory_files import parameters, write_memories
from ..compiler.program import Program

TOP = "core"


def core_parameters(program: Program) -> dict[str, int]:
    """The parameters of `core` for a program: the engine's and the frame's."""
    layout = frame_layout(program.network)
    return parameters(program) | {
        "FieldBits": field_bits(layout.input_bits),
        "Signed": int(layout.input_signed),
        "Codes": layout.codes,
        "Channels": program.regions[INPUT].shape[2],
        "Capacity": route.capacity if (route := program.network.route) else len(program.network.classes),
    }


def identities_of(network: Network) -> dict[str, str]:
    """STRUCTURE, FIXED and WEIGHTS, the hashes in hexadecimal that a core bears, in the order of its registers."""
    return {
        "STRUCTURE": structure_sha256(network),
        "FIXED": fixed_sha256(network),
        "WEIGHTS": weights_sha256(network),
    }


def hash_words(sha256: str) -> list[int]:
    """A hash in hexadecimal as 32-bit words, its first bytes first and lowest."""
    return [int(word) for word in np.frombuffer(bytes.fromhex(sha256), "<u4")]


def write_program(program: Program, folder: Path) -> list[Path]:
    """Write every memory that the core reads, identities included; returns the files."""
    path = folder / "identity.mem"
    words = [word for sha256 in identities_of(program.network).values() for word in hash_words(sha256)]
    path.write_text("".join(f"{word:08x}\n" for word in [*words, *[0] * (32 - len(words))]), encoding="ascii")
    return [*write_memories(program, folder), path]
