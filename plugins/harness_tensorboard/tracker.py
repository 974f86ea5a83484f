"""Records each trial as a folder of event files, with losses by epoch, metrics, settings and its page of the report."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness import TrackedTrial, Tracker, UsageError, replacing

KNOWN = "trial.json"
"""The file that says which trial a folder belongs to, and what was written about it."""
REPORT = "report.html"


@dataclass
class TensorBoard(Tracker):
    """Writes event files into a folder for `tensorboard --logdir`, each trial once, however often a run goes on."""

    name = "tensorboard"
    licence = "MIT"
    source = "https://www.tensorflow.org/tensorboard"

    folder: str = "tensorboard"
    _written: dict[str, tuple[Path, str, frozenset[str]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """The folder, the status and the names of the metrics of each trial that was written, by its id."""

    def prepare(self) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise UsageError("tracker 'tensorboard' needs TensorBoard: pip install 'anomaly-harness[tensorboard]'")
        if Path(self.folder).exists() and not Path(self.folder).is_dir():
            raise UsageError(f"tracker 'tensorboard': {self.folder!r} is a file, expected a folder")
        import harness_tensorboard.events  # noqa: F401  in this thread: see Tracker.prepare

    def open(self) -> None:
        """Find the trials that are there; a folder that is none of ours is left alone."""
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        for file in Path(self.folder).glob(f"*/{KNOWN}"):
            with suppress(OSError, ValueError, KeyError, TypeError):
                known = json.loads(file.read_text(encoding="utf-8"))
                self._written[str(known["id"])] = (file.parent, str(known["status"]), frozenset(known["metrics"]))

    def log(self, trial: TrackedTrial) -> None:
        target = Path(self.folder) / _folder_name(trial)
        earlier, status, names = self._written.get(trial.id, (None, "", frozenset()))
        if status == trial.status and trial.metrics.keys() <= names:
            return
        with replacing(target) as draft:
            self._write(draft, trial)
        if earlier is not None and earlier != target:
            shutil.rmtree(earlier, ignore_errors=True)
        self._written[trial.id] = (target, trial.status, frozenset(trial.metrics))

    def _write(self, folder: Path, trial: TrackedTrial) -> None:
        from harness_tensorboard.events import EventFile

        with EventFile(folder) as events:
            for epoch, loss in enumerate(trial.losses, 1):
                events.scalar("loss", loss, epoch)
            events.settings(trial.settings)
            for name, value in trial.metrics.items():
                events.scalar(name, value)
            events.text("command", f"    {trial.command}")
            events.text("made by", "\n".join(f"- {name} {version}" for name, version in trial.made_by.items()))
            if trial.reason:
                events.text("reason", f"    {trial.reason}")
        if trial.status == "done":
            (folder / REPORT).write_text(trial.page(), encoding="utf-8")
        known = {"id": trial.id, "status": trial.status, "metrics": sorted(trial.metrics)}
        (folder / KNOWN).write_text(json.dumps(known), encoding="utf-8")


def _folder_name(trial: TrackedTrial) -> str:
    """As `bottle-dae-conv-mse-seed_0-0123456789abcdef`, whatever a name holds."""
    return f"{re.sub(r'[^A-Za-z0-9_.=]+', '_', trial.name).strip('_.')[:100]}-{trial.id}"
