"""Networks of other programs, files or modules, brought to exact integers, with what that changes measured."""
