"""Where the C++ headers are: ours in a checkout and in an installed wheel, `ap_types` in the installed hls4ml."""

from importlib.util import find_spec
from pathlib import Path

from crossloom.sim.errors import MissingExtraError

from .errors import HlsError


def find_include() -> Path:
    """The folder that holds `crossloom/*.hpp`; HlsError when the installation lacks it."""
    here = Path(__file__).resolve()
    # hls/crossloom/hls/sources.py in a checkout; crossloom/hls/sources.py beside the files in a wheel.
    for folder in (here.parent / "include", here.parents[2] / "include"):
        if (folder / "crossloom").is_dir():
            return folder
    raise HlsError(f"{here.parent}: no folder 'include' of the HLS stage; a complete installation is needed; reinstall")


def find_ap_types() -> Path:
    """The folder with `ap_int.h` and `hls_stream.h` of the installed hls4ml, found without importing it.

    Raises MissingExtraError without hls4ml, HlsError when it has them no longer.
    """
    spec = find_spec("hls4ml")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("C simulation needs hls4ml, whose ap_types it compiles: pip install 'crossloom[hls]'")
    folder = Path(spec.submodule_search_locations[0]) / "templates" / "vivado" / "ap_types"
    if not (folder / "hls_stream.h").is_file():
        raise HlsError(f"{folder}: no hls_stream.h; hls4ml 1.3 is needed: pip install 'crossloom[hls]'")
    return folder
