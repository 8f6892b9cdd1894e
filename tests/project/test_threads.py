"""Tests and what they start have one thread, unless a number is given."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = "import os, runpy, sys; runpy.run_path('tests/conftest.py'); print(*map(os.environ.get, sys.argv[1:]))"


def threads(**given):
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
    environment = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, "-c", CODE, *names]
    done = subprocess.run(command, cwd=ROOT, env={**environment, **given}, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_torch_and_blas_have_one_thread_before_anything_imports_them():
    assert threads() == ["1", "1"]
    assert threads(OMP_NUM_THREADS="3") == ["3", "1"]
    assert os.environ["OMP_NUM_THREADS"] and os.environ["OPENBLAS_NUM_THREADS"]
