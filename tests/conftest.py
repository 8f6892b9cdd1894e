"""What all tests share: one thread each, Hypothesis' settings, and in continuous integration no unexpected skip."""

import os

import pytest
from hypothesis import HealthCheck, settings

# Small arrays gain nothing from threads, and those of torch and BLAS fight over the processors that two workers share.
# Set before numpy or torch is imported, and for whatever tests start; a number that is given stays.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Shared machines are slow at odd moments; continuous integration repeats the same examples, people get new ones.
settings.register_profile(
    "crossloom", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("crossloom")

EXPECTED = (
    "Python 3.10 not found",
    "numpy 1.26 not obtainable",
    "shared data not at hand",
    "a spiking library is not installed",
)


def refuse_unexpected_skip(report):
    """Turn a skip into a failure where CI is set, so that no test goes missing quietly."""
    if not report.skipped or not os.environ.get("CI") or hasattr(report, "wasxfail"):
        return report
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if not reason.removeprefix("Skipped: ").startswith(EXPECTED):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped in CI ({reason}); expected are only: {', '.join(EXPECTED)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Look at the skip of one test: called in it, or by a mark."""
    return refuse_unexpected_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """Look at the skip of a whole file: importorskip, or allow_module_level."""
    return refuse_unexpected_skip((yield))
