"""Our own exported results in the form of a published table, so that they stand the same checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.plugin.spec import parse
from harness.published.table import METRICS, NOT_STATED, VARIES
from harness.verdicts.exports import Row

_DIGITS = 6


def table_of(rows: Sequence[Row]) -> dict[str, Any]:
    """The fields of a published table, with one row for each verdict. Several data sets are named in the categories."""
    datasets = sorted({parse(row["dataset"])[0] for row in rows}) or [NOT_STATED]
    tracks = {row["oracle"] for row in rows}
    return {
        "title": "Our own results",
        "source": "harness export",
        "read": "first hand",
        "read_in": "harness export",
        "dataset": " and ".join(datasets),
        "track": NOT_STATED if len(tracks) != 1 else "oracle" if True in tracks else "normal-only",
        "metrics": list(METRICS),
        "protocol": {
            "setting": "one-class",
            "backbone": "the encoder of each row",
            **dict.fromkeys(("image_size", "threshold", "pool"), VARIES),
        },
        "rows": [(f"line {number}", _cells(row, len(datasets) > 1)) for number, row in enumerate(rows, 1)],
    }


def _cells(row: Row, say_dataset: bool) -> Mapping[str, Any]:
    counts = {name: row[name] for name in ("n_normal", "n_abnormal", "right_normal", "right_abnormal")}
    return {
        "category": f"{row['dataset']} {row['category']}" if say_dataset else row["category"],
        **{name: row[name] for name in ("model", "encoder", "loss", "image_size", "threshold", "pool", "weights")},
        "epochs": row["epochs"],
        **{name: row[name] for name in ("batch_size", "learning_rate") if row[name]},
        "seed": row["seed"],
        "source": f"trial {row['trial']}",
        **(counts if row["n_normal"] and row["n_abnormal"] else {}),
        **{name: "" if row[name] is None else f"{row[name]:.{_DIGITS}f}" for name in METRICS},
    }
