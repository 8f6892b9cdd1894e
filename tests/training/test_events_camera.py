"""The model of an event camera: the same events from equal seeds, and events where and when brightness changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crossloom.sim.errors import ConfigError
from crossloom.training.data.events.binning import bin_by_time
from crossloom.training.data.events.camera import CameraModel, Saccade

QUIET = replace(CameraModel(), noise=0.0, mismatch=0.0, inverted=False)


def square(side=28):
    image = np.zeros((side, side), np.uint8)
    image[10:18, 10:18] = 255
    return image


def blobs(count):
    rng = np.random.default_rng(3)
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 6:22, 8:20] = np.kron(rng.integers(0, 2, (count, 4, 3)), np.ones((4, 4))) * 255
    return images


def arrays(recording):
    return [getattr(recording, name).tolist() for name in ("t", "x", "y", "p")]


def test_a_recording_depends_on_seed_and_index_and_on_no_other_image():
    images, camera = blobs(5), CameraModel()
    one = arrays(camera.record(images[3], 7))
    image, t, pixel, p = camera.watch(images, np.array([1, 2, 9, 7, 8]))
    mine = image == 3
    order = np.lexsort((p[mine], pixel[mine], t[mine]))
    assert one == [values[order].tolist() for values in (t[mine], pixel[mine] % 34, pixel[mine] // 34, p[mine])]
    assert one != arrays(camera.record(images[3], 8))
    assert one != arrays(replace(camera, seed=2).record(images[3], 7))


def test_a_recording_keeps_its_events_from_version_to_version():
    t, x, y, p = (np.array(values) for values in arrays(CameraModel().record(square(), 0)))
    assert (len(t), int(t.sum()), int(x.sum()), int(y.sum()), int(p.sum())) == (1961, 279717804, 31859, 33452, 957)


def test_counts_are_those_of_the_recordings_binned():
    images, camera = blobs(4), CameraModel()
    counts, saturated, outside = camera.counts(images, np.arange(4), 3, 100_000, 4)
    alone = [bin_by_time(camera.record(image, k), 3, 100_000, 0, 4) for k, image in enumerate(images)]
    assert np.array_equal(counts, np.stack([found.counts for found in alone]))
    assert (saturated, outside) == (sum(f.saturated for f in alone), sum(f.outside for f in alone))
    assert saturated > 0 and outside > 0


def test_a_bright_square_that_moves_right_brightens_what_is_right_of_it():
    camera = replace(QUIET, saccades=(Saccade(0, 100_000, 6.0, 0.0), Saccade(200_000, 300_000, 0.0, 0.0)))
    found = camera.record(square(), 0)
    going, back = found.t < 100_000, found.t > 200_000
    assert (going | back).all()
    for part, sign in ((going, 1), (back, -1)):
        x, p = found.x[part].astype(float), found.p[part]
        assert sign * (x[p == 1].mean() - x[p == 0].mean()) > 4
        rows = found.y[part]
        assert rows.min() >= 9 and rows.max() <= 21  # the square's own rows, moved down from the image's


def test_down_is_where_y_grows():
    camera = replace(QUIET, saccades=(Saccade(0, 100_000, 0.0, 6.0), Saccade(200_000, 300_000, 0.0, 0.0)))
    found = camera.record(square(), 0)
    y, p = found.y[found.t < 100_000].astype(float), found.p[found.t < 100_000]
    assert y[p == 1].mean() - y[p == 0].mean() > 4


def test_an_image_shown_inverted_brightens_what_it_leaves():
    camera = replace(
        QUIET, inverted=True, saccades=(Saccade(0, 100_000, 6.0, 0.0), Saccade(200_000, 300_000, 0.0, 0.0))
    )
    found = camera.record(square(), 0)
    x, p = found.x[found.t < 100_000].astype(float), found.p[found.t < 100_000]
    assert x[p == 0].mean() - x[p == 1].mean() > 4


def test_an_image_without_contrast_gives_noise_alone_as_often_as_asked():
    camera = replace(CameraModel(), noise=2.0)
    dark = [camera.record(np.zeros((28, 28), np.uint8), k) for k in range(20)]
    mean = 2.0 * 34 * 34 * camera.duration / 1e6
    assert abs(np.mean([len(found) for found in dark]) - mean) < 4 * (mean / 20) ** 0.5
    assert len(replace(camera, noise=0.0).watch(np.zeros((2, 28, 28), np.uint8), np.arange(2))[1]) == 0


def test_a_higher_threshold_gives_fewer_events():
    counts = [len(replace(QUIET, threshold=value).record(square(), 0)) for value in (0.15, 0.3, 0.6)]
    assert counts[0] > counts[1] > counts[2] > 0


@pytest.mark.parametrize("refractory", [2000, 9000])
def test_no_pixel_fires_twice_within_its_refractory_time(refractory):
    found = replace(QUIET, threshold=0.1, refractory=refractory).record(square(), 0)
    pixel = found.y.astype(int) * 34 + found.x
    order = np.lexsort((found.t, pixel))
    gaps = np.diff(found.t[order])[np.diff(pixel[order]) == 0]
    assert len(gaps) > 100 and gaps.min() >= refractory


def test_what_is_no_square_image_is_refused():
    for images in (np.zeros((2, 28, 27), np.uint8), np.zeros((2, 28, 28))):
        with pytest.raises(ConfigError, match=r"^event camera: images are .*; needed uint8 \(N, S, S\)"):
            CameraModel().watch(images, np.arange(2))
    with pytest.raises(ConfigError, match=r"^event camera: 2 indices for 1 images"):
        CameraModel().watch(np.zeros((1, 28, 28), np.uint8), np.arange(2))
