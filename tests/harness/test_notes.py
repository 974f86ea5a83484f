"""Signed notes as files: what they are called, which of them count, and what a reader is told of the others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.api import Threshold
from harness.errors import UsageError
from harness.plugin.registry import Registry
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.exports import digest_of, row_of
from harness.verdicts.judging import judge
from harness.verdicts.verdict import Checked, Verdict
from harness.verification.keys import Signer, signer
from harness.verification.notes import Note, Notes, Refit, beside, read, save, text_of
from harness.verification.refitting import Claim, _other_labels, _share, _share_of_figures, _shares

pytest.importorskip("cryptography")

TRIAL = Trial("dots", "tile", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
NORMAL, TEST = np.array([0.0, 1.0, 2.0]), np.array([0.0, 2.0, 3.0, 10.0])
EVIDENCE = Evidence({"mean": NORMAL}, {"mean": TEST}, ("good", "good", "hole", "hole"), tuple("abcd"))


REGISTRY = Registry.discover()


def outcome(evidence: Evidence = EVIDENCE, **changes: Any) -> Outcome:
    return Outcome(TRIAL._replace(**changes), "done", "", "f00d", evidence, Record(default_pool="mean"))


def verdicts(found: Outcome) -> list[Verdict]:
    return list(judge(found, REGISTRY.choose(Threshold, "mean")))


@pytest.fixture(scope="module")
def anna(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return signer(tmp_path_factory.mktemp("private") / "anna.pem")[0]


def note(anna: Signer, *refits: Refit, **changes: Any) -> Note:
    told = Note(1, "anna", anna.public, "2026-11-28T09:08:07+00:00", "dots.jsonl", "d", 7, 2, 4, 5, refits)
    return replace(told, **changes)


def refit_of(verdict: Verdict, result: str = "equal") -> Refit:
    return Refit(verdict.outcome.id, result, 1e-3, "here", 0.0, rows=(digest_of(row_of(verdict)),))


def test_a_note_is_called_after_its_rows_its_time_and_its_seed(anna: Signer, tmp_path: Path) -> None:
    file = save(note(anna), anna, tmp_path / "dots.jsonl")
    assert file == tmp_path / "dots.20261128T090807.seed7.note.json"
    assert read(file, {anna.public: "her"}) == note(anna, verifier="her"), "it is told by the name of who trusts"
    assert file.read_text() == text_of(note(anna), anna)
    with pytest.raises(UsageError, match=r"the note '.*nowhere/dots.*' cannot be written: No such file or directory"):
        save(note(anna), anna, tmp_path / "nowhere" / "dots.jsonl")


def test_of_an_export_the_notes_beside_it_count_and_of_a_store_those_in_it(anna: Signer, tmp_path: Path) -> None:
    own = [save(note(anna, seed=seed), anna, tmp_path / "dots.jsonl") for seed in (9, 8)]
    other = save(note(anna), anna, tmp_path / "dots2.jsonl")
    (tmp_path / "dots.json").write_text("{}")
    assert beside(tmp_path / "dots.jsonl") == sorted(own)
    assert beside(tmp_path) == sorted([*own, other])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "is no note: its format is 2, expected 1"),
        ({"refits": [{"trial": "a", "result": "good", "tolerance": 0.1, "measured": ""}]}, "is no note"),
        ({"seed": "seven"}, "is no note: seed is 'seven', expected a whole number"),
        ({"seed": 8}, "was altered, or its signature is of another key: it does not count"),
    ],
)
def test_a_note_that_says_what_was_not_signed_is_none(
    anna: Signer, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    told = json.loads(text_of(note(anna), anna))
    told["note"] |= change
    file = tmp_path / "x.note.json"
    file.write_text(json.dumps(told))
    with pytest.raises(UsageError) as refused:
        read(file, {anna.public: "anna"})
    assert str(refused.value).startswith(f"note {str(file)!r} ")
    assert said in str(refused.value)


def test_a_note_of_somebody_whom_nobody_trusts_names_the_key(anna: Signer, tmp_path: Path) -> None:
    file = save(note(anna), anna, tmp_path / "dots.jsonl")
    with pytest.raises(
        UsageError, match="is signed by 'anna' with the key ssh-ed25519 .*, which is not trusted: --trust"
    ):
        read(file, {})


def test_the_worst_that_several_have_found_counts_and_what_could_not_be_fitted_does_not(anna: Signer) -> None:
    (verdict,) = verdicts(outcome())
    several = {
        Path(result): note(anna, refit_of(verdict, result), verifier=result)
        for result in ("within tolerance", "different", "equal", "impossible")
    }
    (marked,) = Notes(dict(several)).marked([verdict])
    assert marked.checked == Checked("different", "different", "2026-11-28T09:08:07+00:00")
    (alone,) = Notes({Path("x"): several[Path("impossible")]}).marked([verdict])
    assert alone.checked is None
    two = Notes({one: several[one] for one in (Path("equal"), Path("within tolerance"))})
    assert two.marked([verdict])[0].checked == Checked(
        "within tolerance", "within tolerance", "2026-11-28T09:08:07+00:00"
    )
    assert two.faults == []
    assert two.trials == {verdict.outcome.id}


def test_a_note_of_rows_that_are_not_here_is_said_once_with_how_many(anna: Signer) -> None:
    here, other = verdicts(outcome()), verdicts(outcome(seed=1))
    notes = Notes({Path("n"): note(anna, refit_of(here[0]), refit_of(other[0]), Refit("gone", "impossible", 0.0, ""))})
    for _ in range(2):
        assert [one.verified for one in notes.marked(here)] == [True]
    trial = other[0].outcome.id
    assert notes.faults == [
        f"note 'n' is of other rows: 1 of its 2 trials, such as {trial}, are not here as they were when they were checked"
    ]
    assert Notes().marked(here) == here, "without notes nothing is looked at"


def claim_of(found: Outcome, with_scores: bool = True) -> Claim:
    every = verdicts(found)
    if not with_scores:
        every = [replace(one, images=SimpleNamespace(scores=lambda: "of others")) for one in every]  # type: ignore[arg-type]
    return Claim(every, [])


def changed(**pools: Any) -> Evidence:
    return replace(EVIDENCE, test={"mean": TEST, **pools})


def test_the_worst_score_counts_as_a_share_of_the_range_of_all_that_were_stated() -> None:
    assert _share(EVIDENCE, EVIDENCE, "mean") == 0.0
    assert _share(EVIDENCE, changed(mean=np.add(TEST, [0, 0, -0.5, 0.2])), "mean") == pytest.approx(0.05)
    assert _share(EVIDENCE, replace(EVIDENCE, normal={"mean": NORMAL - 1}), "mean") == pytest.approx(0.1)
    assert _share(EVIDENCE, changed(mean=TEST[:3]), "mean") is None, "another number of images"
    flat = replace(EVIDENCE, normal={"mean": np.ones(3)}, test={"mean": np.ones(4)})
    assert _share(flat, flat, "mean") == 0.0
    assert _share(flat, replace(flat, test={"mean": np.full(4, 1.1)}), "mean") == 1.0, "no share of no range"


def test_pools_that_give_no_scores_here_are_told_apart_from_scores_that_differ() -> None:
    claim, again = claim_of(outcome()), outcome()
    assert list(_shares(claim, again, EVIDENCE, Registry())) == [0.0]
    assert list(_shares(claim, again, replace(EVIDENCE, test={"max": TEST}), Registry())) == [None]
    assert (
        _other_labels({"mean": EVIDENCE}, SimpleNamespace(test=SimpleNamespace(defects=list(EVIDENCE.defects)))) == ""
    )  # type: ignore[arg-type]
    turned = SimpleNamespace(test=SimpleNamespace(defects=EVIDENCE.defects[::-1]))
    assert _other_labels({"mean": EVIDENCE}, turned) == "its labels are not those of the data"  # type: ignore[arg-type]


def test_without_scores_the_limit_as_a_share_of_the_range_or_the_auroc_tells() -> None:
    claim = claim_of(outcome(), with_scores=False)
    assert _share_of_figures(claim, outcome(), EVIDENCE, "mean", REGISTRY) == 0.0
    higher = replace(EVIDENCE, normal={"mean": NORMAL + 1})
    assert _share_of_figures(claim, outcome(higher), higher, "mean", REGISTRY) == pytest.approx(0.1)
    worse = changed(mean=np.array([0.0, 10.0, 2.0, 3.0]))
    assert _share_of_figures(claim, outcome(worse), worse, "mean", REGISTRY) == pytest.approx(0.5), "half of the pairs"
    assert _share_of_figures(claim, outcome(higher), higher, "mean", Registry()) is None, "no such threshold here"
