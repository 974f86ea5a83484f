"""Verdicts as rows for programs: what csv, json and frames have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.report import verified
from harness.verdicts.speed import COLUMN as LATENCY
from harness.verdicts.speed import common_setting, median_latency
from harness.verdicts.verdict import Verdict


def verdict_rows(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """One row for each verdict, with how far an export's was worked out, and its latency if any was measured."""
    setting = common_setting(verdict.outcome for verdict in verdicts)
    rows = [_row(verdict) for verdict in verdicts]
    if any(verdict.proof for verdict in verdicts):
        rows = [{**row, "proof": verdict.proof} for row, verdict in zip(rows, verdicts, strict=True)]
    if any(verdict.proof or verdict.checked for verdict in verdicts):
        rows = [{**row, verified.HEADING: verified.cell(v)} for row, v in zip(rows, verdicts, strict=True)]
    if setting is None:
        return rows
    measured = [median_latency([verdict.outcome], setting) for verdict in verdicts]
    said = ["" if value is None else str(setting) for value in measured]
    return [
        {**row, LATENCY: value, "latency_setting": where}
        for row, value, where in zip(rows, measured, said, strict=True)
    ]


def _row(verdict: Verdict) -> dict[str, Any]:
    """A verdict's columns, and whether its model is a floor."""
    return {**verdict.row(), "floor": verdict.outcome.record.floor}
