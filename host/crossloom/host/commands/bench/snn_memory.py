"""Run as a process of its own: the memory that a training step of a spiking network needs."""

from __future__ import annotations

import sys
from pathlib import Path

from .memory import peak_mib
from .snn_models import by_steps, crossloom

IMAGES = 2048


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / (1 << 20)


def main(mode: str, steps: int) -> None:
    """Print the MiB by which memory grows at most in steps of training of 2,048 images."""
    import torch

    torch.set_num_threads(1)
    by_steps(crossloom(2, mode), 8)()  # what libraries keep once they are used
    step = by_steps(crossloom(steps, mode), IMAGES)
    before = _resident_mib()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    for _ in range(3):
        step()
    print(peak_mib() - before)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
