"""Finds a core and its DMA in an overlay, on the board or on the virtual one."""

from __future__ import annotations

import os
import platform
import re
import time
import warnings
from pathlib import Path
from typing import Any

from crossloom.sim.board import CLOCK_MHZ, DMA_VLNV, RTL_VLNV
from crossloom.sim.errors import CrossloomError, DeviceError, MissingExtraError

from .files import OverlayFiles
from .transport import Parts

BOARDS = ("Pynq-Z2", "Pynq-Z1")
OLDEST = (3, 1)  # of pynq: the boards' image v3.1
_BOARD_NAME = Path("/proc/device-tree/chosen/pynq_board")


def import_pynq() -> Any:
    """The `pynq` package; MissingExtraError where it is not installed, DeviceError where it is another version."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own dependencies
            import pynq
    except ImportError as error:
        raise MissingExtraError(
            f"board: {error.name or 'pynq'} is not installed; pip install 'crossloom[board]' (Python 3.10 to 3.12), or "
            "use the Python of the board's image"
        ) from None
    found = tuple(int(part) for part in re.findall(r"\d+", pynq.__version__)[:2])
    if found < OLDEST or found >= (4, 0):
        raise DeviceError(
            f"board: pynq {pynq.__version__}; 3.1 is needed, the last for a PYNQ-Z1 or Z2: write image v3.1 to the "
            "board's card, or pip install pynq==3.1.2"
        )
    return pynq


def board_name() -> str | None:
    """The board that this machine is, as its device tree says; None where it is no board of PYNQ's."""
    try:
        return _BOARD_NAME.read_text(encoding="ascii", errors="replace").strip("\0\n ")
    except OSError:
        return None


def no_board() -> str | None:
    """Why there is no board here that a core can run on, in words; None where there is one."""
    name = board_name()
    if name is None:
        return f"this machine ({platform.machine()}) is no PYNQ board"
    if name not in BOARDS:
        return f"the board is a {name[:40]}; cores are built for {' and '.join(BOARDS)}"
    try:
        import_pynq()
    except CrossloomError as error:
        return str(error)
    if os.geteuid() != 0:
        return "only root reaches the board's registers; run as root, with the environment of /etc/profile.d"
    return None


def open_board() -> Any:
    """The board's device of `pynq`; DeviceError where there is none."""
    reason = no_board()
    if reason is not None:
        raise DeviceError(f"board: {reason}; device 'virtual' runs the same driver without a board")
    pynq = import_pynq()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [device for device in pynq.Device.devices if type(device).__name__ == "EmbeddedDevice"]
    if not found:
        raise DeviceError(
            "board: pynq finds no device; its environment is needed: run in a login shell of root, which reads "
            "/etc/profile.d/xrt_setup.sh and pynq_venv.sh"
        )
    return found[0]


def attach(files: OverlayFiles, device: Any, download: bool = True) -> tuple[Any, Parts]:
    """Download an overlay to a device, and what the driver uses of it; DeviceError where that does not work."""
    files.check()
    pynq = import_pynq()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            overlay = pynq.Overlay(str(files.bit.resolve()), download=download, device=device)
    except CrossloomError:
        raise
    except Exception as error:  # the package raises whatever its parts raise
        said = (str(error).splitlines() or [""])[0][:160]
        raise DeviceError(
            f"{files.bit}: pynq cannot load it ({type(error).__name__}: {said}); both files of one "
            "build are needed: build or copy both again"
        ) from None
    core, dma = (_only(overlay, vlnv, files) for vlnv in (RTL_VLNV, DMA_VLNV))
    if getattr(dma, "sendchannel", None) is None or getattr(dma, "recvchannel", None) is None:
        raise DeviceError(f"{files.hwh}: the DMA has not both channels; one that sends and receives is needed")
    if type(dma.sendchannel).__name__ != "_SDMAChannel":
        raise DeviceError(f"{files.hwh}: the DMA is built with scatter-gather; simple mode is needed: build it without")

    def allocate(shape: tuple[int, ...], dtype: Any) -> Any:
        return pynq.allocate(shape, dtype, target=device)

    now = getattr(device, "now", time.monotonic)
    return overlay, Parts(core.mmio, dma, allocate, now, _clock(pynq))


def _only(overlay: Any, vlnv: str, files: OverlayFiles) -> Any:
    """The driver of the one IP of a kind, whatever it is called and whatever its version."""
    vendor, library, name, _ = vlnv.split(":")
    kinds = f"{vendor}:{library}:{name}:", f"xilinx.com:module_ref:{name}:"
    found = [key for key, entry in overlay.ip_dict.items() if str(entry.get("type")).startswith(kinds)]
    if len(found) != 1:
        there = ", ".join(sorted(str(entry.get("type")) for entry in overlay.ip_dict.values()))[:200]
        raise DeviceError(
            f"{files.hwh}: {len(found)} IPs of type {vendor}:{library}:{name}, among {there}; one is needed: take an "
            "overlay that 'crossloom build bitstream' wrote"
        )
    driver = overlay
    try:
        for part in found[0].split("/"):
            driver = getattr(driver, part)
    except CrossloomError:
        raise
    except Exception as error:  # the package makes it only now, and raises whatever its parts raise
        said = (str(error).splitlines() or [""])[0][:160]
        raise DeviceError(
            f"{files.hwh}: pynq finds no {name} where it says ({said}); both files of one build are needed: build or "
            "copy both again"
        ) from None
    return driver


def _clock(pynq: Any) -> float:
    """The frequency of FCLK0 as the clock registers have it, in MHz."""
    mhz = float(pynq.Clocks.fclk0_mhz)
    return mhz if mhz > 0 else float(CLOCK_MHZ)
