"""Changes the code of a room in one place at a time, and asks its tests whether they notice. README.md says how."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
NOTICED = ("failed", "too long")
UNTOLD = 98
"""The exit code of a process that could not change a function."""


@dataclass(frozen=True)
class Room:
    """What is changed, and who is asked."""

    name: str
    modules: list[str]
    """Paths relative to the repository."""
    tests: list[str]
    sample: int
    tuning: list[str]
    """Constants that set time or memory and no result; they are left alone."""
    torch: bool
    """Whether most of its tests need torch, which is then imported once."""
    slow: bool


def rooms(repository: Path, file: Path) -> dict[str, Room]:
    """Those of rooms.toml, by name."""

    def found(patterns: Iterable[str]) -> list[str]:
        every = [str(path.relative_to(repository)) for one in patterns for path in sorted(repository.glob(one))]
        return list(dict.fromkeys(every))

    given = tomllib.loads(file.read_text())
    return {
        name: Room(
            name,
            found(one["modules"]),
            found(one["tests"]),
            one["sample"],
            one.get("tuning", []),
            one.get("torch", False),
            one.get("slow", False),
        )
        for name, one in given.items()
    }


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
    """Which tests run each line and how long they take, on code that is not changed. Kept for each file of tests."""

    def __init__(self, room: Room, copy: Copy, folder: Path) -> None:
        self.seconds: dict[str, float] = {}
        self.lines: dict[str, dict[int, set[str]]] = {path: {} for path in room.modules}
        """By module and line the tests that run it; an empty name stands for the collection of tests."""
        self._digests = {path: _digest(copy.root / path) for path in _modules(copy.root)}
        for file in room.tests:
            kept = folder / f"{Path(file).stem}.json"
            known = self._known(room, copy, file, kept) or self._asked(room, copy, file, kept)
            self.seconds |= known["seconds"]
            for path in room.modules:
                for line, tests in known["lines"].get(path, {}).items():
                    self.lines[path].setdefault(int(line), set()).update(tests)

    def _known(self, room: Room, copy: Copy, file: str, kept: Path) -> dict[str, Any] | None:
        """What was found earlier, if neither the tests nor the modules of the room have changed."""
        if not kept.exists():
            return None
        known: dict[str, Any] = json.loads(kept.read_text())
        same = all(known["modules"].get(path) == self._digests[path] for path in room.modules)
        return known if same and known["digest"] == _digest(copy.root / file) else None

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
            sys.exit(f"{file} does not run on code that is not changed:\n{log.read_text()[-3000:]}")
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

    def on_collection(self, mutant: Any) -> bool:
        """Whether its line runs already when tests are collected."""
        by_line = self.lines.get(mutant.path, {})
        return any("" in by_line.get(line, ()) for line in mutant.statement)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _modules(repository: Path) -> list[str]:
    every = (*(repository / "harness").rglob("*.py"), *(repository / "plugins").rglob("*.py"))
    return [str(path.relative_to(repository)) for path in every]


def judge(mutant: Any, code: str, base: Baseline, copy: Copy, most_s: float, collected: Any) -> dict[str, Any] | None:
    """How it went: `failed` or `too long`, which is to be noticed, or `survived`, or `not run` by any test.

    `collected` are tests that wait for it, and None where they have to be collected first, which takes longer. The
    result is None where it cannot be told by tests that wait.
    """
    import asking

    tests = base.askable(mutant)
    total, chosen, own = 0.0, {}, Path(mutant.path).stem
    for test, seconds in sorted(tests.items(), key=lambda item: (own not in item[0].partition("::")[0], item[1])):
        total += seconds
        if chosen and total > most_s:
            break
        chosen[test] = seconds
    said = {"key": mutant.key, "path": mutant.path, "line": mutant.line, "operator": mutant.operator}
    if not chosen:
        return {**said, "status": "not run", "by": ""}
    failure_file = copy.logs / "failure"
    failure_file.unlink(missing_ok=True)
    before = (copy.root / mutant.path).read_text()

    def notice() -> int:
        failure = asking.FirstFailure()
        if collected is None:
            files = sorted({test.partition("::")[0] for test in chosen})
            common = ("-x", f"--basetemp={copy.temporary}", *files)
            status = asking.ask(common, [asking.Chosen(chosen), failure], copy.logs / "mutant.log")
        else:
            try:
                collected.change(mutant.path, before, code)
            except ValueError:
                return UNTOLD
            collected.session.config.pluginmanager.register(failure)
            status = collected.run(asking.Chosen(chosen))
        failure_file.write_text(failure.name)
        return int(status)

    undo = copy.change(mutant.path, code)
    try:
        needed = sum(chosen.values())
        code_of_pytest = asking.in_a_fork(notice, 120 + 20 * needed, 20 + 5 * needed)
    finally:
        undo()
    if code_of_pytest == UNTOLD:
        return None
    status = {0: "survived", 5: "survived", None: "too long"}.get(code_of_pytest, "failed")
    by = failure_file.read_text() if failure_file.exists() else ""
    return {**said, "status": status, "by": by, "asked": len(chosen), "left": len(tests) - len(chosen)}


def difference(before: str, after: str) -> str:
    """The lines that differ, as `- old` and `+ new`."""
    import difflib

    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))[2:]
    return "\n".join(line for line in lines if not line.startswith("@@"))


def wilson(noticed: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share. Wilson, Journal of the American Statistical Association 22 (1927)."""
    z = 1.959964
    centre = (noticed + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(noticed * (n - noticed) / n + z * z / 4)
    return centre - half, centre + half


def every(room: Room, seed: int, repository: Path) -> list[Any]:
    """All mutants of a room in an order that a seed sets and that changes elsewhere leave alone."""
    from mutants import mutants_of

    found = [one for path in room.modules for one in mutants_of(path, (repository / path).read_text(), room.tuning)]
    return sorted(found, key=lambda one: hashlib.sha256(f"{seed}:{one.key}".encode()).digest())


def lines_of(results: Path) -> list[str]:
    return results.read_text().splitlines() if results.exists() else []


def read(results: Path) -> dict[str, dict[str, Any]]:
    """The last result of each mutant."""
    return {one["key"]: one for one in map(json.loads, lines_of(results))}


def run(room: Room, arguments: argparse.Namespace, results: Path) -> None:
    """Ask about the room's sample; what an earlier run has asked is not asked again."""
    import asking

    known = read(results)
    if arguments.again:
        known = {key: one for key, one in known.items() if one["status"] in NOTICED}
    asking.import_once((*asking.IMPORTED_ONCE, *asking.WITH_TORCH) if room.torch else asking.IMPORTED_ONCE)
    until, main = time.monotonic() + 60 * arguments.minutes, os.getpid()
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder, os.fdopen(os.dup(1), "w") as terminal:
        copy = Copy(arguments.repository, Path(folder))
        base = Baseline(room, copy, results.parent / "baseline")
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        mutants = [one for one in sample(room, arguments, copy.root) if one.key not in known]

        def ask_about(some: Iterable[Any], collected: Any) -> None:
            for mutant in some:
                killed = collected is not None and os.getppid() != main  # and leaves no orphan at work
                if time.monotonic() > until or killed:
                    break
                started, code = time.monotonic(), mutant.change()
                result = judge(mutant, code, base, copy, arguments.most, collected)
                if result is None:
                    continue
                result["seconds"] = round(time.monotonic() - started, 1)
                result["change"] = difference((copy.root / mutant.path).read_text(), code)
                with results.open("a") as file:
                    file.write(json.dumps(result) + "\n")
                place = f"{mutant.path}:{mutant.line} {mutant.operator}"
                print(f"{result['status']:9} {place} {result['seconds']} s", file=terminal, flush=True)

        def ask_tests_that_wait() -> int:
            in_functions = [one for one in mutants if not one.on_import and not base.on_collection(one)]
            work = asking.Collected(copy.root, lambda collected: ask_about(in_functions, collected))
            return asking.ask(["-x", f"--basetemp={copy.temporary}", *room.tests], [work], copy.logs / "waiting.log")

        before = len(lines_of(results))
        asking.in_a_fork(ask_tests_that_wait, math.inf)
        told = {json.loads(line)["key"] for line in lines_of(results)[before:]}
        ask_about([one for one in mutants if one.key not in told], None)


def sample(room: Room, arguments: argparse.Namespace, repository: Path) -> list[Any]:
    """The first mutants of the order that are Python."""
    size, found = arguments.sample or room.sample, []
    for mutant in every(room, arguments.seed, repository):
        if len(found) < size and mutant.change() is not None:
            found.append(mutant)
    return found


def report(room: Room, arguments: argparse.Namespace, results: Path) -> None:
    """The share that was noticed, and each mutant that was not."""
    known = read(results)
    size = len(every(room, arguments.seed, arguments.repository))
    asked = sample(room, arguments, arguments.repository)
    found = [{**known[one.key], "line": one.line} for one in asked if one.key in known]
    if not found:
        print(f"{room.name}: nothing yet")
        return
    noticed = sum(one["status"] in NOTICED for one in found)
    low, high = wilson(noticed, len(found))
    counts = ", ".join(f"{count} {status}" for status, count in Counter(one["status"] for one in found).items())
    print(
        f"{room.name}: {noticed} of {len(found)} noticed, {noticed / len(found):.1%} ({low:.1%} to {high:.1%}), "
        f"of {size} in all; {counts}"
    )
    if arguments.survivors:
        for one in sorted(found, key=lambda one: (one["path"], one["line"])):
            if one["status"] not in NOTICED:
                print(
                    f"\n{one['path']}:{one['line']} {one['operator']} {one['status']} (asked {one.get('asked', 0)})\n{one['change']}"
                )


def main() -> None:
    """`python tests/mutation/run.py metrics`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("room", nargs="*", help="rooms of rooms.toml; all by default")
    parser.add_argument("--report", action="store_true", help="only tell what earlier runs have found")
    parser.add_argument("--survivors", action="store_true", help="show each mutant that was not noticed")
    parser.add_argument("--again", action="store_true", help="ask again about what was not noticed, after new tests")
    parser.add_argument("--sample", type=int, help="how many mutants of a room; by default what rooms.toml says")
    parser.add_argument("--seed", type=int, default=0, help="which sample")
    parser.add_argument("--most", type=float, default=20.0, help="seconds of tests that are asked of each mutant")
    parser.add_argument("--minutes", type=float, default=math.inf, help="when to stop, to go on another time")
    parser.add_argument("--repository", type=Path, default=REPOSITORY, help=argparse.SUPPRESS)
    parser.add_argument("--rooms", type=Path, default=HERE / "rooms.toml", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    known = rooms(arguments.repository, arguments.rooms)
    for name in arguments.room or known:
        if name not in known:
            parser.error(f"no room {name!r}: expected one of {', '.join(known)}")
        results = arguments.repository / ".mutation" / f"{name}.jsonl"
        results.parent.mkdir(exist_ok=True)
        if not arguments.report:
            run(known[name], arguments, results)
        report(known[name], arguments, results)


if __name__ == "__main__":
    main()
