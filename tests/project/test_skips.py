"""The guard against unexpected skips does guard."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"


@pytest.mark.parametrize(
    ("reason", "ci", "code"),
    [("tool not found", "true", 1), ("tool not found", "", 0), ("Python 3.10 not found", "true", 0)],
)
def test_an_unexpected_skip_fails_in_ci_alone(tmp_path, reason, ci, code):
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text())
    (tmp_path / "test_it.py").write_text(
        f"import pytest\ndef test_it():\n    pytest.skip({reason!r})\ndef test_ok():\n    pass\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "CI"} | ({"CI": ci} if ci else {})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    found = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == code, found.stdout
    assert ("skipped in CI" in found.stdout) == bool(code)
