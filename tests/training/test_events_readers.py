"""Readers of recordings, each against bytes written by hand: axis, polarity and time base are what they state."""

from __future__ import annotations

import sys

import event_files as files
import numpy as np
import pytest

from crossloom.sim.errors import ConfigError, MissingExtraError
from crossloom.training.data.events.packed import read_packed
from crossloom.training.data.events.reading import read_recording

# (t, x, y, p): a corner up on the right that became brighter, one down on the left that became darker, one between.
CORNERS = [(3, 7, 0, 1), (9, 0, 5, 0), (9, 2, 3, 1)]


def written(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def events(recording):
    return list(zip(*(getattr(recording, name).tolist() for name in ("t", "x", "y", "p")), strict=True))


def refusal(path, size=None):
    with pytest.raises(ConfigError) as caught:
        read_recording(path, size)
    text = str(caught.value)
    assert text.startswith(str(path)) and "\n" not in text and "; needed" in text
    return text


def test_an_n_mnist_file_has_x_y_polarity_and_23_bits_of_time(tmp_path):
    found = read_recording(written(tmp_path, "a.bin", files.atis([*CORNERS, ((1 << 23) - 1, 33, 33, 1)])))
    assert events(found) == [*CORNERS, ((1 << 23) - 1, 33, 33, 1)]
    assert (found.size, found.time_base) == ((34, 34), "the start of the recording")


def test_a_marker_of_an_overflow_is_no_event_and_moves_every_later_time(tmp_path):
    marker = (0, 0, 240, 0)
    data = files.atis([(8000, 1, 2, 1), marker, (10, 3, 4, 0), marker, (20, 5, 6, 1)])
    found = read_recording(written(tmp_path, "a.bin", data))
    assert events(found) == [(8000, 1, 2, 1), (8202, 3, 4, 0), (16404, 5, 6, 1)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (files.atis(CORNERS)[:-1], "14 bytes, no multiple of 5; needed a .bin file of N-MNIST"),
        (b"", "no events"),
        (files.atis([(0, 0, 240, 0)]), "no events"),
        (files.atis([(9, 1, 1, 0), (3, 1, 1, 0)]), "event 1 at 3 us follows one at 9 us"),
        (files.atis([(9, 34, 1, 0)]), "event 0 has x 34; needed 0..33"),
        (files.atis([(9, 1, 239, 0)]), "event 0 has y 239; needed 0..33"),
    ],
)
def test_a_damaged_n_mnist_file_is_refused_in_one_line(tmp_path, data, message):
    assert message in refusal(written(tmp_path, "a.bin", data))


def test_an_aedat4_file_has_its_size_and_times_since_1970(tmp_path):
    pytest.importorskip("aedat", reason="aedat is not installed")
    since = 1_700_000_000_000_000
    moved = [(t + since, x, y, p) for t, x, y, p in CORNERS]
    path = written(tmp_path, "a.aedat4", files.aedat4([(0, moved[:1]), (0, moved[1:])]))
    found = read_recording(path, (6, 8))
    assert (events(found), found.size) == (moved, (6, 8))
    assert found.time_base == "1970-01-01, as the camera's clock has it"
    faery = pytest.importorskip("faery", reason="faery is not installed")
    with faery.aedat.Decoder(path) as decoder:
        assert decoder.tracks()[0].dimensions == (8, 6)
        other = np.concatenate([packet for _, packet in decoder])
    assert [tuple(map(int, event)) for event in other] == moved


def test_a_damaged_aedat4_file_or_one_without_a_single_stream_is_refused(tmp_path):
    pytest.importorskip("aedat", reason="aedat is not installed")
    whole = files.aedat4([(0, CORNERS)])
    for cut in (5, 100, len(whole) - 1):
        assert "needed an AEDAT4 file" in refusal(written(tmp_path, "a.aedat4", whole[:cut]))
    two = files.aedat4([(0, CORNERS)], streams=(0, 1))
    assert "2 streams of events; needed one" in refusal(written(tmp_path, "a.aedat4", two))
    assert "no events" in refusal(written(tmp_path, "a.aedat4", files.aedat4([])))
    assert "follows one at" in refusal(written(tmp_path, "a.aedat4", files.aedat4([(0, CORNERS[::-1])])))
    assert "needed 6 x 9" in refusal(written(tmp_path, "a.aedat4", whole), (6, 9))
    outside = files.aedat4([(0, [(1, 8, 0, 0)])])
    assert "event 0 has x 8" in refusal(written(tmp_path, "a.aedat4", outside))


EVT2 = [
    files.evt2_time(3),
    files.evt2_event(5, 1279, 0, 1),
    files.evt2_event(63, 0, 719, 0),
    files.evt2_time(4),
    files.evt2_event(0, 20, 10, 1),
]
EVT3 = [
    files.evt3_high(1),
    files.evt3_low(5),
    files.evt3_y(0),
    files.evt3_x(1279, 1),
    files.evt3_low(9),
    files.evt3_y(719),
    files.evt3_x(0, 0),
    *files.evt3_vector(100, 1, 0b100000000001),
]


