"""The snippet of docs/training.md does what the page says."""

import re
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
from brevitas.quant import Int32Bias
from torch import nn

from crossloom.sim import load
from crossloom.training.quantizers import activation_quantizer, weight_quantizer

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


def test_the_snippet_for_a_model_of_ones_own_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    quantizers = {"weight_quant": weight_quantizer(4, False), "bias_quant": Int32Bias}
    names = {
        "model": nn.Sequential(
            qnn.QuantIdentity(activation_quantizer(4, False), return_quant_tensor=True),
            qnn.QuantConv2d(3, 2, 8, stride=8, bias=True, **quantizers),
            qnn.QuantReLU(activation_quantizer(4, False), return_quant_tensor=True),
            nn.Flatten(),
            qnn.QuantLinear(32, 2, bias=True, **quantizers),
        ),
        "values": np.tile(np.linspace(0, 1, 256, dtype=np.float32)[:, None], (1, 3)),
        "images": rng.integers(0, 256, (1000, 32, 32, 3), dtype=np.uint8),
        "test_images": rng.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8),
        "test_labels": rng.integers(0, 2, 10),
    }
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    exec(snippet, names)
    assert names["proof"].samples == 1000
    assert load("mine.loom").network.classes == ("cat", "dog")


def test_the_page_lists_every_key_of_a_recipe_with_its_default():
    from dataclasses import fields

    from crossloom.training.config import (
        AugmentationConfig,
        DataConfig,
        HierarchyConfig,
        QuantizationConfig,
        TrainingConfig,
    )
    from crossloom.training.spiking.settings import SpikingConfig

    text = PAGE.read_text()
    kinds = DataConfig, QuantizationConfig, TrainingConfig, AugmentationConfig, HierarchyConfig, SpikingConfig
    for kind in kinds:
        for field in fields(kind):
            if field.name != "augmentation":
                assert f"`{field.name}`" in text or f" {field.name}`" in text, field.name
