"""What the HTML report shows of single images: the scores, limits and error maps of each trial, and the images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.api import GOOD
from harness.report.pictures import affordable, data_uri, outline, sheet
from harness.report.protocols import data_of
from harness.trials.holdout import unfitted
from harness.trials.store import Store
from harness.trials.trial import Evidence, spelt
from harness.verdicts.methods import Method, Track, labels, method_of
from harness.verdicts.verdict import Verdict

Json = dict[str, Any]


def name_plainly(verdicts: Iterable[Verdict]) -> dict[Method, str]:
    """The names of methods without their threshold, which readers of the report choose separately."""
    return labels(_plain(method_of(verdict)) for verdict in verdicts)


def case_of(verdict: Verdict) -> str:
    """The name of a case: the scores of one trial by one pool, for which readers may move the threshold."""
    return f"{verdict.outcome.id} {verdict.pool}"


def title_of(verdict: Verdict, names: Mapping[Method, str]) -> str:
    """The name of a verdict's method, as `name_plainly` gives it, with the protocol where that is not the usual one."""
    return ", ".join(filter(None, (names[_plain(method_of(verdict))], spelt(verdict.trial.protocol))))


def cases(verdicts: Sequence[Verdict], store: Store, names: Mapping[Method, str]) -> Json:
    """The test sets by fingerprint, trials by id and cases by name, of all verdicts that have scores."""
    whole = [verdict for verdict in verdicts if verdict.outcome.evidence is not None and verdict.limit is not None]
    outcomes = {verdict.outcome.id: verdict for verdict in whole}
    side, most = affordable([_images(verdict) for verdict in outcomes.values()])
    sets: Json = {}
    for verdict in outcomes.values():
        if verdict.outcome.fingerprint not in sets:
            sets[verdict.outcome.fingerprint] = _test_set(verdict, store)
    found: Json = {}
    for verdict in whole:
        name = case_of(verdict)
        if name not in found:
            found[name] = _case(verdict, names)
        found[name]["limits"].append({"threshold": verdict.threshold, "oracle": verdict.oracle, "limit": verdict.limit})
    trials = {trial: _trial(verdict, store, side, most) for trial, verdict in outcomes.items()}
    return {"sets": sets, "trials": trials, "cases": found}


def _plain(method: Method) -> Method:
    return method._replace(threshold="")


def _evidence(verdict: Verdict) -> Evidence:
    assert verdict.outcome.evidence is not None
    return verdict.outcome.evidence


def _images(verdict: Verdict) -> int:
    return len(_evidence(verdict).paths)


def _test_set(verdict: Verdict, store: Store) -> Json:
    evidence, trial = _evidence(verdict), verdict.trial
    pictures = store.thumbnails(verdict.outcome.fingerprint)
    whole = len(pictures) == len(evidence.paths)
    return {
        "dataset": trial.dataset,
        "category": trial.category,
        "image_size": trial.image_size,
        "names": evidence.paths,
        "defects": evidence.defects,
        "normal": GOOD,
        "images": [data_uri(picture.jpeg) for picture in pictures] if whole else [],
        "outlines": [_outline(picture.mask) for picture in pictures] if whole else [],
    }


def _outline(mask: Any) -> Json | None:
    if mask is None or not mask.any():
        return None
    return {"path": outline(mask), "width": mask.shape[1], "height": mask.shape[0]}


def _trial(verdict: Verdict, store: Store, side: int, most: int) -> Json:
    record = verdict.outcome.record
    maps = store.maps(verdict.outcome.id)
    if maps is not None and len(maps.values) == _images(verdict):
        kept = sheet(maps, _most_telling(verdict, most), side)
    else:
        kept = None
    return {"maps": kept, "losses": list(record.loss_history), "seconds": record.fit_seconds}


def _most_telling(verdict: Verdict, most: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """The images that are furthest on the wrong side of the limit, then those nearest to it, in test set order."""
    evidence = _evidence(verdict)
    margin = evidence.test[verdict.pool] - (verdict.limit or 0)
    return np.sort(np.argsort(np.where(evidence.labels, margin, -margin), kind="stable")[:most])


def _case(verdict: Verdict, names: Mapping[Method, str]) -> Json:
    interval, evidence, trial = verdict.interval("auroc"), _evidence(verdict), verdict.trial
    normal, scores = np.sort(evidence.normal[verdict.pool]), evidence.test[verdict.pool]
    return {
        "set": verdict.outcome.fingerprint,
        "trial": verdict.outcome.id,
        "title": title_of(verdict, names),
        "method": names[_plain(method_of(verdict))],
        "data": data_of(Track(trial.dataset, trial.image_size, False, False, trial.protocol)),
        "seed": trial.seed,
        "scores": scores.tolist(),
        "calibration": len(normal),
        "as_high": (len(normal) - np.searchsorted(normal, scores, side="left")).tolist(),
        "unfitted": unfitted(verdict.outcome.record.calibrated_on, trial.holdout),
        "auroc": verdict.metric("auroc"),
        "auroc_interval": list(interval) if interval else None,
        "average_precision": verdict.metric("average_precision"),
        "limits": [],
    }
