"""The house's shape, read from the source: no circles of imports, no file too long, no name for two things."""

import ast
from pathlib import Path

import pytest
from test_layout import ALLOWED, ROOT, named, sources

LONGEST = 400


def module_of(path):
    """The full name of a source file's module; a package's __init__ is the package."""
    return ".".join(path.with_suffix("").parts[1:]).removesuffix(".__init__")


def imports(texts):
    """Each module's imports, at any depth of its text, among the modules themselves: {name: set of names}.

    `texts` are sources by path. Importing a name from a package counts for the module of that name, or else for the
    package; packages that are passed through on the way to a module do not count.
    """
    modules = {module_of(path) for path in texts}
    found = {}
    for path, text in texts.items():
        of_file = found.setdefault(module_of(path), set())
        for node in ast.walk(ast.parse(text)):
            for name in named(node, path.parts[1:-1]):
                while name and name not in modules:
                    name = name.rpartition(".")[0]
                of_file.add(name)
        of_file -= {"", module_of(path)}
    return found


def circles(graph):
    """The sets of modules that import each other, directly or through others."""
    reach = {name: set(found) for name, found in graph.items()}
    changed = True
    while changed:
        changed = False
        for found in reach.values():
            more = set().union(*(reach.get(name, set()) for name in found)) - found
            changed |= bool(more)
            found |= more
    groups = {frozenset({name, *(n for n in reach[name] if name in reach.get(n, ()))}) for name in reach}
    return {group for group in groups if len(group) > 1}


def _part(one, other):
    """Whether one of two folders is the other or lies in it."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def folders(texts):
    """Which folders inside a stage import which others: {folder: set of folders}; a folder and its parts are one."""
    home = {module_of(path): path.parent.as_posix() for path in texts if len(path.parts) > 4}
    found = {folder: set() for folder in home.values()}
    for name, names in imports(texts).items():
        if name in home:
            found[home[name]] |= {home[n] for n in names if n in home and not _part(home[n], home[name])}
    return found


def shadowed(texts):
    """Names that a package's __init__ takes from one of its modules though another of its modules is called so."""
    modules = {module_of(path) for path in texts}
    found = set()
    for path in texts:
        if path.name != "__init__.py":
            continue
        package = module_of(path)
        for node in ast.walk(ast.parse(texts[path])):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {f"{package}.{alias.asname or alias.name}" for alias in node.names}
                found |= names & modules
    return found


def texts():
    return {path: (ROOT / path).read_text() for path in sources()}


def lengths():
    """Lines of every source and test file, by its path."""
    folders = [ROOT / folder for folder in (*ALLOWED, "tests")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".sv", ".hpp", ".cpp")]
    return {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in files}


def test_no_modules_import_each_other_in_a_circle():
    assert {tuple(sorted(group)) for group in circles(imports(texts()))} == set()


def test_no_folders_of_a_stage_import_each_other():
    assert {tuple(sorted(group)) for group in circles(folders(texts()))} == set()


def test_no_file_is_too_long():
    assert {path: count for path, count in lengths().items() if count > LONGEST} == {}


def test_no_module_is_called_like_a_name_that_its_package_exports():
    assert shadowed(texts()) == set()


def planted(modules):
    return {Path("sim/crossloom/sim", f"{name}.py"): text for name, text in modules.items()}


@pytest.mark.parametrize(
    "modules",
    [
        {"a": "from .b import x", "b": "import crossloom.sim.a"},
        {"a": "def f():\n    from . import b", "b": "def f():\n    from .a import x"},
        {"a": "from .b import x", "b": "from .c import x", "c": "from crossloom.sim.a import x"},
        {"a": "if TYPE_CHECKING:\n    from .b import x", "b": "from .a import x"},
        {"a": "from .inner.b import x", "inner/b": "from ..a import x"},
        {"inner/__init__": "from .b import x", "inner/b": "from . import y"},
    ],
)
def test_the_measure_of_circles_sees_one(modules):
    assert len(circles(imports(planted(modules)))) == 1


def test_the_measure_of_circles_sees_folders_that_import_each_other():
    modules = {"one/a": "from ..two.b import x", "one/c": "", "two/b": "", "two/d": "from ..one.c import x"}
    assert circles(imports(planted(modules))) == set()
    (found,) = circles(folders(planted(modules)))
    assert sorted(found) == ["sim/crossloom/sim/one", "sim/crossloom/sim/two"]
    assert circles(folders(planted({"a": "from .one.b import x", "one/b": "from ..c import x", "c": ""}))) == set()


def test_the_measure_of_circles_sees_none_where_imports_point_one_way():
    a = "from .b import x\nfrom .c import x"
    one_way = planted({"a": a, "b": "from .c import x", "c": "import numpy", "d": "from . import a"})
    assert imports(one_way)["crossloom.sim.a"] == {"crossloom.sim.b", "crossloom.sim.c"}
    assert circles(imports(one_way)) == set()


def test_the_measure_of_names_sees_a_function_called_like_a_module_and_lets_a_module_pass():
    again = planted({"__init__": "from .a import a, b\nfrom .c import d", "a": "", "b": "", "c": ""})
    assert shadowed(again) == {"crossloom.sim.a", "crossloom.sim.b"}
    assert shadowed(planted({"__init__": "from . import a\nfrom .a import f", "a": ""})) == set()


def test_the_measure_of_lengths_sees_sources_of_every_kind():
    kinds = {(path.partition("/")[0], path.rpartition(".")[2]) for path in lengths()}
    assert kinds >= {*((stage, "py") for stage in (*ALLOWED, "tests")), ("rtl", "sv"), ("hls", "hpp"), ("tests", "sv")}
