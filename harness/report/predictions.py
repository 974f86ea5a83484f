"""Predictions line by line, as they come: columns for people, CSV or JSON lines for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.deployment.detector import Detector
from harness.deployment.predicting import Prediction
from harness.images.decoding import shown
from harness.printable import printable
from harness.report.formats.rows import csv_text

STYLES = ("rich", "csv", "json")
COLUMNS = ("image", "score", "limit", "decision", "heat_map", "problem")
_WIDTH = 12
_COLOURS = {"normal": "32", "anomalous": "1;31", "unreadable": "33"}


def heading(detector: Detector, style: str) -> str:
    """What stands above the lines; empty in JSON."""
    if style == "json":
        return ""
    if style == "csv":
        return csv_text([], COLUMNS)
    trial = detector.saved.trial
    judged_by = f"limit {detector.limit:.6g}, of threshold {detector.threshold}"
    judged_by += f" on pool {detector.pool}" if detector.pool != "-" else ""
    title = f"{trial.method} fitted on {trial.category} of {trial.dataset}, {trial.image_size} px · {judged_by}"
    return f"{printable(title)}\n{'score':>{_WIDTH}}  decision    image\n"


def line(prediction: Prediction, detector: Detector, style: str, heat_map: str = "", *, coloured: bool = False) -> str:
    """One prediction; for people, a file that could not be judged has none, as its problem is told apart."""
    if style == "rich":
        if prediction.score is None:
            return ""
        decision = f"{prediction.decision:<10}"
        decision = f"\x1b[{_COLOURS[prediction.decision]}m{decision}\x1b[0m" if coloured else decision
        return f"{prediction.score:>#{_WIDTH}.6g}  {decision}  {printable(shown(prediction.file))}\n"
    row: dict[str, Any] = {
        "image": shown(prediction.file),
        "score": prediction.score,
        "limit": detector.limit,
        "decision": prediction.decision,
        "heat_map": heat_map or None,
        "problem": prediction.problem or None,
    }
    if style == "csv":
        return csv_text([row], COLUMNS).split("\n", 1)[1]
    return json.dumps(row, allow_nan=False) + "\n"


def summary(decisions: Mapping[str, int]) -> str:
    """How many there are of each decision: `23 images: 6 normal, 17 anomalous`."""
    total = sum(decisions.values())
    parts = [f"{decisions.get(name, 0)} {name}" for name in ("normal", "anomalous")]
    parts += [f"{unread} unreadable"] if (unread := decisions.get("unreadable", 0)) else []
    return f"{total} image{'' if total == 1 else 's'}: {', '.join(parts)}"
