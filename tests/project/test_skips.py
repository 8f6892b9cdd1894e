"""The guard against unexpected skips does guard."""

import os
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


def run(folder, way, reason, ci, *options):
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    (folder / "test_it.py").write_text(WAYS[way].format(reason=reason))
    (folder / "test_ok.py").write_text("def test_ok():\n    pass\n")
    environment = {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(
        command, env=environment | ({"CI": ci} if ci else {}), cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("way", [way for way in WAYS if way != "xfail"])
def test_an_unexpected_skip_fails_in_ci(tmp_path, way):
    found = run(tmp_path, way, "tool not found", "true")
    assert found.returncode in (1, 2), found.stdout
    assert "skipped in CI" in found.stdout
    assert "tool not found" in found.stdout


@pytest.mark.parametrize("way", ["call", "file"])
def test_an_unexpected_skip_fails_in_ci_when_workers_share_the_tests(tmp_path, way):
    found = run(tmp_path, way, "tool not found", "true", "-n", "2")
    assert found.returncode in (1, 2), found.stdout
    assert "skipped in CI" in found.stdout


@pytest.mark.parametrize("way", ["call", "mark", "file"])
@pytest.mark.parametrize(("reason", "ci"), [("tool not found", ""), ("Python 3.10 not found", "true")])
def test_an_expected_skip_and_one_on_a_persons_machine_pass(tmp_path, way, reason, ci):
    found = run(tmp_path, way, reason, ci)
    assert found.returncode == 0, found.stdout
    assert "1 passed, 1 skipped" in found.stdout


def test_an_expected_failure_stays_expected_in_ci(tmp_path):
    found = run(tmp_path, "xfail", "tool not found", "true")
    assert found.returncode == 0, found.stdout
    assert "1 passed, 1 xfailed" in found.stdout
