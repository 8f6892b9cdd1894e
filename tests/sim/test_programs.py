"""Outside programs: what they say, and one line where they fail, are missing or never end."""

import sys

import pytest

from crossloom.sim import DeviceError, InputError
from crossloom.sim.programs import run_program


def script(text):
    return [sys.executable, "-c", text]


def test_what_a_program_says_on_both_outputs_comes_back(tmp_path):
    said = run_program(
        script("import sys, os; print(os.getcwd()); print('x', file=sys.stderr)"), where="t", cwd=tmp_path
    )
    assert said == f"{tmp_path}\nx\n"


@pytest.mark.parametrize("line", ["a.sv:1: ERROR: bad", "error: bad", "%Warning: bad", "fatal Error bad"])
def test_a_failure_names_the_first_complaint_and_not_a_warning_before_it(line):
    lines = ["note: fine", "b.sv:2: Warning: so so", line, "error: another"]
    with pytest.raises(DeviceError) as error:
        run_program(script(f"import sys; print({chr(10).join(lines)!r}); sys.exit(3)"), where="build of x")
    assert str(error.value).startswith("build of x: ")
    assert f"failed (3): {line};" in str(error.value)


def test_a_program_that_lacks_another_is_told_to_install_it():
    with pytest.raises(DeviceError, match=r"sh failed \(127\): .*no-such-tool.*; install what is missing"):
        run_program(["sh", "-c", "no-such-tool"], where="t")


def test_a_missing_or_endless_program_is_told_in_the_errors_of_its_stage():
    with pytest.raises(InputError, match="no program no-such-tool"):
        run_program(["no-such-tool"], where="t", error=InputError)
    with pytest.raises(DeviceError, match=r"ran past 0\.2 s"):
        run_program(script("import time; time.sleep(60)"), where="t", seconds=0.2)
