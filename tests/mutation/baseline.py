"""What the tests do on code that is not changed: which of them run which line, and what each takes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rooms import Room

_NEAR = 12
"""Lines before and behind a mutant that tell for whom a test was written."""


class Copy:
    """A copy of the repository, so that a run that is killed leaves no change behind in ours."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.root = folder / "repository"
        skipped = shutil.ignore_patterns(".git", ".venv", ".mutation", "__pycache__", ".hypothesis", "build", "runs")
        shutil.copytree(repository, self.root, ignore=skipped, symlinks=True)
        shared = (repository.parent / "shared").resolve()
        if shared.is_dir():
            (folder / "shared").symlink_to(shared)
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.temporary = folder / "tmp"
        os.chdir(self.root)
        os.environ["PYTHONPATH"] = os.pathsep.join((str(self.root), str(self.root / "plugins")))
        sys.path[:0] = [str(self.root), str(self.root / "plugins")]

    def change(self, path: str, code: str) -> Callable[[], None]:
        """Write a module anew; what is returned undoes it."""
        file = self.root / path
        before, stat = file.read_bytes(), file.stat()
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            compiled.unlink()
        file.write_text(code)

        def undo() -> None:
            file.write_bytes(before)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

        return undo


class Baseline:
    """Which tests run each line and how long they take, on code that is not changed. Kept for each file of tests.

    Besides the room's own tests it knows those of other rooms that earlier runs have written down, `--map` all of them.
    With `again`, test files that have changed are not run anew: what is new in them may run any line.
    """

    def __init__(self, room: Room, copy: Copy, folder: Path, *, again: bool = False) -> None:
        self.room = room
        self._again = again
        self._failed: set[str] = set()
        self.seconds: dict[str, float] = {}
        self.lines: dict[str, dict[int, set[str]]] = {path: {} for path in room.modules}
        """By module and line the tests that run it; an empty name stands for the collection of tests."""
        self._digests = {path: _digest(copy.root / path) for path in _modules(copy.root)}
        self.files: list[str] = []
        """Of tests: the room's, and whoever else runs a line of it when called."""
        for file in dict.fromkeys([*room.tests, *suite(copy.root)]):
            kept = folder / f"{Path(file).stem}.json"
            known = self._known(room, copy, file, kept)
            if known is None and file in room.tests:
                known = self._asked(room, copy, file, kept)
            if known is not None:
                self._take(file, known)
        self.breadth = Counter(
            test for by_line in self.lines.values() for tests in by_line.values() for test in tests if test
        )
        """How many lines of the room each test runs."""

    def _take(self, file: str, known: dict[str, Any]) -> None:
        own = file in self.room.tests
        lines = {path: known["lines"].get(path, {}) for path in self.room.modules}
        if not own and not any("" not in tests for by_line in lines.values() for tests in by_line.values()):
            return  # it only imports the room
        self.files.append(file)
        self.seconds |= known["seconds"]
        self._failed |= set(known["failed"])
        for path, by_line in lines.items():
            for line, tests in by_line.items():
                self.lines[path].setdefault(int(line), set()).update(tests if own else set(tests) - {""})

    def _known(self, room: Room, copy: Copy, file: str, kept: Path) -> dict[str, Any] | None:
        """What was found earlier, if neither the tests nor the modules of the room have changed."""
        if not kept.exists():
            return None
        known: dict[str, Any] = json.loads(kept.read_text())
        same = all(known["modules"].get(path) == self._digests[path] for path in room.modules)
        return known if same and (self._again or known["digest"] == _digest(copy.root / file)) else None

    def _asked(self, room: Room, copy: Copy, file: str, kept: Path) -> dict[str, Any]:
        import asking

        log = copy.logs / "baseline.log"

        def record() -> int:
            recorder = asking.Recorder(copy.root)
            slow = [] if room.slow else ["-m", "not slow"]
            code = asking.ask([*slow, f"--basetemp={copy.temporary}", file], [recorder], log)
            found = {
                "digest": _digest(copy.root / file),
                "modules": self._digests,
                "seconds": {test: took for test, took in recorder.seconds.items() if test not in recorder.failed},
                "failed": sorted(recorder.failed),
                "lines": recorder.lines(copy.root),
            }
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps(found))
            return 0 if code in (0, 1, 5) else 1

        started = time.monotonic()
        if asking.in_a_fork(record, 3600) != 0:
            raise RuntimeError(f"{file} does not run on code that is not changed:\n{log.read_text()[-3000:]}")
        known: dict[str, Any] = json.loads(kept.read_text())
        print(f"     {file}: {len(known['seconds'])} tests, {time.monotonic() - started:.1f} s", flush=True)
        for test in known["failed"]:
            print(f"left out, for it fails on code that is not changed: {test}")
        return known

    def askable(self, mutant: Any) -> dict[str, float]:
        """The tests that can notice a mutant, with what each takes: those that run its line, or the module at all."""
        by_line = self.lines.get(mutant.path, {})
        lines = by_line if mutant.on_import or self.on_collection(mutant) else mutant.statement
        tests = {test for line in lines for test in by_line.get(line, ())}
        return {test: self.seconds[test] for test in tests if test in self.seconds}

    def new_among(self, collected: Iterable[Any]) -> dict[str, float]:
        """The collected tests (items of pytest) that came to the room since its baseline, with a guess of the seconds."""
        if not self._again:
            return {}
        known = self.seconds.keys() | self._failed
        return {
            item.nodeid: 0.5
            for item in collected
            if item.nodeid not in known
            and item.nodeid.partition("::")[0] in self.room.tests
            and (self.room.slow or item.get_closest_marker("slow") is None)
        }

    def of_module(self, mutant: Any) -> dict[str, float]:
        """The tests that run its module when called: a process that they start may run its line."""
        tests = {test for several in self.lines.get(mutant.path, {}).values() if "" not in several for test in several}
        return {test: self.seconds[test] for test in tests if test in self.seconds}

    def in_order(self, mutant: Any, tests: Mapping[str, float]) -> list[tuple[str, float]]:
        """Cheap tests first, those that run what few others do near the line, and those that run little of the room.

        Such tests were written for this place. Of two alike, one of the room goes first, and before it one that is
        named like the module.
        """
        own, by_line = Path(mutant.path).stem, self.lines.get(mutant.path, {})
        rarest = dict.fromkeys(tests, len(self.seconds))
        for line in range(mutant.line - _NEAR, mutant.line + _NEAR + 1):
            runs = by_line.get(line, set())
            for test in runs & rarest.keys():
                rarest[test] = min(rarest[test], len(runs))

        def cost(item: tuple[str, float]) -> float:
            test, seconds = item
            file = test.partition("::")[0]
            of_others = 1 if own in file else 2 if file in self.room.tests else 4
            return (seconds + 0.02) * rarest[test] * self.breadth[test] * of_others

        return sorted(tests.items(), key=cost)

    def on_collection(self, mutant: Any) -> bool:
        """Whether its line runs already when tests are collected."""
        by_line = self.lines.get(mutant.path, {})
        return any("" in by_line.get(line, ()) for line in mutant.statement)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _modules(repository: Path) -> list[str]:
    every = (*(repository / "harness").rglob("*.py"), *(repository / "plugins").rglob("*.py"))
    return [str(path.relative_to(repository)) for path in every]


def suite(repository: Path) -> list[str]:
    """Every file of tests."""
    folders = ("tests/harness", "tests/plugins", "tests/strangers", "tests/fuzz")
    every = (path for folder in folders for path in sorted((repository / folder).rglob("test_*.py")))
    return [
        str(path.relative_to(repository)) for path in (*every, repository / "tests/test_project.py") if path.exists()
    ]


def everything(repository: Path) -> None:
    """Write down for the whole suite which test runs which line, for all rooms. It takes as long as the suite."""
    import asking

    asking.import_once((*asking.IMPORTED_ONCE, *asking.WITH_TORCH))
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Copy(repository, Path(folder))
        for file in suite(copy.root):
            room = Room("everything", _modules(copy.root), [file], 0, [], True, False)
            try:
                Baseline(room, copy, repository / ".mutation" / "baseline")
            except RuntimeError as error:
                print(f"left out: {error}", flush=True)
