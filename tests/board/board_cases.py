"""What the tests of the board share: answers that must be the simulator's."""

from crossloom.sim import differing


def is_exact(backend, cases):
    """Every image has the simulator's label, branch and logits."""
    codes, wanted = cases
    assert not differing(wanted, backend.run(codes)).any()
