"""An export, looked at by somebody who does not have to believe it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from harness.errors import UsageError
from harness.trials import hardware, provenance
from harness.trials.datasets import open_dataset
from harness.trials.observers import Observer
from harness.trials.trial import UNUSED
from harness.trials.worker import Worker, WorkerConfig
from harness.verdicts.digests import export_digest
from harness.verdicts.exports import Export, digest_of
from harness.verdicts.verdict import Verdict
from harness.verification.draw import Drawn, draw
from harness.verification.notes import FORMAT, Note, Refit
from harness.verification.refitting import Claim, check
from harness.verification.tolerances import tolerance_of


@dataclass(frozen=True)
class Request:
    """How many trials are to be fitted again, and which may be."""

    sample: int
    seed: int
    within: float | None = None
    tolerance: float | None = None


def claims_of(export: Export) -> dict[str, Claim]:
    """Each finished trial of an export with what it says of it, by id."""
    done = [
        (verdict, digest_of(row))
        for verdict, row in zip(export.verdicts, export.rows, strict=True)
        if verdict.status == "done"
    ]
    found: dict[str, tuple[list[Verdict], list[str]]] = {}
    for verdict, digest in done:
        verdicts, digests = found.setdefault(verdict.outcome.id, ([], []))
        verdicts.append(verdict)
        digests.append(digest)
    return {trial: Claim(*both) for trial, both in found.items()}


def drawn_claims(export: Export, request: Request) -> tuple[Drawn, list[Claim]]:
    """What was drawn. Raises UsageError where nothing can be."""
    drawn, claims = draw(export.verdicts, request.sample, request.seed, request.within), claims_of(export)
    return drawn, [claims[trial] for trial in drawn.trials]


def refits_of(
    claims: Sequence[Claim], request: Request, worker: Worker, observer: Observer
) -> Iterator[tuple[Claim, Refit]]:
    """What came of each, as it ends. Raises UsageError for a data set that needs a folder and has none."""
    for claim in claims:
        dataset = open_dataset(worker.registry, claim.trial.dataset, worker.config.data_root)
        if dataset.needs_root and worker.config.data_root is None:
            raise UsageError(f"data set {claim.trial.dataset!r} needs --data-root, a folder such as {dataset.layout}")
    for claim in claims:
        tolerance = tolerance_of(claim.trial, worker.config.device, request.tolerance)
        yield claim, check(claim, _as_stated(worker, claim), observer, tolerance)


def _as_stated(worker: Worker, claim: Claim) -> Worker:
    """The worker with the threads of the claim's fit and the pools that it states scores of."""
    device = worker.config.device
    threads = claim.verdicts[0].outcome.record.threads or hardware.threads(device, claim.trial.precision, 1)
    pools = tuple(sorted({verdict.pool for verdict in claim.verdicts} - {UNUSED}))
    changed = tuple(sorted({name for evidence in claim.evidence.values() for name in evidence.corrupted}))
    return replace(worker, config=replace(worker.config, threads=threads, pools=pools, corruptions=changed))


def note_of(
    export: Export,
    drawn: Drawn,
    refits: Sequence[Refit],
    request: Request,
    config: WorkerConfig,
    signer: tuple[str, str],
) -> Note:
    """What is to be signed; `signer` is the name and the public key."""
    name, key = signer
    return Note(
        format=FORMAT,
        verifier=name,
        key=key,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        file=export.file.name,
        export=export_digest(map(digest_of, export.rows)),
        seed=request.seed,
        sample=request.sample,
        within=request.within,
        drawn_of=drawn.of,
        finished=drawn.in_all,
        refits=tuple(refits),
        device=config.device,
        machine=hardware.machine(config.device),
        versions=provenance.versions(),
        isolated=config.isolate,
    )


def redrawn(note: Note, export: Export) -> str:
    """What is odd about the draw of a note on these rows; empty where its seed gives it, or where rows have changed."""
    if note.export != export_digest(map(digest_of, export.rows)):
        return ""
    drawn = draw(export.verdicts, note.sample, note.seed, note.within)
    if drawn.trials == tuple(refit.trial for refit in note.refits):
        return ""
    return f"its seed {note.seed} draws {', '.join(drawn.trials)}, and it is of other trials"
