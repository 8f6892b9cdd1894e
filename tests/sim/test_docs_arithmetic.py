"""The worked examples of docs/arithmetic.md give what the page says."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "arithmetic.md"


def test_every_worked_example_of_the_arithmetic_page_is_true():
    result = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.REPORT_NDIFF)
    assert result.failed == 0
    assert result.attempted > 30


def test_every_operator_has_its_section():
    text = PAGE.read_text()
    for name in (
        "Dense",
        "Conv2d",
        "Requant",
        "Threshold",
        "MaxPool",
        "SumPool",
        "Add",
        "Concat",
        "Flatten",
        "LeakyReLU",
        "LIF",
        "Encoders",
        "Route",
    ):
        assert any(line.startswith("## ") and name in line for line in text.splitlines()), name
