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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
NOTICED = ("failed", "too long")


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


def baseline(room: Room, copy: Copy, kept: Path) -> dict[str, Any]:
    """Which tests run each line and how long they take, on code that is not changed; kept for the next time."""
    import asking

    digest = hashlib.sha256()
    for path in (*room.modules, *room.tests, "tests/conftest.py"):
        digest.update((copy.root / path).read_bytes())
    if kept.exists():
        known: dict[str, Any] = json.loads(kept.read_text())
        if known["digest"] == digest.hexdigest():
            return known

    def record() -> int:
        sys.dont_write_bytecode = False
        recorder = asking.Recorder(copy.root)
        slow = [] if room.slow else ["-m", "not slow"]
        arguments = [*slow, f"--basetemp={copy.temporary}", *room.tests]
        code = asking.ask(arguments, [recorder], copy.logs / "baseline.log")
        lines = recorder.lines(copy.root)
        found = {
            "digest": digest.hexdigest(),
            "seconds": {test: took for test, took in recorder.seconds.items() if test not in recorder.failed},
            "failed": sorted(recorder.failed),
            "lines": {path: lines.get(path, {}) for path in room.modules},
        }
        kept.parent.mkdir(exist_ok=True)
        if code in (0, 1) and found["seconds"]:
            kept.write_text(json.dumps(found))
            return 0
        return 1

    if asking.in_a_fork(record, 3600) != 0:
        log = (copy.logs / "baseline.log").read_text()
        sys.exit(f"the tests of {room.name} do not run on code that is not changed:\n{log[-3000:]}")
    found: dict[str, Any] = json.loads(kept.read_text())
    for test in found["failed"]:
        print(f"left out, for it fails on code that is not changed: {test}")
    return found


def askable(mutant: Any, base: Mapping[str, Any]) -> dict[str, float]:
    """The tests that can notice a mutant, with what each takes: those that run its line, or the module at all."""
    by_line = base["lines"].get(mutant.path, {})
    if mutant.on_import:
        tests = {test for one in by_line.values() for test in one}
    else:
        tests = {test for line in mutant.statement for test in by_line.get(str(line), ())}
    return {test: base["seconds"][test] for test in tests if test in base["seconds"]}


def judge(mutant: Any, code: str, base: Mapping[str, Any], copy: Copy, most_s: float) -> dict[str, Any]:
    """How it went: `failed` or `too long`, which is to be noticed, or `survived`, or `not run` by any test."""
    import asking

    tests = askable(mutant, base)
    total, chosen = 0.0, {}
    for test, seconds in sorted(tests.items(), key=lambda item: item[1]):
        total += seconds
        if chosen and total > most_s:
            break
        chosen[test] = seconds
    said = {"key": mutant.key, "path": mutant.path, "line": mutant.line, "operator": mutant.operator}
    if not chosen:
        return {**said, "status": "not run", "by": ""}
    failure_file = copy.logs / "failure"
    failure_file.unlink(missing_ok=True)

    def notice() -> int:
        failure = asking.FirstFailure()
        files = sorted({test.partition("::")[0] for test in chosen})
        code = asking.ask(
            ["-x", f"--basetemp={copy.temporary}", *files], [asking.Chosen(chosen), failure], copy.logs / "mutant.log"
        )
        failure_file.write_text(failure.name)
        return code

    undo = copy.change(mutant.path, code)
    try:
        code_of_pytest = asking.in_a_fork(notice, 90 + 20 * sum(chosen.values()))
    finally:
        undo()
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


def sampled(room: Room, seed: int, repository: Path) -> list[Any]:
    """All mutants of a room in an order that a seed sets and that changes elsewhere leave alone."""
    from mutants import mutants_of

    every = [one for path in room.modules for one in mutants_of(path, (repository / path).read_text(), room.tuning)]
    return sorted(every, key=lambda one: hashlib.sha256(f"{seed}:{one.key}".encode()).digest())


def read(file: Path) -> dict[str, dict[str, Any]]:
    """The last result of each mutant."""
    if not file.exists():
        return {}
    return {one["key"]: one for one in map(json.loads, file.read_text().splitlines())}


def run(room: Room, arguments: argparse.Namespace, results: Path) -> None:
    """Ask about the room's sample; what an earlier run has asked is not asked again."""
    import asking

    known = read(results)
    if arguments.again:
        known = {key: one for key, one in known.items() if one["status"] in NOTICED}
    asking.import_once((*asking.IMPORTED_ONCE, *asking.WITH_TORCH) if room.torch else asking.IMPORTED_ONCE)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Copy(arguments.repository, Path(folder))
        mutants = sampled(room, arguments.seed, copy.root)
        base = baseline(room, copy, results.with_suffix(".baseline.json"))
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        asked, until = 0, time.monotonic() + 60 * arguments.minutes
        for mutant in mutants:
            if asked == (arguments.sample or room.sample) or time.monotonic() > until:
                break
            code = mutant.change()
            if code is None:
                continue
            asked += 1
            if mutant.key in known:
                continue
            started = time.monotonic()
            result = judge(mutant, code, base, copy, arguments.most)
            result |= {"seconds": round(time.monotonic() - started, 1)}
            result |= {"change": difference((copy.root / mutant.path).read_text(), code)}
            with results.open("a") as file:
                file.write(json.dumps(result) + "\n")
            print(
                f"{asked:4} {result['status']:9} {mutant.path}:{mutant.line} {mutant.operator} {result['seconds']} s",
                flush=True,
            )


def report(room: Room, arguments: argparse.Namespace, results: Path) -> None:
    """The share that was noticed, and each mutant that was not."""
    known = read(results)
    found = []
    mutants = sampled(room, arguments.seed, arguments.repository)
    size = len(mutants)
    for mutant in mutants:
        if len(found) == (arguments.sample or room.sample):
            break
        if mutant.key in known and mutant.change() is not None:
            found.append({**known[mutant.key], "line": mutant.line})
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
