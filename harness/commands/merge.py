"""`harness merge`."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from harness.errors import UsageError
from harness.plugin.registry import Registry
from harness.printable import printable
from harness.trials.record import Record
from harness.trials.store import Store
from harness.trials.trial import Outcome
from harness.verdicts import exports as results
from harness.verdicts.merging import merge


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--into",
    required=True,
    type=click.Path(path_type=Path),
    help="A store, or a .jsonl file for sources that are such.",
)
@click.pass_context
def command(ctx: click.Context, sources: tuple[Path, ...], into: Path) -> None:
    """Bring the trials of several stores into one.

    SOURCES are stores, or exports (.jsonl), which merge into one export. Same trial and same scores is one record;
    same trial and other scores, or another verdict on them, is a conflict: it is reported, nothing is overwritten, and
    the exit code is 3. A row that does not follow from its scores is left out, which is told as well.
    """
    bring = _merge_exports if into.suffix == ".jsonl" else _merge_stores
    for source in sources:
        if (source.suffix == ".jsonl") != (into.suffix == ".jsonl"):
            raise UsageError(
                f"{str(source)!r} and {str(into)!r} are not of one kind: expected stores, or .jsonl exports"
            )
    added, same, conflicts, faults = bring(sources, into)
    for fault in faults:
        click.echo(printable(f"left out: {fault}"), err=True)
    for conflict in conflicts:
        click.echo(f"conflict: {printable(conflict)}", err=True)
    click.echo(f"{added} added to {into}, {same} already there, {len(conflicts)} in conflict", err=True)
    ctx.exit(3 if conflicts or faults else 0)


def _merge_exports(sources: tuple[Path, ...], into: Path) -> tuple[int, int, list[str], list[str]]:
    registry = Registry.discover()
    target = results.read(into, registry) if into.exists() else None
    if target is not None and target.faults:
        more = f" (and {len(target.faults) - 1} more)" if len(target.faults) > 1 else ""
        raise UsageError(f"{target.faults[0]}{more}: nothing was merged, which would lose it")
    earlier = list(target.rows) if target else []
    read = [results.read(source, registry) for source in sources]
    merged = merge([(str(into), earlier), *((str(export.file), export.rows) for export in read)])
    try:
        results.save(merged.rows, into)
    except OSError as error:
        raise UsageError(f"--into {str(into)!r} cannot be written: {error.strerror}") from error
    known = {id(row) for row in earlier}
    added = sum(id(row) not in known for row in merged.rows)
    return added, merged.same, merged.conflicts, [fault for export in read for fault in export.faults]


def _merge_stores(sources: tuple[Path, ...], into: Path) -> tuple[int, int, list[str], list[str]]:
    added, same, conflicts = 0, 0, []
    with ExitStack() as stack:
        opened = [
            (source, stack.enter_context(Store(source))) for source in sources
        ]  # so that a wrong source is noticed before `into` is created
        target = stack.enter_context(Store(into, write=True))
        known = {outcome.id: _hashes(outcome) for outcome in target.outcomes()}
        for source, store in opened:
            for outcome in store.outcomes():
                scores = _hashes(outcome)
                if outcome.id not in known or (scores and not known[outcome.id]):
                    target.put_from(store, outcome)
                    known[outcome.id] = scores
                    added += 1
                elif not scores or scores == known[outcome.id]:
                    same += 1
                    target.complete_from(store, outcome.id)
                    if measured := outcome.record.latency:
                        target.amend(outcome.id, partial(Record.with_latencies, measured=measured))
                else:
                    trial = outcome.trial
                    conflicts.append(f"{trial.title}: {source} has other scores than {into}")
    return added, same, conflicts, []


def _hashes(outcome: Outcome) -> dict[str, str]:
    """A hash of the scores by pool; empty for a trial that is not done."""
    evidence = outcome.evidence
    return {} if evidence is None else {pool: evidence.hash_of(pool) for pool in evidence.test}
