"""What hls4ml cannot express is refused by name, before anything is written."""

import re
from dataclasses import replace

import numpy as np
import pytest
from expressible import expressible_network
from hls4ml_cores import refusal, taken
from hls4ml_networks import conv, dense, head, network_of, requant

from crossloom.hls import HlsError
from crossloom.hls import hls4ml_writer as writer
from crossloom.hls.hls4ml_model import take_apart
from crossloom.hls.hls4ml_project import write_core
from crossloom.host import find_design
from crossloom.sim import Concat, Count, Flatten, MaxPool, QType, SumPool, Threshold, load, random_network

pytest.importorskip("hls4ml")


def test_every_random_network_is_taken_or_refused_by_name():
    reasons = "|".join(["operator threshold", "padding", "windows", "the sum of", "clipping", "a kernel", "a shift"])
    refusals = [refusal(random_network(seed)) for seed in range(100)]
    assert None in refusals
    for found in filter(None, refusals):
        assert re.search(rf"^random-\d+-5: (branch '\w+': )?node '\w+' \(\w+\): ({reasons})", found)
    assert len(taken(map(expressible_network, range(100)))) >= 95


def test_a_type_that_nobody_names_is_refused(tmp_path):
    network = network_of([("flat", Flatten(), ("input",)), ("logits", dense(4, 72), ("flat",))])
    (project,) = take_apart(network).projects
    layers = tuple(
        replace(layer, types={k: v for k, v in layer.types.items() if k != "bias"}) for layer in project.layers
    )
    with pytest.raises(HlsError, match="left a type at its default"):
        writer.write_project(replace(project, layers=layers), "crossloom_made", tmp_path, "made")


SMALL = QType(0, 15)
REFUSED = {
    "operator threshold": [
        ("conv", conv(2, 2), ("input",)),
        ("bits", Threshold(np.array([[0]]), -1, 2, 0), ("conv",)),
        *head("bits", 32),
    ],
    "padding with code 5": [
        ("conv", conv(2, 2, pad=(1, 1, 1, 1), pad_code=5), ("input",)),
        ("codes", requant(6, SMALL, 0), ("conv",)),
        *head("codes", 72),
    ],
    "a kernel [1, 3] at stride [2, 1]": [
        ("conv", conv(2, 2, kernel=(1, 3), stride=(2, 1)), ("input",)),
        ("codes", requant(6, SMALL, 0), ("conv",)),
        *head("codes", 24),
    ],
    "windows [3, 3] at stride [2, 2]": [("pool", MaxPool((3, 3), (2, 2)), ("input",)), *head("pool", 8)],
    "padding [1, 0, 0, 0] of a pool": [("pool", MaxPool((2, 2), (2, 2), (1, 0, 0, 0)), ("input",)), *head("pool", 18)],
    "the sum of 9 codes": [
        ("pool", SumPool((3, 3), (3, 3)), ("input",)),
        ("codes", requant(4, SMALL, 0), ("pool",)),
        *head("codes", 8),
    ],
    "clipping to 0..12": [
        ("conv", conv(2, 2), ("input",)),
        ("codes", requant(2, QType(0, 12), 4), ("conv",)),
        *head("codes", 32),
    ],
    "a shift of 12 from 8 bits": [("codes", requant(12, SMALL, -8), ("input",)), *head("codes", 72)],
    "flattened pixels read by requant": [
        ("flat", Flatten(), ("input",)),
        ("codes", requant(2, SMALL, 2), ("flat",)),
        ("logits", dense(4, 72), ("codes",)),
    ],
    "operator count": [("sum", Count(), ("input",)), ("codes", requant(1, SMALL, 3), ("sum",)), *head("codes", 72)],
    "8 readers": [
        *((f"codes{i}", requant(2, SMALL, 2), ("input",)) for i in range(8)),
        ("all", Concat(), tuple(f"codes{i}" for i in range(8))),
        *head("all", 576),
    ],
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_hls4ml_cannot_express_is_refused_by_name_before_anything_is_written(reason, tmp_path):
    network = network_of(REFUSED[reason])
    with pytest.raises(HlsError) as caught:
        write_core(network, tmp_path / "out")
    text = str(caught.value)
    assert reason in text and "use the native flow" in text and text.startswith("made: ") and "\n" not in text
    assert not (tmp_path / "out").exists()


def test_a_coarse_head_that_reads_inside_the_trunk_is_refused():
    sha = load(find_design("digits-sha")).network
    nodes = [replace(n, inputs=("conv2_relu",)) if n.name == "coarse_maxpool1" else n for n in sha.nodes]
    size = 8 // 3 * (8 // 3) * 8
    nodes = [replace(n, op=dense(16, size)) if n.name == "coarse_dense3" else n for n in nodes]
    nodes = [replace(n, op=requant(2, QType(0, 15), 0)) if n.name == "coarse_dense3_relu" else n for n in nodes]
    network = replace(sha, nodes=tuple(nodes))
    assert "a coarse head that reads 'conv2_relu' besides" in refusal(network)


def test_a_clip_that_the_sum_never_reaches_is_no_reason_to_refuse():
    nodes = [("codes", requant(4, QType(-9, 12), 0), ("input",)), *head("codes", 72)]
    assert refusal(network_of(nodes)) is None
    assert refusal(network_of(nodes, type_=QType(-128, 300, 4))) is not None