@pytest.mark.parametrize(
    ("version", "words", "expected"),
    [
        (2, EVT2, [(197, 1279, 0, 1), (255, 0, 719, 0), (256, 20, 10, 1)]),
        (3, EVT3, [(4101, 1279, 0, 1), (4105, 0, 719, 0), (4105, 100, 719, 1), (4105, 111, 719, 1)]),
    ],
)
def test_a_prophesee_file_has_its_size_and_times_since_power_on(tmp_path, version, words, expected):
    pytest.importorskip("faery", reason="faery is not installed")
    path = written(tmp_path, "a.raw", files.evt(version, words))
    found = read_recording(path)
    assert (events(found), found.size) == (expected, (720, 1280))
    assert found.time_base == "the camera's power-on"
    expelliarmus = pytest.importorskip("expelliarmus", reason="expelliarmus is not installed")
    other = expelliarmus.Wizard(encoding=f"EVT{version}").read(path)
    assert [tuple(map(int, event)) for event in other] == expected


def test_evt3_times_survive_a_wrap_and_start_anew_with_a_high_part(tmp_path):
    pytest.importorskip("faery", reason="faery is not installed")
    words = [files.evt3_y(1)]
    for high in (4000, 4095, 0, 1):
        words += [files.evt3_high(high), files.evt3_low(7), files.evt3_x(2, 1)]
    words += [files.evt3_high(2), files.evt3_x(3, 1), files.EVT3_TRIGGER]  # no low part: it is 0
    found = read_recording(written(tmp_path, "a.raw", files.evt(3, words)))
    wrap = 1 << 24
    assert found.t.tolist() == [4000 * 4096 + 7, 4095 * 4096 + 7, wrap + 7, wrap + 4096 + 7, wrap + 2 * 4096]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"% evt 3.0\n% end\n" + files.evt(3, EVT3).split(b"% end\n")[1], "no size information"),
        (files.evt(3, EVT3, (719, 1280)), "y overflow"),
        (files.evt(3, EVT3[:2]), "no events"),
        (files.evt(2, []), "no events"),
        (b"\0\1hello", "no size information"),
    ],
)
def test_a_prophesee_file_without_size_or_events_or_with_others_is_refused(tmp_path, data, message):
    pytest.importorskip("faery", reason="faery is not installed")
    assert message in refusal(written(tmp_path, "a.raw", data))


@pytest.mark.parametrize(
    ("library", "name", "data"),
    [("aedat", "a.aedat4", files.aedat4([(0, CORNERS)])), ("faery", "a.raw", files.evt(3, EVT3))],
)
def test_a_missing_library_is_named_with_its_extra(tmp_path, monkeypatch, library, name, data):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"{library} is not installed; .*pip install 'crossloom\[events\]'"):
        read_recording(written(tmp_path, name, data))


def test_other_files_are_refused_by_their_suffix_or_for_not_being_there(tmp_path):
    assert "a .dat; needed .bin, .aedat4, .raw; convert" in refusal(tmp_path / "a.dat")
    for name in ("a.bin", "a.raw", "a.aedat4"):
        assert "no such file" in refusal(tmp_path / name)


def test_a_packed_file_gives_its_recordings_with_times_summed_up(tmp_path):
    other = [(0, 1, 1, 0), (70, 33, 0, 1)]
    np.savez(tmp_path / "a.npz", **files.packed([CORNERS, other], (6, 34), label=[4, 2]))
    found = read_packed(tmp_path / "a.npz")
    assert [events(found.recording(k)) for k in range(len(found))] == [CORNERS, other]
    assert (found.recording(0).size, found.extras["label"].tolist()) == ((6, 34), [4, 2])
    assert found.recording(1).time_base == "the start of the recording"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offset": np.array([0, 2])}, "offset are no boundaries of recordings; needed 0 to the 3 events"),
        ({"offset": np.array([0, 2, 1, 3])}, "offset are no boundaries"),
        ({"dt": np.ones(2, int)}, "2 dt, 3 x, 3 y, 3 p, size of 2; needed one an event"),
        ({"x": np.ones(3)}, "x is float64 of shape [3]; needed integers"),
        ({"label": np.ones(2, int)}, "label is int64 of shape [2]; needed 1 integers"),
        ({"split": np.array([2])}, "split of recording 0 is neither 0 nor 1; needed 0 for training, 1 for test"),
        ({"split": np.array([-1])}, "split of recording 0 is neither 0 nor 1"),
        ({"x": None}, "no array 'x'; needed offset, dt, x, y, p, size"),
        ({"times": np.ones(3)}, "array 'times' is unknown"),
        ({"x": np.array([1, None, 2])}, "holds Python objects"),
    ],
)
def test_a_damaged_packed_file_is_refused_in_one_line(tmp_path, change, message):
    arrays = {**files.packed([CORNERS]), **change}
    np.savez(tmp_path / "a.npz", **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(ConfigError) as caught:
        read_packed(tmp_path / "a.npz")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_the_events_of_a_packed_recording_are_checked_when_it_is_taken(tmp_path):
    np.savez(tmp_path / "a.npz", **files.packed([CORNERS, [(0, 40, 1, 0)]]))
    with pytest.raises(ConfigError, match=r"a\.npz: recording 1: event 0 has x 40; needed 0\.\.33"):
        read_packed(tmp_path / "a.npz").recording(1)
