"""Nearly right arguments of export are taken for what they can only mean, or refused in one line with the remedy."""

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas_models import CLASSES, VALUES, Applied, act, conv, dense, images, relu, seq
from torch import nn
from torch.nn import functional

from crossloom.sim import CrossloomError, ExportError, load
from crossloom.sim.identity import weights_sha256
from crossloom.training.prove import export_model, export_routed, write_artifact


def _model():
    torch.manual_seed(0)
    return seq(act(8), conv(3, 4), relu(), nn.Flatten(), dense(144))


def _export(**changes):
    given = {"model": _model(), "name": "m", "classes": CLASSES, "shape": (8, 8, 3), "values": VALUES}
    given |= {"images": images(count=20)} | changes
    return export_model(given.pop("model"), **given)


TAKEN = {
    "shape as a list": {"shape": [8, 8, 3]},
    "shape of numpy's integers": {"shape": tuple(np.array([8, 8, 3]))},
    "shape as torch's": {"shape": torch.Size([8, 8, 3])},
    "classes as a list": {"classes": list(CLASSES)},
    "classes as an array": {"classes": np.array(CLASSES)},
    "values of one axis": {"values": VALUES[:, 0]},
    "values as a list": {"values": VALUES.tolist()},
    "values in float64": {"values": VALUES.astype(np.float64)},
    "values as a tensor": {"values": torch.from_numpy(VALUES)},
    "images as a tensor": {"images": torch.from_numpy(images(count=20))},
    "images as a list": {"images": images(count=20).tolist()},
    "images of int64": {"images": images(count=20).astype(np.int64)},
    "a wrapped model": {"model": nn.DataParallel(_model())},
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_an_argument_can_only_mean_is_taken(name):
    found, _ = _export(**TAKEN[name])
    assert weights_sha256(found) == weights_sha256(_export()[0])


REFUSED = {
    "a shape of two": ({"shape": (8, 8)}, "shape: (8, 8); needed (H, W, C); of grey images write (8, 8, 1)"),
    "a shape of four": ({"shape": (1, 8, 8, 3)}, "shape: (1, 8, 8, 3); needed (H, W, C) of one image"),
    "a shape of zero": ({"shape": (0, 8, 3)}, "shape: (0, 8, 3); needed (H, W, C)"),
    "a shape as a number": ({"shape": 8}, "shape: 8; needed (H, W, C)"),
    "no shape": ({"shape": None}, "shape: None; needed (H, W, C)"),
    "a shape of fractions": ({"shape": (8.5, 8, 3)}, "shape: (8.5, 8, 3); needed"),
    "channels first": ({"images": images(count=20).transpose(0, 3, 1, 2)}, "write images.transpose(0, 2, 3, 1)"),
    "a single image": ({"images": images(count=2)[0]}, "write images[None] for a single one"),
    "no image": ({"images": images(count=2)[:0]}, "images: 0 images; needed at least 1"),
    "an empty list of images": ({"images": []}, "images: "),
    "images as floats": ({"images": images(count=3) / 255}, "images: float64; needed uint8"),
    "images beyond a byte": ({"images": images(count=3).astype(np.int64) + 1}, "images: int64; needed uint8"),
    "images of other sizes": ({"images": images((9, 9, 3), 3)}, "images: shape [3, 9, 9, 3]; needed (N, 8, 8, 3)"),
    "no images at all": ({"images": None}, "images: object; needed uint8"),
    "classes in one text": ({"classes": "abc"}, "classes: 'abc'; needed the name of every class, in a tuple"),
    "the number of classes": ({"classes": 3}, "classes: 3; needed the name of every class"),
    "one class": ({"classes": ["yes"]}, "classes: 1 of them; the model has 3 logits; needed a name for each"),
    "no class": ({"classes": []}, "classes: 0 of them; needed 1 or more; name every class"),
    "classes as numbers": ({"classes": range(3)}, "classes: 0 is no name; needed text: [str(c) for c in classes]"),
    "values as a function": ({"values": lambda u: u / 255}, "values: function; needed float32 of (256, 1) or (256, 3)"),
    "values the other way round": ({"values": np.zeros((3, 256), np.float32)}, "values: shape [3, 256]; needed"),
    "values that are not finite": ({"values": VALUES * np.nan}, "values: one is not finite"),
    "too few values": ({"values": VALUES[:100]}, "value 255"),
    "a class instead of a model": ({"model": qnn.QuantReLU}, "model: the class QuantReLU; needed a model: QuantReLU()"),
    "weights instead of a model": ({"model": _model().state_dict()}, "needed an nn.Module; load it into one"),
    "a path instead of a model": ({"model": "model.pt"}, "model: str; needed an nn.Module; give the trained model"),
    "a model in double": ({"model": _model().double()}, "needed float32: model.float()"),
    "a name with spaces": ({"name": "my net"}, "name 'my net'; needed lower-case letters"),
    "no name": ({"name": None}, "network: name 'None'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_argument_that_nobody_can_know_is_refused_in_one_line(name):
    changes, words = REFUSED[name]
    with pytest.raises(CrossloomError) as caught:
        _export(**changes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def _log_softmax(m, x):
    return functional.log_softmax(m.fc(m.q(x).value.flatten(1)), dim=1)


def _forward(forward, **parts):
    return Applied(forward, **{"q": act(8), "fc": dense(192, bias=False)} | parts)


class _Two(nn.Module):
    def forward(self, x, mask):
        return x


class _Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = _model()

    def forward(self, x, mask=None, scale=1):
        return self.net(x) if mask is None else self.net(x * mask)


class _Hidden(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [act(8)]

    def forward(self, x):
        return self.layers[0](x)


FORWARDS = {
    "a softmax": (lambda: seq(act(8), nn.Flatten(), dense(192), nn.LogSoftmax(1)), "LogSoftmax has no exact integer"),
    "a function of it": (lambda: _forward(_log_softmax), "leave it out of the model that is exported"),
    "a sigmoid": (lambda: seq(act(8), nn.Flatten(), dense(192), nn.Sigmoid()), "leave it out of the model"),
    "a sigmoid inside": (
        lambda: seq(act(8), nn.Flatten(), dense(192), nn.Sigmoid(), act(8), dense(3)),
        "has no exact integer form here; needed one of QuantConv2d",
    ),
    "the greatest of a row": (
        lambda: _forward(lambda m, x: m.fc(m.q(x).value.amax(3).flatten(1)), fc=dense(24, bias=False)),
        "maximum over 3; needed (2, 3), the whole image",
    ),
    "a branch on values": (
        lambda: _forward(lambda m, x: m.fc(m.q(x).flatten(1)) if x.sum() > 0 else x),
        "it branches on the values of a tensor at test_export_arguments.py",
    ),
    "the length of a batch": (
        lambda: _forward(lambda m, x: m.fc(m.q(x).view(len(x), -1))),
        "it asks for the length of a batch at test_export_arguments.py",
    ),
    "a loop over images": (
        lambda: _forward(lambda m, x: torch.stack([m.fc(m.q(i).flatten()) for i in x])),
        "it iterates over a tensor",
    ),
    "a layer in a list": (_Hidden, "it calls a layer that is not registered"),
    "a second input": (_Two, "a second input 'mask'"),
    "an assignment": (lambda: _forward(_assigned), "its forward fails at test_export_arguments.py"),
    "a mistake of its own": (lambda: _forward(lambda m, x: m.nothing(x)), "its forward fails at test_export_arguments"),
    "a pool on floats": (lambda: seq(nn.AvgPool2d(2), act(8), nn.Flatten(), dense(48)), "put a QuantIdentity first"),
    "an addition to a sum": (
        lambda: _forward(lambda m, x: m.fc((m.c(m.q(x)) + m.q(x).value).flatten(1)), c=conv(3, 3, padding=1)),
        "put a QuantIdentity before it",
    ),
    "a join of sums": (
        lambda: _forward(
            lambda m, x: m.fc(torch.cat([m.c(m.q(x)), m.c(m.q(x))], 1).flatten(1)),
            **{"c": conv(3, 3, padding=1), "fc": dense(384, bias=False)},
        ),
        "it reads a sum that is not quantized; put a QuantReLU or QuantIdentity before it",
    ),
    "a join of scales": (
        lambda: _forward(
            lambda m, x: m.fc(torch.cat([m.q(x).value, m.q2(m.q(x)).value], 1).flatten(1)),
            **{"q2": act(3), "fc": dense(384, bias=False)},
        ),
        "needed one scale: quantize all of them by one QuantIdentity",
    ),
    "an average of a sum": (
        lambda: seq(act(8), conv(3, 4), nn.AvgPool2d(2), relu(), nn.Flatten(), dense(36)),
        "it reads a sum that is not quantized; put a QuantReLU or QuantIdentity before it",
    ),
    "a bias without the scale of what its layer reads": (
        lambda: _forward(lambda m, x: m.fc(m.q(x).value.flatten(1)), fc=dense(192)),
        "(fc: Input scale required); needed return_quant_tensor=True in the quantizer before it",
    ),
    "a flatten of the batch": (
        lambda: _forward(lambda m, x: m.fc(m.q(x).value.flatten())),
        "model: it does not run on an image of [8, 8, 3]",
    ),
    "a view that mixes images": (
        lambda: _forward(lambda m, x: m.fc(m.q(x).value.view(-1, 3, 64).flatten(1))),
        "it makes [3, 8, 8] a sample into [3, 64]; needed flatten(1)",
    ),
}


def _assigned(m, x):
    x[0] = 0
    return m.fc(m.q(x).flatten(1))


@pytest.mark.parametrize("name", FORWARDS)
def test_a_forward_that_cannot_be_exported_is_refused_with_its_own_cause(name):
    build, words = FORWARDS[name]
    with pytest.raises(ExportError) as caught:
        _export(model=build())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "Requant" not in str(caught.value) and "Threshold" not in str(caught.value)


# -- what is written can be read --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proved():
    return _export()


WRITES = {
    "labels as a list": ({"labels": [0, 1, 2, 0, 1]}, None),
    "labels as a tensor": ({"labels": torch.tensor([0, 1, 2, 0, 1])}, None),
    "labels of another integer": ({"labels": np.zeros(5, np.uint8)}, None),
    "no data set": ({"dataset": None}, "dataset: None; needed the name of the test images, as text"),
    "an empty data set": ({"dataset": ""}, "dataset: ''; needed the name"),
    "a data set as an object": ({"dataset": [1]}, "dataset: [1]; needed the name"),
    "labels in one-hot": ({"labels": np.eye(5)}, "labels: float64 of shape [5, 5]; needed integers of (5,)"),
    "labels as names": ({"labels": ["a"] * 5}, "needed integers of (5,), the class index of each image"),
    "labels as floats": ({"labels": np.zeros(5)}, "labels: float64 of shape [5]; needed integers"),
    "too few labels": ({"labels": [0]}, "labels: int64 of shape [1]; needed integers of (5,)"),
    "labels from one": ({"labels": [1, 2, 3, 1, 2]}, "labels: 1..3; needed class indices, 0..2; count from 0"),
    "negative labels": ({"labels": [-1, 2, 0, 1, 2]}, "labels: -1..2; needed class indices"),
    "no test images": ({"images": images(count=2)[:0], "labels": []}, "images: 0 images; needed at least 1"),
    "test images as floats": ({"images": images(count=5) / 255}, "images: float64; needed uint8"),
    "no info": ({"info": None}, "info: NoneType; needed a dict"),
    "info that is no JSON": ({"info": {"seed": np.int64(3)}}, "info: it is no JSON"),
    "info that is not finite": ({"info": {"loss": float("nan")}}, "info: it is no JSON"),
    "info of numbers": ({"info": {1: 2}}, "info: dict; needed a dict of names to values"),
}


@pytest.mark.parametrize("name", WRITES)
def test_what_is_written_can_be_read_and_anything_else_is_not_written(proved, name, tmp_path):
    changes, words = WRITES[name]
    given = {"dataset": "noise test", "images": images(count=5), "labels": np.zeros(5, np.int64), "info": {}} | changes
    if words is None:
        write_artifact(tmp_path / "x.loom", *proved, **given)
        assert load(tmp_path / "x.loom").info["dataset"] == "noise test"
        return
    with pytest.raises(ExportError) as caught:
        write_artifact(tmp_path / "x.loom", *proved, **given)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_branches_given_without_names_are_refused():
    parts = [seq(nn.Flatten(), dense(192, 2)) for _ in range(2)]
    with pytest.raises(ExportError, match=r"branches: list; needed their modules by name"):
        export_routed(
            act(8),
            parts[0],
            parts,
            ((0,), (1, 2)),
            **{"name": "m", "classes": CLASSES, "shape": (8, 8, 3), "values": VALUES, "images": images(count=5)},
        )


def test_further_inputs_of_a_forward_keep_their_defaults():
    network, _ = _export(model=_Masked())
    assert len(network.nodes) == 4
