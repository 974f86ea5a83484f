"""What looking at an export has shown: which rows follow, what notes say, and what came of fitting trials again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.printable import counted, printable
from harness.report.table import Document, Table
from harness.verdicts.exports import Export
from harness.verdicts.verdict import Verdict
from harness.verification.draw import Drawn
from harness.verification.notes import Refit
from harness.verification.refitting import Claim
from harness.verification.verifying import Request

COLUMNS = ("trial", "result", "share", "tolerance", "measured", "reason")
_PROOFS = {
    "recomputed": "every figure follows from the scores, but those of pixels",
    "limit stated": "every figure follows from the scores and the limit, whose threshold is not installed here",
    "stated": "without scores: no more than their arithmetic was checked",
}


def rows_document(export: Export, marked: Sequence[Verdict]) -> Document:
    """How many rows of each kind there are, and how many of their trials others have fitted again."""
    done = [verdict for verdict in marked if verdict.status == "done"]
    kinds: Counter[str] = Counter(verdict.proof for verdict in done)
    ranked = [verdict for verdict in done if not verdict.outcome.record.floor]
    verified = {verdict.outcome.id for verdict in ranked if verdict.verified}
    trials = {verdict.outcome.id for verdict in ranked}
    left_out = len(export.faults)
    notes = [f"{counted(left_out, 'line')} {'is' if left_out == 1 else 'are'} left out."] if left_out else []
    rows, among = counted(len(export.rows), "row"), counted(len(trials), "trial")
    table = Table(
        f"{export.file.name} · {rows} · verified {len(verified)} of {among}",
        ("rows", "proof", "that is"),
        [[str(kinds[kind]), kind, words] for kind, words in _PROOFS.items() if kinds[kind]],
        numbers=frozenset({"rows"}),
        notes=notes,
    )
    row = {"file": export.file.name, "rows": len(export.rows), "left_out": len(export.faults), **kinds}
    return Document(lambda: [table], lambda: [{**row, "verified": len(verified), "trials": len(trials)}])


def refits_document(found: Sequence[tuple[Claim, Refit]], drawn: Drawn, request: Request) -> Document:
    """A line for each trial that was drawn."""
    cells = [
        [claim.trial.title, refit.trial, refit.result, _figure(refit.share), f"{refit.tolerance:g}", refit.reason]
        for claim, refit in found
    ]
    among = f"{drawn.of} of {drawn.in_all} trials" + (f", fitted within {request.within:g} s" if request.within else "")
    table = Table(
        f"Fitted again: {len(found)}, drawn by seed {request.seed} from {among}",
        ("trial", "id", "result", "off by", "allowed", "remark"),
        [[printable(cell) for cell in row] for row in cells],
        numbers=frozenset({"off by", "allowed"}),
        notes=["Off by: the worst score, as a share of the range of the stated ones.", *_measured(found)],
        folding=frozenset({"trial", "remark"}),
    )
    return Document(lambda: [table], lambda: [_row(refit) for _, refit in found], COLUMNS)


def _measured(found: Sequence[tuple[Claim, Refit]]) -> list[str]:
    places = {(refit.tolerance, refit.measured) for _, refit in found}
    return [f"Allowed are {share:g}, measured {place}." for share, place in sorted(places)]


def _row(refit: Refit) -> dict[str, Any]:
    return {name: getattr(refit, name) for name in COLUMNS}


def _figure(share: float | None) -> str:
    return "" if share is None else f"{share:.2g}"
