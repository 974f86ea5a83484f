"""Predictions as text, one line each, as they come: columns for people, CSV or JSON lines for programs."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.deployment.detector import Detector
from harness.deployment.predicting import Prediction
from harness.images.decoding import path_text
from harness.images.walk import PassedOver
from harness.printable import counted, printable
from harness.report.formats.rows import csv_text
from harness.report.table import Row
from harness.trials.trial import UNUSED

COLUMNS = ("image", "score", "limit", "decision", "heat_map", "problem", "p_value")
_WIDTH = 12
_COLOURS = {"normal": "32", "anomalous": "1;31", "unreadable": "33"}


@dataclass(frozen=True)
class Lines(ABC):
    """Predictions in one format, a line each."""

    detector: Detector
    coloured: bool = False
    """Whether they go to a terminal that shows colours."""

    @abstractmethod
    def heading(self) -> str:
        """What stands above the first line."""

    @abstractmethod
    def line(self, prediction: Prediction, heat_map: str = "") -> str:
        """One prediction, with the path of its heat map where it has one."""

    def _row(self, prediction: Prediction, heat_map: str) -> Row:
        return {
            "image": path_text(prediction.file),
            "score": prediction.score,
            "limit": self.detector.limit,
            "decision": prediction.decision,
            "heat_map": heat_map or None,
            "problem": prediction.problem or None,
            "p_value": prediction.p_value,
        }


class TerminalLines(Lines):
    """Columns for people."""

    def heading(self) -> str:
        detector, trial = self.detector, self.detector.saved.trial
        judged_by = f"limit {detector.limit:.6g}, of threshold {detector.threshold}"
        judged_by += f" on pool {detector.pool}" if detector.pool != UNUSED else ""
        judged_by += f" · p against {counted(len(detector.saved.calibration[detector.pool]), 'normal image')}"
        judged_by += "" if detector.saved.unfitted else " that were fitted, so too small for new ones"
        title = f"{trial.method} fitted on {trial.category} of {trial.dataset}, {trial.image_size} px · {judged_by}"
        return f"{printable(title)}\n{'score':>{_WIDTH}}  {'p':>6}  decision    image\n"

    def line(self, prediction: Prediction, heat_map: str = "") -> str:
        """Nothing for a file that could not be judged: its problem is reported on stderr."""
        if prediction.score is None:
            return ""
        decision = f"{prediction.decision:<10}"
        if self.coloured:
            decision = f"\x1b[{_COLOURS[prediction.decision]}m{decision}\x1b[0m"
        share = "" if prediction.p_value is None else f"{prediction.p_value:.3f}"
        return f"{prediction.score:>#{_WIDTH}.6g}  {share:>6}  {decision}  {printable(path_text(prediction.file))}\n"


class CsvLines(Lines):
    """Rows for spreadsheets."""

    def heading(self) -> str:
        return csv_text([], COLUMNS)

    def line(self, prediction: Prediction, heat_map: str = "") -> str:
        return csv_text([self._row(prediction, heat_map)], COLUMNS).split("\n", 1)[1]


class JsonLines(Lines):
    """One JSON object a line for programs."""

    def heading(self) -> str:
        return ""

    def line(self, prediction: Prediction, heat_map: str = "") -> str:
        return json.dumps(self._row(prediction, heat_map), allow_nan=False) + "\n"


LINES: Mapping[str, type[Lines]] = {"rich": TerminalLines, "csv": CsvLines, "json": JsonLines}
"""The choices of `--format`, the default first."""


def summary(decisions: Mapping[str, int], passed_over: Sequence[PassedOver] = ()) -> str:
    """How many there are of each decision, and what was no image: `23 images: 6 normal, 17 anomalous`."""
    total = sum(decisions.values())
    parts = [f"{decisions.get(name, 0)} {name}" for name in ("normal", "anomalous")]
    parts += [f"{unread} unreadable"] if (unread := decisions.get("unreadable", 0)) else []
    said = f"{total} image{'' if total == 1 else 's'}: {', '.join(parts)}"
    reasons = Counter(one.why for one in passed_over if one.why != "hidden")
    return said + (f". Passed over: {', '.join(f'{n} x {why}' for why, n in reasons.items())}" if reasons else "")
