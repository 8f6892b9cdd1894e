"""The test images of shipped designs, where they travel with them or lie in the folder of shared data."""

import os
from pathlib import Path

import pytest

from crossloom.host import find_design
from crossloom.sim import load

SHARED = Path(os.environ.get("CROSSLOOM_SHARED", Path(__file__).parents[3] / "shared")) / "data"
FOLDERS = {"mnist-snn": SHARED / "mnist", "nmnist-snn": SHARED / "events"}
LEAST = {"digits-cnn": 0.99, "digits-sha": 0.98, "digits-snn": 0.98, "mnist-snn": 0.988, "nmnist-snn": 0.95}


def test_images(name):
    """Images and labels of a design's test set; skips where its data is not at hand."""
    artifact = load(find_design(name))
    golden = artifact.golden
    if golden.inputs is not None:
        return golden.inputs, golden.labels
    if not FOLDERS[name].is_dir():
        pytest.skip("shared data not at hand")
    from crossloom.training.data.given import named_test_images

    given = named_test_images(golden.dataset, artifact.network.classes, str(FOLDERS[name]))
    assert len(given.images) == golden.vectors
    return given.images, given.labels
