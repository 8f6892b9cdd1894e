"""Scripts that were written against earlier checkouts find what they import."""

from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.estimate import choice
from crossloom.rtl.folding import estimate
from crossloom.rtl.plan import plan
from crossloom.rtl.sizes import Folding as EarlierFolding


def test_earlier_import_paths_lead_to_what_there_is_now():
    assert (estimate, plan, EarlierFolding) == (choice.estimate, compile_network, Folding)
