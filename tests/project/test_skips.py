"""The guard against unexpected skips does guard."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
# Every way in which pytest skips, as the source of a test file; and an expected failure, which looks like one.
WAYS = {
    "call": "import pytest\ndef test_it():\n    pytest.skip({reason!r})\n",
    "mark": "import pytest\n@pytest.mark.skip(reason={reason!r})\ndef test_it():\n    pass\n",
    "condition": "import pytest\n@pytest.mark.skipif(True, reason={reason!r})\ndef test_it():\n    pass\n",
    "fixture": "import pytest\n@pytest.fixture\ndef tool():\n    pytest.skip({reason!r})\n"
    "def test_it(tool):\n    pass\n",
    "file": "import pytest\npytest.skip({reason!r}, allow_module_level=True)\n",
    "import": "import pytest\npytest.importorskip('no_such_module', reason={reason!r})\n",
    "unittest": "import unittest\nclass TestIt(unittest.TestCase):\n    def test_it(self):\n"
    "        self.skipTest({reason!r})\n",
    "xfail": "import pytest\n@pytest.mark.xfail(reason={reason!r})\ndef test_it():\n    assert False\n",
}


def run(folder, ways, reason, ci, *options):
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    for way in ways:
        (folder / f"test_{way}.py").write_text(WAYS[way].format(reason=reason))
    (folder / "test_ok.py").write_text("def test_ok():\n    pass\n")
    environment = {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    return subprocess.run(
        [*command, *options, str(folder)],
        env=environment | ({"CI": ci} if ci else {}),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


SKIPS = [way for way in WAYS if way != "xfail"]


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "workers share the tests"])
def test_every_unexpected_skip_fails_in_ci(tmp_path, options):
    found = run(tmp_path, SKIPS, "tool not found", "true", *options)
    assert found.returncode in (1, 2), found.stdout
    for way in SKIPS:
        assert f"test_{way}.py" in found.stdout
    assert found.stdout.count("skipped in CI (") >= len(SKIPS) and "tool not found" in found.stdout
    failed, passed, errors = (
        int((re.search(rf"(\d+) {what}", found.stdout) or [0, 0])[1]) for what in ("failed", "passed", "error")
    )
    assert (failed + errors, passed) == (len(SKIPS), 1)


@pytest.mark.parametrize(("reason", "ci"), [("tool not found", ""), ("Python 3.10 not found", "true")])
def test_expected_skips_and_those_on_a_persons_machine_pass(tmp_path, reason, ci):
    found = run(tmp_path, WAYS, reason, ci)
    assert found.returncode == 0, found.stdout
    assert f"1 passed, {len(SKIPS)} skipped, 1 xfailed" in found.stdout


def test_an_expected_failure_stays_expected_in_ci(tmp_path):
    found = run(tmp_path, ["xfail"], "tool not found", "true")
    assert found.returncode == 0, found.stdout
    assert "1 passed, 1 xfailed" in found.stdout
