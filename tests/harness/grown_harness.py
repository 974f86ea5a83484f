"""A harness of the future, in which a trial and a record have one field more; a process of its own, for it says so to all.

`python grown_harness.py NEW FOLDER` reads what today's harness has written, and writes what it cannot know; it prints what it
found as JSON.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import sys
from pathlib import Path

_MODULES = {
    "harness.trials.trial": ("    @property\n    def key(self)", "    tiling: int = 1\n\n"),
    "harness.trials.record": ("    unread: Mapping", "    joules: float | None = None\n"),
}
"""Module to a place in its source, and the line of a new field that is put in front of it."""


def grow() -> None:
    """Load these modules with one line more, before anybody else imports them."""
    for name, (place, line) in _MODULES.items():
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin).read_text(encoding="utf-8")
        assert source.count(place) == 1, name
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        exec(compile(source.replace(place, line + place), spec.origin, "exec"), module.__dict__)


def harness(*words: str) -> str:
    """What a command prints on stdout."""
    from harness.commands import main

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main.main(list(words), standalone_mode=False)
    return out.getvalue()


def main(golden: Path, work: Path, plugin: str) -> dict[str, object]:
    """Each step's result by name."""
    from dataclasses import replace

    from harness.api import Threshold
    from harness.plugin.registry import Registry
    from harness.trials.saved_model import read as read_model
    from harness.trials.saved_model import read_weights, write
    from harness.trials.store import Store
    from harness.verdicts.exports import read, row_of, save
    from harness.verdicts.judging import judge

    store, export = str(work / "store"), str(work / "store" / "export.jsonl")
    models = sorted((work / "store" / "models").iterdir())
    found: dict[str, object] = {}
    found["leaderboard"] = json.loads(harness("leaderboard", "--store", store, "--format", "json", "--plugin", plugin))
    found["of export"] = json.loads(harness("leaderboard", "--store", export, "--format", "json", "--plugin", plugin))
    harness("run", *["--dataset", "dots", "--categories", "large", "--models", "mean_image,trained", "--encoders", "plain", "--losses", "absolute"],
            *["--seeds", "0", "--precision", "fp32", "--jobs", "1", "--no-floors", "--keep-models", "--quiet", "--format", "json"], "--store", store, "--plugin", plugin)  # fmt: skip
    with Store(Path(store)) as opened:
        found["after run"] = {outcome.id: outcome.record.finished_at for outcome in opened.outcomes()}
    harness("merge", store, "--into", str(work / "merged"))
    with Store(work / "merged") as opened:
        found["merged"] = opened.ids()
    save(read(Path(export)).rows, work / "merged.jsonl")
    harness("merge", export, "--into", str(work / "merged.jsonl"))
    found["merged export"] = len(read(work / "merged.jsonl").rows)
    said = harness("predict", str(models[0]), str(work / "images"), "--format", "json", "--plugin", plugin)
    found["predicted"] = [json.loads(line) for line in said.splitlines()]

    with Store(Path(store)) as opened:
        outcome = next(one for one in opened.outcomes() if one.trial.model == "mean_image")
    thresholds = Registry.discover([Path(plugin)]).choose(Threshold, "mean")
    more = replace(outcome, record=replace(outcome.record, joules=12.5))
    tiled = replace(more, trial=outcome.trial._replace(tiling=3))
    found["id"], found["tiled id"] = more.id, tiled.id
    for name, one in (("record", more), ("tiled", tiled)):
        with Store(work / name, write=True) as opened:
            opened.put(one)
        save([row_of(verdict) for verdict in judge(one, thresholds)], work / f"{name}.jsonl")
    saved = read_model(models[0])
    write(replace(saved, trial=tiled.trial), read_weights(models[0], saved), work / "tiled models")
    return found


if __name__ == "__main__":
    grow()
    print(json.dumps(main(*map(Path, sys.argv[1:3]), sys.argv[3])))
