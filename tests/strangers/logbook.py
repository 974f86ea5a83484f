"""A stranger's tracker, written against the contract of November 2026. Frozen: it must work for good."""

import json
from dataclasses import dataclass
from pathlib import Path

from harness import TrackedTrial, Tracker, UsageError, hookimpl


@dataclass
class Logbook(Tracker):
    """A line of JSON for each trial, in a file."""

    name = "logbook"
    licence = "MIT"
    deadline_s = 5.0

    file: str = "logbook.jsonl"

    def prepare(self) -> None:
        if not self.file.endswith(".jsonl"):
            raise UsageError(f"logbook is told {self.file!r}: expected a name that ends in .jsonl")

    def open(self) -> None:
        written = Path(self.file).read_text().splitlines() if Path(self.file).is_file() else []
        self.known = {json.loads(line)["id"] for line in written}

    def log(self, trial: TrackedTrial) -> None:
        if trial.id in self.known:
            return
        said = {"id": trial.id, "name": trial.name, "status": trial.status, "reason": trial.reason}
        said |= {"data": trial.fingerprint, "seed": trial.settings["seed"], "metrics": dict(trial.metrics)}
        said |= {
            "losses": list(trial.losses),
            "by": dict(trial.made_by),
            "again": trial.command,
            "page": len(trial.page()),
        }
        with Path(self.file).open("a") as file:
            file.write(json.dumps(said) + "\n")
        self.known.add(trial.id)

    def close(self) -> None:
        with Path(self.file).with_suffix(".closed").open("a") as file:
            file.write("closed\n")


@hookimpl
def harness_trackers() -> list[type[Tracker]]:
    return [Logbook]
