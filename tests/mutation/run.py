"""Changes the code of a room in one place at a time, and asks its tests whether they notice. README.md says how."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from baseline import Baseline, Copy, everything
from rooms import Room, rooms

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
NOTICED = ("failed", "too long")
UNTOLD = 98
"""The exit code of a process that could not change a function."""


def judge(mutant: Any, code: str, base: Baseline, copy: Copy, most_s: float, collected: Any) -> dict[str, Any] | None:
    """How it went: `failed` or `too long`, which is to be noticed, or `survived`, or `not run` by any test.

    `collected` are tests that wait for it, and None where they have to be collected first, which takes longer. The
    result is None where it cannot be told by tests that wait.
    """
    import asking

    tests = base.askable(mutant)
    unrun, tests = not tests, tests or base.of_module(mutant)
    new = {} if collected is None else base.new_among(collected.session.items)
    total, chosen = 0.0, dict(new)
    for test, seconds in base.in_order(mutant, tests):
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
    status = "not run" if unrun and status == "survived" else status
    by = failure_file.read_text() if failure_file.exists() else ""
    return {**said, "status": status, "by": by, "asked": len(chosen), "left": len(tests) - len(chosen), "most": most_s}


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
    """Ask about the room's sample; what an earlier run has asked is not asked again.

    A mutant that an earlier run gave up on, because it was asked by fewer seconds of tests, is asked again.
    """
    import asking

    known = {
        key: one
        for key, one in read(results).items()
        if one["status"] in NOTICED
        or not (arguments.again or (one.get("left", 0) and one.get("most", 0) < arguments.most))
    }
    asking.import_once((*asking.IMPORTED_ONCE, *asking.WITH_TORCH) if room.torch else asking.IMPORTED_ONCE)
    until, main = time.monotonic() + 60 * arguments.minutes, os.getpid()
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder, os.fdopen(os.dup(1), "w") as terminal:
        copy = Copy(arguments.repository, Path(folder))
        base = Baseline(room, copy, results.parent / "baseline", again=arguments.again)
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        if arguments.nothing:
            change_nothing(room, base, copy, arguments.most)
            return
        settled = known.keys() | equivalent(HERE / "equivalent.toml").keys()
        mutants = [one for one in sample(room, arguments, copy.root) if one.key not in settled]

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
            return asking.ask(["-x", f"--basetemp={copy.temporary}", *base.files], [work], copy.logs / "waiting.log")

        before = len(lines_of(results))
        asking.in_a_fork(ask_tests_that_wait, math.inf)
        told = {json.loads(line)["key"] for line in lines_of(results)[before:]}
        ask_about([one for one in mutants if one.key not in told], None)


def change_nothing(room: Room, base: Baseline, copy: Copy, most_s: float) -> None:
    """Write each module as it is and ask, as for a mutant: what fails then would be counted as noticed wrongly."""
    import asking
    from mutants import Mutant

    unchanged = [
        Mutant(path, "nothing", 1, f"{path} {on_import}", on_import, range(1, 100_000), lambda: None)
        for path in room.modules
        for on_import in (False, True)
    ]

    def tell(some: Iterable[Mutant], collected: Any) -> None:
        for one in some:
            told = judge(one, (copy.root / one.path).read_text(), base, copy, most_s, collected)
            assert told is not None
            print(f"{told['status']:9} {one.key}, asked {told.get('asked', 0)} {told['by']}", file=terminal, flush=True)

    def wait() -> int:
        work = asking.Collected(copy.root, lambda collected: tell(unchanged[::2], collected))
        return asking.ask(["-x", f"--basetemp={copy.temporary}", *base.files], [work], copy.logs / "waiting.log")

    with os.fdopen(os.dup(1), "w") as terminal:
        asking.in_a_fork(wait, math.inf)
        tell(unchanged[1::2][:3], None)


def sample(room: Room, arguments: argparse.Namespace, repository: Path) -> list[Any]:
    """The first mutants of the order that are Python."""
    size, found = arguments.sample or room.sample, []
    for mutant in every(room, arguments.seed, repository):
        if len(found) < size and mutant.change() is not None:
            found.append(mutant)
    return found


def equivalent(file: Path) -> dict[str, str]:
    """The mutants that change no behaviour, each with the reason, by their keys."""
    return {one["key"]: one["why"] for one in tomllib.loads(file.read_text())["mutant"]}


def report(room: Room, arguments: argparse.Namespace, results: Path) -> None:
    """The share that was noticed, and each mutant that was not."""
    known = read(results)
    size = len(every(room, arguments.seed, arguments.repository))
    asked = sample(room, arguments, arguments.repository)
    same = equivalent(HERE / "equivalent.toml")
    found = [{**known[one.key], "line": one.line} for one in asked if one.key in known and one.key not in same]
    if not found:
        print(f"{room.name}: nothing yet")
        return
    left_out = sum(one.key in same for one in asked)
    noticed = sum(one["status"] in NOTICED for one in found)
    low, high = wilson(noticed, len(found))
    counts = ", ".join(f"{count} {status}" for status, count in Counter(one["status"] for one in found).items())
    print(
        f"{room.name}: {noticed} of {len(found)} noticed, {noticed / len(found):.1%} ({low:.1%} to {high:.1%}), "
        f"of {size} in all; {counts}; {left_out} equivalent, left out"
    )
    if arguments.survivors:
        for one in sorted(found, key=lambda one: (one["path"], one["line"])):
            if one["status"] not in NOTICED:
                print(
                    f"\n{one['key']} {one['path']}:{one['line']} {one['operator']} {one['status']} (asked {one.get('asked', 0)} tests, "
                    f"not asked {one.get('left', 0)})\n{one['change']}"
                )


def main() -> None:
    """`python tests/mutation/run.py metrics`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("room", nargs="*", help="rooms of rooms.toml; all by default")
    parser.add_argument("--report", action="store_true", help="only tell what earlier runs have found")
    parser.add_argument("--survivors", action="store_true", help="show each mutant that was not noticed")
    parser.add_argument("--again", action="store_true", help="ask again about what was not noticed, after new tests")
    parser.add_argument("--map", action="store_true", help="write down which test of the whole suite runs which line")
    parser.add_argument("--nothing", action="store_true", help="change nothing: no test should fail")
    parser.add_argument("--sample", type=int, help="how many mutants of a room; by default what rooms.toml says")
    parser.add_argument("--seed", type=int, default=0, help="which sample")
    parser.add_argument(
        "--most", type=float, default=120.0, help="seconds of tests that are asked of each mutant at most"
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="when to stop, to go on another time")
    parser.add_argument("--repository", type=Path, default=REPOSITORY, help=argparse.SUPPRESS)
    parser.add_argument("--rooms", type=Path, default=HERE / "rooms.toml", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.map:
        everything(arguments.repository)
    known = rooms(arguments.repository, arguments.rooms)
    for name in arguments.room or known:
        if name not in known:
            parser.error(f"no room {name!r}: expected one of {', '.join(known)}")
        results = arguments.repository / ".mutation" / f"{name}.jsonl"
        results.parent.mkdir(exist_ok=True)
        if not arguments.report:
            run(known[name], arguments, results)
            os.chdir(arguments.repository)  # the copy that it was in is gone
        report(known[name], arguments, results)


if __name__ == "__main__":
    main()
