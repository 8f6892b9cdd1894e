"""Bugs planted in the native flow's headers and generator: the checks of this folder see each of them."""

import shutil

import pytest
from banks import rewritten
from corners import corner_codes, corner_networks
from native_checks import check, mixed, parallel
from spiking_corners import spiking_networks

import crossloom.hls.csim
from crossloom.hls import HlsError, find_include, simulate
from crossloom.sim import DeviceError

PLANTS = {
    "lost-sign-of-a-table": ("types.hpp", "typedef int8_t type;", "typedef uint8_t type;"),
    "lost-sign-of-a-weight": (
        "linear.hpp",
        "weight[bank][f * taps + t][o * C::par_in + p]",
        "(unsigned char)weight[bank][f * taps + t][o * C::par_in + p]",
    ),
    "short-accumulator": ("linear.hpp", "acc[o] = sum;", "acc[o] = ap_int<6>(sum);"),
    "bias-added-twice": ("linear.hpp", "sum_t sum = t == 0 ?", "sum_t sum = t <= 1 ?"),
    "row-too-late": ("window.hpp", "- int(C::pad_top);\n    return", "- int(C::pad_top) - 1;\n    return"),
    "next-row-of-the-ring": ("window.hpp", "C::kernel_h - (read - row);", "C::kernel_h - (read - row) + 1;"),
    "wrong-row-of-the-ring": ("window.hpp", "place >= C::kernel_h ?", "place > C::kernel_h ?"),
    "rows-left-over": ("linear.hpp", "fetch_rows<C>(in, line, read, slot, C::height);", ""),
    "pad-of-zeros": ("linear.hpp", "code_t(C::pad_code)", "code_t(0)"),
    "pad-of-zeros-in-a-pool": ("pool.hpp", "typename C::in_t(C::pad_code)", "typename C::in_t(0)"),
    "stride-of-rows-for-columns": ("linear.hpp", "x * C::stride_w", "x * C::stride_h"),
    "group-off-by-one": ("linear.hpp", "f * groups_at_once :", "f :"),
    "ties-up": ("quantize.hpp", "half - 1 + ((v >> unsigned(shift)) & 1)", "half"),
    "ties-down": ("quantize.hpp", "half - 1 + ((v >> unsigned(shift)) & 1)", "half - 1"),
    "half-up-forgets": ("quantize.hpp", "if (C::rounding == HALF_UP) v += half;", ""),
    "no-lower-clamp": ("quantize.hpp", "if (v < C::lo) return C::lo;", ""),
    "no-upper-clamp": ("quantize.hpp", "if (v > C::hi) return C::hi;", ""),
    "threshold-must-be-passed": ("quantize.hpp", "<= acc.code[l])", "< acc.code[l])"),
    "search-one-short": ("quantize.hpp", "next <= C::count", "next < C::count"),
    "one-channel-for-all": (
        "quantize.hpp",
        "shift[bank][C::per_channel ? channel + l : 0]",
        "shift[bank][C::per_channel ? l : 0]",
    ),
    "sticky-channel": ("quantize.hpp", "    unsigned channel = 0;", "    static unsigned channel = 1;"),
    "sticky-sum": (
        "linear.hpp",
        "    sum_t acc[folds]",
        "    static sum_t acc[folds]",
        "sum = i == 0 ? sum_t(bias[bank][f * C::par_out + o]) : acc[f][o];",
        "sum = acc[f][o]; if (i == 0) sum += bias[bank][f * C::par_out + o];",
    ),
    "aligned-the-wrong-way": (
        "join.hpp",
        "(p << C::a_shift) + (q << C::b_shift)",
        "(p << C::b_shift) + (q << C::a_shift)",
    ),
    "membranes-without-saturation": ("lif.hpp", "v < low ? low : v > high ? high : v", "v"),
    "leak-of-the-new-sum": (
        "lif.hpp",
        "    v += wide_t(x) << C::guard;\n",
        "",
        "    if (leak > 0) v -=",
        "    v += wide_t(x) << C::guard;\n    if (leak > 0) v -=",
    ),
    "reset-at-once": ("lif.hpp", "if (!C::later) v =", "if (true) v =", "if (C::later) v =", "if (false) v ="),
    "spikes-never-several": ("lif.hpp", "if (C::most == 1) return", "if (C::most < 9) return"),
    "input-held-too-long": ("lif.hpp", "if (step == 0 || !C::hold) held", "if (step == 0) held"),
    "first-is-last": ("lif.hpp", "so_far == 0 && code > 0 ?", "code > 0 ?"),
    "later-row-of-a-tie": ("frames.hpp", "greatest < value", "greatest <= value"),
    "masked-rows-count": ("frames.hpp", "argmax(fine, score, used[branch])", "argmax(fine, score, C::rows)"),
    "field-without-sign": (
        "frames.hpp",
        "const value_t value = beat;",
        "const ap_uint<BITS> value = beat;",
        "    value_t next(",
        "    ap_uint<BITS> next(",
    ),
    "weights-loaded-across": ("frames.hpp", "[o * PAR_IN + p] = fields", "[o + p * PAR_OUT] = fields"),
}
# Networks whose names start so see all of them, and compile faster than the rest.
KINDS = (
    "conv-stride-and-pads",
    "conv-pads-past",
    "conv-groups",
    "conv-depthwise",
    "conv-stride-leaves",
    "maxpool-below",
    "threshold-three",
    "threshold-four",
    "add-aligned-1",
    "route-node",
    "round-byte",
    "round-positive",
    "lif-",
)


def run_all(folder):
    """Fail where a network of some corners, or a load into a routed one, is not exact."""
    networks = [network for network in [*corner_networks(), *spiking_networks()] if network.name.startswith(KINDS)]
    for fold in (mixed, parallel):
        foldings = [fold(network) for network in networks]
        simulations = simulate(networks, folder, trace=True, optimize=0, foldings=foldings)
        for network, simulation in zip(networks, simulations, strict=True):
            codes = corner_codes(network)
            check(network, simulation, codes)
            check(network, simulation, codes[::-1])
            if network.route:
                other = rewritten(network, 1)
                simulation.load(other)
                check(other, simulation, codes)


@pytest.fixture
def include(tmp_path, monkeypatch):
    """A copy of our headers that C simulation uses."""
    copy = tmp_path / "include"
    shutil.copytree(find_include(), copy)
    monkeypatch.setattr(crossloom.hls.csim, "find_include", lambda: copy)
    return copy


@pytest.mark.long
def test_without_a_bug_all_is_exact(include, tmp_path):
    run_all(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_seen(include, tmp_path, name):
    file, *pairs = PLANTS[name]
    path = include / "crossloom" / file
    text = path.read_text()
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    with pytest.raises((AssertionError, DeviceError, HlsError)) as seen:
        run_all(tmp_path)
    assert "g++" not in str(seen.value)  # a difference or a complaint of a stream, not a bug that does not compile
