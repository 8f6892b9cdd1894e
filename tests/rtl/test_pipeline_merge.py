"""Modules of equal content become one before synthesis maps them."""

from crossloom.rtl.yosys.synth import merge_equal

LEAF = """attribute \\keep_hierarchy 1
module {name}
  wire input 1 \\a
  cell $not $n
    connect \\A \\a
  end
end
"""
PARENT = """module {name}
  cell {leaf} \\u_leaf
    connect \\a {net}
  end
end
"""


def test_equal_modules_become_one_bottom_up_and_others_stay():
    made = "autoidx 7\n" + LEAF.format(name="\\leaf$0") + LEAF.format(name="\\leaf$1")
    made += PARENT.format(name="\\p$0", leaf="\\leaf$0", net="\\x") + PARENT.format(
        name="\\p$1", leaf="\\leaf$1", net="\\x"
    )
    made += PARENT.format(name="\\q", leaf="\\leaf$1", net="\\y") + "attribute \\top 1\nmodule \\top\n"
    made += "  cell \\p$0 \\u_0\n  end\n  cell \\p$1 \\u_1\n  end\n  cell \\q \\u_2\n  end\nend\n"
    kept = "autoidx 7\n" + LEAF.format(name="\\leaf$0") + PARENT.format(name="\\p$0", leaf="\\leaf$0", net="\\x")
    kept += PARENT.format(name="\\q", leaf="\\leaf$0", net="\\y") + "attribute \\top 1\nmodule \\top\n"
    kept += "  cell \\p$0 \\u_0\n  end\n  cell \\p$0 \\u_1\n  end\n  cell \\q \\u_2\n  end\nend\n"
    assert merge_equal(made) == kept
