"""The RTL tests build with Verilator, cocotb and Yosys for minutes: they run in `make test-long`."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Mark every test of this folder as long."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.long)
