"""Recordings: what is none is refused in one line; counts hold every event or say how many they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crossloom.sim.errors import ConfigError
from crossloom.training.data.events.binning import bin_by_count, bin_by_time
from crossloom.training.data.events.recording import Recording, check_size


def recording(t=(0, 5, 5, 9), x=(0, 6, 2, 6), y=(0, 4, 1, 4), p=(1, 0, 1, 0), size=(5, 7)):
    return Recording("rec", *size, *(np.array(values, int) for values in (t, x, y, p)), "the start")


def made(count, seed=1, size=(5, 7), span=10_000):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(0, span, count))
    return recording(t, rng.integers(0, size[1], count), rng.integers(0, size[0], count), rng.integers(0, 2, count))


def test_a_recording_keeps_its_events_read_only_in_the_types_that_it_names():
    found = recording(p=np.array([True, False, True, False]))
    assert [getattr(found, name).dtype for name in "txyp"] == [np.int64, np.uint16, np.uint16, np.uint8]
    assert (found.t.tolist(), found.x.tolist(), found.y.tolist(), found.p.tolist()) == (
        [0, 5, 5, 9],
        [0, 6, 2, 6],
        [0, 4, 1, 4],
        [1, 0, 1, 0],
    )
    assert (len(found), found.size) == (4, (5, 7))
    with pytest.raises(ValueError, match="read-only"):
        found.t[0] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t": (0, 5, 4, 9)}, "event 2 at 4 us follows one at 5 us; needed events in the order of their times; sort"),
        ({"t": (-1, 5, 5, 9)}, "times -1 to 9; needed microseconds 0..2^62"),
        ({"x": (0, 7, 2, 6)}, "event 1 has x 7; needed 0..6, as the sensor's width is 7; give its real size"),
        ({"y": (0, 4, -1, 4)}, "event 2 has y -1; needed 0..4, as the sensor's height is 5; give its real size"),
        ({"p": (1, -1, 1, -1)}, "event 1 has p -1; needed 0..1, as 1 is brighter and 0 darker; map the polarities"),
        ({"p": (1, 2, 1, 0)}, "event 1 has p 2"),
        ({"x": (0, 6, 2)}, "4 t, 3 x, 4 y, 4 p; needed one of each an event"),
        ({"t": (), "x": (), "y": (), "p": ()}, "no events; needed at least one; leave the recording out"),
        ({"size": (0, 7)}, "a sensor of size (0, 7); needed (height, width)"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(change, message):
    with pytest.raises(ConfigError) as caught:
        recording(**change)
    assert str(caught.value).startswith(f"rec: {message}") and "\n" not in str(caught.value)


def test_times_that_are_no_integers_are_refused():
    with pytest.raises(ConfigError, match=r"^rec: t is float64 of shape \[4\]; needed integers"):
        replace(recording(), t=np.array([0.0, 5, 5, 9]))


def test_a_recording_of_another_sensor_is_refused():
    assert check_size(recording(), (5, 7)).size == check_size(recording(), None).size
    with pytest.raises(ConfigError, match=r"^rec: a sensor of 5 x 7 pixels; needed 7 x 5; take a recording"):
        check_size(recording(), (7, 5))


def test_equal_bins_of_time_hold_every_event_the_last_one_included():
    counts = bin_by_time(recording(), 2).counts
    assert counts.shape == (2, 5, 7, 2) and counts.dtype == np.uint8
    expected = np.zeros((2, 5, 7, 2), int)
    expected[0, 0, 0, 1] = expected[1, 1, 2, 1] = 1
    expected[1, 4, 6, 0] = 2  # 0..9 us in two halves: 5 us begins the second
    assert np.array_equal(counts, expected)


@pytest.mark.parametrize("steps", [1, 3, 7, 100])
@pytest.mark.parametrize("seed", range(3))
def test_no_event_is_lost_by_any_way_of_binning(steps, seed):
    events = made(997, seed)
    for found in (bin_by_time(events, steps), bin_by_count(events, steps)):
        assert (int(found.counts.sum()), found.saturated, found.outside) == (997, 0, 0)
    whole = bin_by_time(events, 1).counts[0]
    expected = np.zeros((5, 7, 2), int)
    np.add.at(expected, (events.y, events.x, events.p), 1)
    assert np.array_equal(whole, expected)
    assert np.array_equal(bin_by_count(events, steps).counts.sum(0), expected)


def test_a_recording_shorter_than_its_bins_keeps_its_events():
    one = recording((3,), (1,), (2,), (1,))
    assert bin_by_time(one, 8).counts.sum() == bin_by_count(one, 8).counts.sum() == 1


def test_fixed_bins_are_half_open_and_count_what_lies_outside():
    events = recording((0, 9, 10, 35), (0,) * 4, (0,) * 4, (1,) * 4)
    found = bin_by_time(events, 2, bin_us=10, start=0)
    assert (found.counts[:, 0, 0, 1].tolist(), found.outside) == ([2, 1], 1)
    later = bin_by_time(events, 3, bin_us=10, start=9)
    assert (later.counts[:, 0, 0, 1].tolist(), later.outside) == ([2, 0, 1], 1)
    assert bin_by_time(events, 2, bin_us=10, start=100).outside == 4


def test_times_since_1970_do_not_overflow():
    late = made(100)
    late = replace(late, t=late.t + 1_800_000_000_000_000)
    assert np.array_equal(bin_by_time(late, 4096).counts, bin_by_time(made(100), 4096).counts)


def test_bins_by_count_differ_by_one_event_at_most():
    sums = bin_by_count(made(103), 10).counts.reshape(10, -1).sum(1)
    assert sorted(set(sums.tolist())) == [10, 11]


def test_counts_stop_at_the_most_and_the_rest_is_counted():
    many = recording(np.arange(700), *(np.full(700, value) for value in (6, 4, 1)))
    found = bin_by_time(many, 2)
    assert (found.counts[:, 4, 6, 1].tolist(), found.saturated) == ([255, 255], 190)
    fewer = bin_by_count(many, 2, most=15)
    assert (fewer.counts[:, 4, 6, 1].tolist(), fewer.saturated) == ([15, 15], 670)


@pytest.mark.parametrize(
    ("way", "message"),
    [
        (lambda r: bin_by_time(r, 0), "0 bins; needed an integer of at least 1"),
        (lambda r: bin_by_count(r, True), "True bins"),
        (lambda r: bin_by_time(r, 3, bin_us=0), "bins of 0 us; needed at least 1"),
        (lambda r: bin_by_time(r, 3, start=10), "bins from 10 us, after the last event at 9 us"),
        (lambda r: bin_by_time(r, 3, most=256), "counts up to 256; needed 1..255"),
        (lambda r: bin_by_count(r, 10**9), "1000000000 bins of 5 x 7 x 2 counts; needed at most 4 GiB; take fewer"),
    ],
)
def test_senseless_bins_are_refused_in_one_line(way, message):
    with pytest.raises(ConfigError) as caught:
        way(recording())
    assert str(caught.value).startswith(f"rec: {message}") and "\n" not in str(caught.value)
