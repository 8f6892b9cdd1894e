"""Plants one known bug at a time in a copy of the tree and says which test sees it: `make test-mutants`.

The bugs stand in the `.toml` files beside this one. Every entry has a `name`; `file`, a glob such as `rtl/**/*.sv`;
`old`, text that stands once in the files that match, wherever they lie; `new`, what takes its place; and `tests`, what
should fail, the cheapest first: `test_name`, with `[parameters]` or without, or a whole file, `test_x.py` or one with
doctests, each found by its name wherever it lies. `select` chooses among them, as pytest's -k; it may be left out.

A test that fails without the bug, too, has seen nothing: at the end each runs once without it. The exit code is 1 where
a bug survives, where its text or tests are not there any more, or where a source was made that no compiler takes.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import tomllib

T = TypeVar("T")
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STAGES = ("sim", "host", "training", "hls", "rtl")
# What the tests need beside the stages; never an environment, history or the runs of a user.
PARTS = (*STAGES, "tests", "bitstreams", "benchmarks", "docs", "pyproject.toml", "README.md", "CHANGELOG.md")
STATE = ROOT / "runs" / "mutants.json"
KILLED, SURVIVED, LOST = "killed", "SURVIVED", "does not apply"
BROKEN, SLOW, ANYHOW = "is no program", "ran out of time", "seen by a test that fails anyhow"
# A source that no compiler takes is no bug that a test has seen.
_NO_PROGRAM = re.compile(
    r"(Syntax|Indentation|Name)Error|syntax error|(g\+\+|make|\w*verilator\w*) failed \(|%Error-|returned non-zero exit"
)
_SEEN = re.compile(r"^(?:FAILED|ERROR) (\S+?\.py(?:::.+?)?)(?: - .*)?$", re.M)


@dataclass(frozen=True)
class Plant:
    """One bug: `old` becomes `new` in the one file among those matching `file`; one of `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    select: str = ""


@dataclass(frozen=True)
class Verdict:
    """What became of a plant, in one of the words above, with the test that saw it or the reason; `seconds` it took."""

    outcome: str
    words: str = ""
    seconds: float = 0.0


def read_plants(folder: Path = HERE) -> list[Plant]:
    """The plants of every `.toml` in a folder; ValueError where two have one name or an entry has other keys."""
    plants = []
    for path in sorted(folder.glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["plant"]:
            keys = set(entry) - {"select"}
            if keys != {"name", "file", "old", "new", "tests"} or entry["old"] == entry["new"]:
                raise ValueError(f"{path.name}: {entry.get('name')}: needed name, file, old, another new, and tests")
            plants.append(Plant(**{**entry, "tests": tuple(entry["tests"])}))
    names = [plant.name for plant in plants]
    if len(set(names)) != len(names):
        raise ValueError(f"plants: {sorted({n for n in names if names.count(n) > 1})}; names must differ")
    return plants


def _sources(root: Path) -> list[Path]:
    """Every file of the copied parts, without what Python leaves beside them."""
    found: list[Path] = []
    for part in PARTS:
        path = root / part
        found += [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return [p for p in found if "__pycache__" not in p.parts]


def tree_hash(root: Path) -> str:
    """A hash of all that is copied: a verdict counts for the tree that it was found in."""
    digest = hashlib.sha256()
    for path in _sources(root):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(root)} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def place_of(plant: Plant, root: Path) -> tuple[Path | None, str]:
    """The file that a plant changes; None and why where its text does not stand exactly once."""
    counts: dict[Path, int] = {}
    for path in root.glob(plant.file):
        if path.is_file() and "__pycache__" not in path.parts:
            counts[path] = path.read_text(encoding="utf-8").count(plant.old)
    total = sum(counts.values())
    if total != 1:
        return None, f"its text stands {total} times in {len(counts)} files like {plant.file}"
    return next(path for path, count in counts.items() if count), ""


def tests_of(plant: Plant, root: Path) -> tuple[list[str], str]:
    """The pytest arguments of a plant; none and why where a file or function is missing or stands for several."""
    found = []
    for test in plant.tests:
        if test.endswith(".py"):
            places = [p for part in ("tests", *STAGES) for p in sorted((root / part).rglob(test))]
        else:
            head = f"\ndef {test.partition('[')[0]}("
            places = [p for p in sorted((root / "tests").rglob("test_*.py")) if head in p.read_text(encoding="utf-8")]
        if len(places) != 1:
            return [], f"{len(places)} places have {test}"
        path = str(places[0].relative_to(root))
        found.append(path if test.endswith(".py") else f"{path}::{test}")
    return [*found, *(["-k", plant.select] if plant.select else [])], ""


class Tree:
    """A copy of the tree in which tests run with this interpreter, on the copy's own sources."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.root = folder
        self.process: subprocess.Popen[str] | None = None
        for path in _sources(ROOT):
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(str(folder / part) for part in (*STAGES, "tests/mutants")),
            "PYTHONDONTWRITEBYTECODE": "1",  # a planted file may be as long and as old as the right one
            "XDG_CACHE_HOME": str(cache),
            "CI": "true",  # Hypothesis takes the same examples every time
            "COCOTB_RANDOM_SEED": os.environ.get("COCOTB_RANDOM_SEED", "1"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def test(self, arguments: list[str], limit: float) -> tuple[int | None, str]:
        """Run tests: pytest's exit code, None past `limit` seconds, and what it said."""
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "-p",
            "no_shrinking",
        ]
        command += ["--no-header", "--tb=short", "-rfE", "-m", "not long", *arguments]
        with subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as self.process:
            try:
                said, _ = self.process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                self.stop()
                said, _ = self.process.communicate()
                return None, said
        return self.process.returncode, said

    def stop(self) -> None:
        """End the tests that run, with the compilers and simulators that they started: a session of their own."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def verdict(self, plant: Plant, limit: float) -> Verdict:
        """Plant the bug, run its tests, and put the right text back."""
        path, why = place_of(plant, self.root)
        tests, missing = tests_of(plant, self.root)
        if path is None or not tests:
            return Verdict(LOST, why or missing)
        right, start = path.read_text(encoding="utf-8"), time.monotonic()
        try:
            path.write_text(right.replace(plant.old, plant.new), encoding="utf-8")
            code, said = self.test(["-x", *tests], limit)
        finally:
            path.write_text(right, encoding="utf-8")
        seconds = round(time.monotonic() - start, 1)
        seen = _SEEN.search(said)
        if code is None:
            return Verdict(SLOW, f"more than {limit:g} s", seconds)
        if code == 0:
            return Verdict(SURVIVED, ", ".join(plant.tests), seconds)
        # 1: tests failed. 2 to 5: interrupted, an internal error, wrong usage, nothing collected.
        if code != 1 or seen is None:
            return Verdict(LOST, f"pytest ended with {code}: {said.strip()[-100:]!r}", seconds)
        if odd := _NO_PROGRAM.search(said):
            return Verdict(BROKEN, f"{odd[0]!r} in {seen[1]}", seconds)
        return Verdict(KILLED, seen[1], seconds)


def chosen(plants: list[Plant], only: list[str]) -> list[Plant]:
    """The plants whose names match one of the patterns; all without any."""
    return [p for p in plants if not only or any(fnmatch.fnmatch(p.name, pattern) for pattern in only)]


class State:
    """The verdicts of a run in a file, so that one that was stopped goes on; they count for one tree and one text."""

    def __init__(self, path: Path, resume: bool) -> None:
        self.path, self.tree = path, tree_hash(ROOT)
        self.lock = threading.Lock()
        self.found: dict[str, dict[str, object]] = {}
        self.clean: list[str] = []  # tests that pass without a bug
        if resume and path.is_file():
            before = json.loads(path.read_text(encoding="utf-8"))
            if before["tree"] == self.tree:
                self.found, self.clean = before["found"], before["clean"]
            else:
                print("the tree has changed since: starting anew", flush=True)

    def get(self, plant: Plant) -> Verdict | None:
        """The verdict on a plant that is still worded so."""
        entry = self.found.get(plant.name)
        return Verdict(**entry["verdict"]) if entry and entry["plant"] == _text(plant) else None  # type: ignore[arg-type]

    def put(self, plant: Plant, verdict: Verdict) -> None:
        """Keep a verdict."""
        with self.lock:
            self.found[plant.name] = {"plant": _text(plant), "verdict": vars(verdict)}
            self.write()

    def write(self) -> None:
        """Write the file in one step."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".new")
        text = json.dumps({"tree": self.tree, "clean": self.clean, "found": self.found}, indent=1)
        aside.write_text(text, encoding="utf-8")
        aside.replace(self.path)


def _text(plant: Plant) -> str:
    return json.dumps([plant.file, plant.old, plant.new, plant.select, *plant.tests])


class Crew:
    """Some copies of the tree that share work, a thread each; an error or an interrupt stops them all."""

    def __init__(self, trees: list[Tree]) -> None:
        self.trees = trees
        self.failed: list[BaseException] = []

    def share(self, work: Callable[[Tree, T], None], items: Iterable[T]) -> None:
        """Call `work` with a tree of its own for every item; raises what the first that failed raised."""
        waiting: queue.SimpleQueue[T] = queue.SimpleQueue()
        for item in items:
            waiting.put(item)

        def go_on(tree: Tree) -> None:
            try:
                while not self.failed:
                    work(tree, waiting.get_nowait())
            except queue.Empty:
                pass
            except BaseException as error:
                self.failed.append(error)

        threads = [threading.Thread(target=go_on, args=(tree,)) for tree in self.trees]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException as error:  # an interrupt
            self.failed.append(error)
            for tree in self.trees:
                tree.stop()
        if self.failed:
            raise self.failed[0]


def run(plants: list[Plant], state: State, crew: Crew, limit: float) -> dict[str, Verdict]:
    """The verdict on every plant by its name; those that `state` has are taken from it."""
    found = {plant.name: verdict for plant in plants if (verdict := state.get(plant))}

    def one(tree: Tree, plant: Plant) -> None:
        verdict = tree.verdict(plant, limit)
        if crew.failed:  # it was stopped
            return
        state.put(plant, verdict)
        found[plant.name] = verdict
        words = f"{plant.name}: {verdict.outcome} ({verdict.words}; {verdict.seconds:g} s)"
        print(f"[{len(found)}/{len(plants)}] {words}", flush=True)

    crew.share(one, [plant for plant in plants if plant.name not in found])
    return found


def check(found: dict[str, Verdict], state: State, crew: Crew, limit: float) -> dict[str, Verdict]:
    """The verdicts once every test that saw a bug has run without it; those that fail then have seen nothing."""
    tests = sorted({v.words for v in found.values() if v.outcome == KILLED} - set(state.clean))
    files = sorted({test.partition("::")[0] for test in tests})
    wrong: list[str] = []

    def one(tree: Tree, file: str) -> None:
        own = [test for test in tests if test.partition("::")[0] == file]
        code, said = tree.test(own, limit * 4)
        if crew.failed:
            return
        bad = [test for test in own if code != 0 and (code != 1 or test in _SEEN.findall(said))]
        wrong.extend(bad)
        with state.lock:
            state.clean += [test for test in own if test not in bad]
            state.write()
        print(f"without a bug: {file}: {len(own) - len(bad)} of {len(own)} pass", flush=True)

    crew.share(one, files)
    return {n: Verdict(ANYHOW, v.words) if v.outcome == KILLED and v.words in wrong else v for n, v in found.items()}


def main() -> int:
    """Run the command line; 0 when every plant was killed."""
    parser = argparse.ArgumentParser(prog="run.py", description="Plant known bugs and see which test finds each.")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="these alone (repeat; * too)")
    parser.add_argument("--jobs", type=int, default=1, help="plants at a time (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one plant's tests (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="name the plants, where each goes and what should see it")
    parser.add_argument("--resume", action="store_true", help="keep the verdicts of a stopped run on the same tree")
    parser.add_argument("--no-check", action="store_true", help="do not run the tests that saw a bug without it")
    parser.add_argument("--state", type=Path, default=STATE, help="file of the verdicts (default: runs/mutants.json)")
    args = parser.parse_args()
    plants = chosen(read_plants(), args.only)
    if not plants:
        parser.error(f"no plant is called {', '.join(args.only)}")
    if args.list:
        for plant in plants:
            path, why = place_of(plant, ROOT)
            tests, missing = tests_of(plant, ROOT)
            print(f"{plant.name}: {path.relative_to(ROOT) if path else why}: {missing or ' '.join(tests)}")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped either way, it leaves no process behind
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        state = State(args.state, args.resume)
        crew = Crew([Tree(Path(folder) / str(i), Path(folder) / "cache") for i in range(max(1, args.jobs))])
        found = run(plants, state, crew, args.limit)
        if not args.no_check:
            found = check(found, state, crew, args.limit)
    counts = Counter(verdict.outcome for verdict in found.values())
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    print(f"{len(found)} plants: {said}; {time.monotonic() - start:.0f} s")
    for name in sorted(name for name, verdict in found.items() if verdict.outcome != KILLED):
        print(f"  {name}: {found[name].outcome} ({found[name].words})")
    return int(counts[KILLED] != len(found))


if __name__ == "__main__":
    sys.exit(main())
