"""Super-classes: read, written and named, and refused where they are none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossloom.sim.errors import ConfigError
from crossloom.training.data.labelled import Dataset
from crossloom.training.hierarchy import (
    Hierarchy,
    from_dataset,
    make_hierarchy,
    read_hierarchy,
    tree,
    write_hierarchy,
)

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from confusions import names

PETS = ("cat", "dog", "carp", "wolf", "lion", "pike")
GROUPS = {"cats": ["lion", "cat"], "Big dogs": ["dog", "wolf"], "fish": ["carp", "pike"]}


def test_classes_by_name_become_indices_and_identifiers() -> None:
    hierarchy = make_hierarchy("pets", GROUPS, PETS, "by hand")
    assert hierarchy.names == ("cats", "big_dogs", "fish")
    assert hierarchy.members == ((0, 4), (1, 3), (2, 5))
    assert hierarchy.coarse.tolist() == [0, 1, 2, 1, 0, 2] and hierarchy.coarse.dtype == np.int64
    assert hierarchy.to_json(PETS) == {
        "origin": "by hand",
        "superclasses": {"cats": ["cat", "lion"], "big_dogs": ["dog", "wolf"], "fish": ["carp", "pike"]},
    }


@pytest.mark.parametrize(
    ("given_names", "expected"),
    [
        (["large carnivores", "people"], ["large_carnivores", "people"]),
        (["a b", "a-b", "a_b"], ["a_b_2", "a_b_3", "a_b"]),
        (["a b", "a_b_2", "a-b"], ["a_b", "a_b_2", "a_b_3"]),
        (["0-4", "5-9"], ["group_0_4", "group_5_9"]),
        (["été", "鳥", "魚"], ["ete", "group", "group_2"]),
        (["x" * 70, "x" * 71], ["x" * 64, "x" * 62 + "_2"]),
        (["Übergröße 1", "__"], ["ubergrosse_1", "group"]),
    ],
)
def test_free_names_become_distinct_identifiers(given_names: list[str], expected: list[str]) -> None:
    classes = names(2 * len(given_names))
    groups = {name: classes[2 * k : 2 * k + 2] for k, name in enumerate(given_names)}
    assert make_hierarchy("x", groups, classes, "test").names == tuple(expected)


BAD_GROUPS: list[tuple[Any, str]] = [
    ({"all": list(PETS)}, "1 super-class; needed 2 to 256"),
    ({}, "class 'cat' and 5 more are in no super-class"),
    ({"a": ["cat", "dog", "carp"], "b": ["wolf", "lion"]}, "class 'pike' is in no super-class"),
    ({"a": ["cat", "dog", "carp"], "b": ["wolf", "lion", "pike", "cat"]}, "class 'cat' is in 'a' and 'b'"),
    ({"a": ["cat", "cat"], "b": ["dog"]}, "class 'cat' is twice in 'a'"),
    ({"a": ["cat", "wolff"], "b": ["dog"]}, "super-class 'a': 'wolff' is unknown.*did you mean 'wolf'"),
    ({"a": [], "b": list(PETS)}, "super-class 'a': no class"),
    ({"a": "cat", "b": ["dog"]}, "super-class 'a': found 'cat'; needed a list"),
    ({"a": ["cat", 3], "b": ["dog"]}, "needed a list of class names"),
    ({"a": {"b": ["cat"]}, "c": ["dog"]}, "super-class 'a': found {'b'.*needed a list"),
    ({"a": None, "b": ["dog"]}, "super-class 'a': found None"),
    ({"": ["cat"], "b": ["dog"]}, "super-class name ''; needed 1 to 80"),
    ({"x\ny": ["cat"], "b": ["dog"]}, r"super-class name 'x\\ny'; needed 1 to 80"),
    ({"x" * 81: ["cat"], "b": ["dog"]}, "super-class name 'xxx.*needed 1 to 80"),
    ({c: [c] for c in PETS}, "6 super-classes of 6 classes; needed fewer"),
]


@pytest.mark.parametrize(("groups", "message"), BAD_GROUPS, ids=[str(i) for i in range(len(BAD_GROUPS))])
def test_groups_that_are_no_hierarchy_are_refused_in_one_line(groups: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^here: .*{message}") as caught:
        make_hierarchy("here", groups, PETS, "test")
    assert "\n" not in str(caught.value) and "; needed" in str(caught.value)


def test_more_super_classes_than_a_network_has_branches_are_refused() -> None:
    classes = names(600)
    groups = {f"g{k}": classes[2 * k : 2 * k + 2] for k in range(300)}
    with pytest.raises(ConfigError, match="300 super-classes; needed 2 to 256"):
        make_hierarchy("here", groups, classes, "test")


@pytest.mark.parametrize(
    ("own_names", "members", "origin", "message"),
    [
        (("a", "b"), ((0, 1), (1, 2)), "x", "leave out or repeat"),
        (("a", "b"), ((0, 1), (3,)), "x", "leave out or repeat"),
        (("a", "b"), ((0, 1, 2), ()), "x", "leave out or repeat"),
        (("a", "b"), ((1, 0), (2,)), "x", "out of order"),
        (("a", "a"), ((0, 1), (2,)), "x", "1 distinct names for 2"),
        (("a", "b", "c"), ((0, 1), (2, 3)), "x", "3 distinct names for 2"),
        (("a", "B"), ((0, 1), (2,)), "x", "'B' is no identifier"),
        (("a", "b"), ((0, 1), (2.0,)), "x", "no integers"),
        (("a", "b"), ((0, 1), (2,)), "x\ny", "origin"),
    ],
)
def test_a_hierarchy_cannot_be_made_inconsistent(own_names: Any, members: Any, origin: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Hierarchy(own_names, members, origin)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_written_hierarchy_is_read_back_equal(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    text = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
    classes = data.draw(st.lists(text, min_size=3, max_size=9, unique=True))
    free = data.draw(st.lists(text, min_size=2, max_size=len(classes) - 1, unique=True))
    rest = data.draw(st.lists(st.sampled_from(free), min_size=len(classes), max_size=len(classes)))
    groups: dict[str, list[str]] = {name: [] for name in free}
    for i, name in enumerate(classes):
        groups[free[i] if i < len(free) else rest[i]].append(name)
    hierarchy = make_hierarchy("x", groups, classes, "by hand")
    path = tmp_path_factory.mktemp("written") / "groups.json"
    write_hierarchy(path, hierarchy, classes)
    first = path.read_bytes()
    assert read_hierarchy(path, classes) == hierarchy
    write_hierarchy(path, read_hierarchy(path, classes), classes)
    assert path.read_bytes() == first


def test_a_plain_mapping_is_read_too_and_its_origin_is_the_files_name(tmp_path: Path) -> None:
    path = tmp_path / "groups.json"
    path.write_text(json.dumps(GROUPS), encoding="utf-8-sig")
    assert read_hierarchy(path, PETS) == make_hierarchy("x", GROUPS, PETS, "file groups.json")
    odd = {"superclasses": GROUPS["cats"], "origin": GROUPS["Big dogs"] + GROUPS["fish"]}
    path.write_text(json.dumps(odd), encoding="utf-8")
    assert read_hierarchy(path, PETS).names == ("superclasses", "origin")


BAD_FILES: list[tuple[bytes, str]] = [
    (b"", "no JSON"),
    (b"{", "no JSON"),
    (b"\xff\xfe{", "byte 0 is not UTF-8"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"a": ' * 100_000, "nested too deeply"),
    (b"[]", r"found \[\]; needed super-classes in JSON"),
    (b"7" * 5000, "no JSON"),
    (b'{"a": ["cat"], "a": ["dog"]}', "key 'a' is there twice"),
    (b'{"superclasses": {"a": ["cat"], "a": ["dog"]}}', "key 'a' is there twice"),
    (b'{"superclasses": {"a": ["cat"]}, "extra": 1}', "key 'extra' is unknown"),
    (b'{"superclasses": {"a": ["cat"]}, "origin": 1}', "origin is 1"),
    (b'{"superclasses": {"a": ["cat"]}, "origin": "a\\nb"}', "origin is 'a"),
    (b'{"superclasses": 3}', "super-class 'superclasses': found 3"),
    (b'{"a": {"b": {"c": ["cat"]}}}', "super-class 'a': found {'b'"),
    (b'{"a": ["\\ud800"], "b": ["dog"]}', r"'\\ud800' is unknown"),
    (b'{"a": [NaN], "b": ["dog"]}', "found .nan"),
    (b" " * (8 << 20) + b"{}", "more than 8388608 bytes"),
]


@pytest.mark.parametrize(("content", "message"), BAD_FILES, ids=[str(i) for i in range(len(BAD_FILES))])
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "groups.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_hierarchy(path, PETS)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text and "; needed" in text
    assert len(text) < len(str(path)) + 300


def test_a_file_that_is_missing_or_cannot_be_written_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path, Path("a\0b")):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_hierarchy(path, PETS)
        hierarchy = make_hierarchy("x", GROUPS, PETS, "test")
        if path != tmp_path / "none.json":
            with pytest.raises(ConfigError, match="cannot be written"):
                write_hierarchy(path, hierarchy, PETS)
    with pytest.raises(ConfigError, match="made of 6 classes; found 5"):
        write_hierarchy(tmp_path / "x.json", hierarchy, PETS[:5])


def test_the_tree_shows_every_class_once_under_its_super_class() -> None:
    classes = tuple(f"kind-{i}" for i in range(60))
    hierarchy = make_hierarchy("x", {"first": classes[:50], "b": classes[50:]}, classes, "by hand")
    lines = tree(hierarchy, classes, [0.25, 0.75]).splitlines()
    assert lines[0] == "60 classes in 2 super-classes (by hand)"
    last = next(i for i, line in enumerate(lines) if line.startswith("`- b       75.0 %  kind-50, "))
    assert lines[1].startswith("|- first   25.0 %  kind-0, ") and max(map(len, lines)) <= 100
    assert all(line.startswith("|  ") for line in lines[2:last])
    assert all(line.startswith("   ") for line in lines[last + 1 :])
    shown = [word.strip(",") for line in lines for word in line.split() if word.startswith("kind-")]
    assert shown == list(classes)
    with pytest.raises(ConfigError, match="1 shares for 2"):
        tree(hierarchy, classes, [1.0])


def dataset_of(superclasses: tuple[str, ...] | None) -> Dataset:
    labels = np.repeat(np.arange(6), 3)
    images = np.arange(18, dtype=np.uint8).reshape(18, 1, 1, 1)
    train, validation, test = (np.arange(18)[i::3] for i in range(3))
    return Dataset("zoo", PETS, 256, images, labels, train, validation, test, superclasses)


def test_a_data_set_with_super_classes_brings_its_hierarchy() -> None:
    hierarchy = from_dataset(dataset_of(("Cats", "dogs", "fish", "dogs", "Cats", "fish")))
    assert hierarchy == Hierarchy(("cats", "dogs", "fish"), ((0, 4), (1, 3), (2, 5)), "data set zoo")
    assert from_dataset(dataset_of(None)) is None


def test_hierarchies_are_read_without_torch_or_scikit_learn() -> None:
    blocked = "import sys; sys.modules.update(torch=None, sklearn=None, brevitas=None)"
    code = f"{blocked}; import crossloom.training.hierarchy, crossloom.training.data.loading"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
