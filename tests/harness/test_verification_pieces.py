"""Each piece of verification asked by itself, on small hand-made trials and notes: without a fit, and without files."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.api import GOOD, Threshold
from harness.errors import DataError, UnavailableError, UsageError
from harness.metrics.pixel.curves import VERSIONS
from harness.plugin.registry import Registry
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.digests import scores_digest
from harness.verdicts.exports import Export, digest_of, row_of
from harness.verdicts.judging import judge
from harness.verdicts.verdict import Checked, Verdict
from harness.verification import draw as drawing
from harness.verification import notes as noting
from harness.verification import refitting, verifying
from harness.verification.beside_scores import CHANGED, PIXELS, beside_scores, other_record
from harness.verification.draw import draw, lot, weights_of
from harness.verification.keys import is_signed, shipped_folder, signer, trusted
from harness.verification.matching import matching
from harness.verification.notes import Note, Notes, Refit, read, save, text_of
from harness.verification.refitting import Claim, check
from harness.verification.submission import look_at
from harness.verification.tolerances import Tolerance, tolerance_of
from harness.verification.verifying import Request, claims_of, drawn_claims, note_of, redrawn, refits_of

pytest.importorskip("cryptography")

TRIAL = Trial("dots", "tile", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
KINDS = (GOOD, GOOD, "hole", "hole")
NORMAL, TEST = np.array([0.0, 1.0, 2.0]), np.array([0.0, 2.0, 3.0, 10.0])
EVIDENCE = Evidence({"mean": NORMAL}, {"mean": TEST}, KINDS, tuple("abcd"))
RECORD = Record(default_pool="mean", n_train=3, calibrated_on="fitted", fit_seconds=2.0)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover()


def outcome(evidence: Evidence = EVIDENCE, record: Record = RECORD, **changes: Any) -> Outcome:
    return Outcome(TRIAL._replace(**changes), "done", "", "f00d", evidence, record)


def judged(found: Outcome, registry: Registry, thresholds: str = "mean") -> list[Verdict]:
    return list(judge(found, registry.choose(Threshold, thresholds)))


# What is stated beside scores.


@pytest.mark.parametrize(
    ("name", "stated", "here", "said"),
    [
        ("n_train", 3, 4, "its n_train is 3, here it is 4"),
        ("default_pool", "mean", "max", "its default_pool is 'mean', here it is 'max'"),
        ("calibrated_on", "fitted", "holdout", "its calibrated_on is 'fitted', here it is 'holdout'"),
        ("floor", True, False, "its floor is True, here it is False"),
        ("fit_seconds", 3.0, 4.0, ""),
        ("threads", 3, 4, ""),
    ],
)
def test_what_any_machine_has_to_come_to_is_told_where_it_differs(name: str, stated: Any, here: Any, said: str) -> None:
    assert other_record(Record(**{name: stated}), Record(**{name: here})) == said
    assert other_record(Record(**{name: stated}), Record(**{name: stated})) == ""
    assert other_record(Record(), Record(**{name: here})) == "", "what is not stated is not held against anything"


def test_pixel_metrics_of_todays_definition_are_compared_and_others_not() -> None:
    one, two, *_ = VERSIONS
    stated = Record(pixels={one: 0.5, two: 0.25}, pixel_versions=dict(VERSIONS))
    found = Record(pixels={one: 0.75}, pixel_versions=dict(VERSIONS))
    assert beside_scores(stated, found, {}, EVIDENCE) == ([0.25, None], (PIXELS,))
    older = replace(stated, pixel_versions={one: 0, two: VERSIONS[two]})
    assert beside_scores(older, found, {}, EVIDENCE) == ([None], (PIXELS,))
    missing = Record(pixels={one: None}, pixel_versions=dict(VERSIONS))
    assert beside_scores(missing, found, {}, EVIDENCE) == ([], ())
    assert beside_scores(stated, Record(), {}, EVIDENCE) == ([None, None], (PIXELS,))
    assert beside_scores(Record(), found, {}, EVIDENCE) == ([], ())


def test_scores_of_changed_images_are_compared_as_a_share_of_their_range() -> None:
    def changed(**by_name: Any) -> Evidence:
        return replace(EVIDENCE, corrupted={name: {"mean": np.array(scores)} for name, scores in by_name.items()})

    stated = {"mean": changed(blur=[[0.0, 4.0]], noise=[[1.0, 1.0]])}
    same = changed(blur=[[0.0, 4.0]], noise=[[1.0, 1.0]])
    assert beside_scores(Record(), Record(), stated, same) == ([0.0, 0.0], (CHANGED,))
    other = changed(blur=[[0.0, 3.0]], noise=[[1.0, 2.0]])
    assert beside_scores(Record(), Record(), stated, other) == ([0.25, 1.0], (CHANGED,)), "no share of no range"
    assert beside_scores(Record(), Record(), stated, EVIDENCE)[0] == [None, None]
    assert beside_scores(Record(), Record(), stated, changed(blur=[[0.0]], noise=[[1.0, 1.0]]))[0] == [None, 0.0]


# The draw.


def test_a_lot_is_worked_out_from_seed_and_trial_and_grows_with_the_weight() -> None:
    digits = int(hashlib.sha256(b"7:abc").hexdigest()[:13], 16)
    uniform = (digits + 0.5) / 16**13
    assert lot(7, "abc", 1.0) == pytest.approx(uniform, rel=1e-12)
    assert lot(7, "abc", 0.5) == pytest.approx(uniform**2, rel=1e-12)
    assert math.isclose(lot(7, "abc", 0.1), uniform**10, rel_tol=1e-9)
    assert lot(8, "abc", 1.0) != lot(7, "abc", 1.0) != lot(7, "abd", 1.0)


def board(*places: Any, category: str | None = "tile") -> Any:
    """Lines in the order of a board, each with its rank and the trials behind it."""
    lines = [
        SimpleNamespace(rank=rank, verdicts=[SimpleNamespace(outcome=SimpleNamespace(id=trial)) for trial in trials])
        for rank, trials in places
    ]
    return SimpleNamespace(category=category, lines=lines)


def test_the_best_rank_on_any_board_of_a_category_weighs_and_means_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [
        board((1, "ab"), (None, "c"), (3, "d")),
        board((4, "a"), (1, "d"), (9, "c")),
        board((1, "cde"), category=None),
    ]
    monkeypatch.setattr(drawing, "boards", lambda verdicts: shown)
    assert dict(weights_of([])) == {"a": 1.0, "b": 1.0, "c": 0.5, "d": 1.0}
    assert list(weights_of([])) == ["a", "b", "c", "d"]


def test_the_highest_lots_are_drawn_of_those_that_were_fitted_soon_enough(
    monkeypatch: pytest.MonkeyPatch, registry: Registry
) -> None:
    trials = dict.fromkeys("abcdef", 1.0)
    monkeypatch.setattr(drawing, "weights_of", lambda verdicts: trials)

    def verdict(name: str, seconds: float | None) -> Any:
        return SimpleNamespace(outcome=SimpleNamespace(id=name, record=Record(fit_seconds=seconds)))

    rows = [verdict(name, None if name == "f" else place) for place, name in enumerate("abcdef")]
    by_lot = sorted("abcdef", key=lambda one: -lot(5, one, 1.0))
    assert draw(rows, 3, 5) == (tuple(by_lot[:3]), 6, 6)
    assert draw(rows, 9, 5, 2.0) == (tuple(one for one in by_lot if one in "abc"), 3, 6)
    assert draw(rows, 1, 5, 0) == (("a",), 1, 6)

    def refused(rows: Any, within: float | None = None) -> str:
        with pytest.raises(UsageError) as error:
            draw(rows, 1, 0, within)
        return str(error.value)

    slow = [verdict(name, 9.0) for name in "abcdef"]
    assert refused(slow, 0.5) == (
        "there is no finished trial that says it was fitted within 0.5 s to draw: expected some of 6"
    )
    trials.clear()
    assert refused([], 0.5) == refused([]) == "there is no finished trial to draw: expected some of 0"


# A claim, held against a fit.


class Again:
    """A worker that loads these images, and whose fit gives this outcome."""

    def __init__(self, registry: Any, gives: Any = None, **more: Any) -> None:
        self.registry, self.gives = registry, gives or outcome()
        self.more = {"fingerprint": "f00d", "defects": KINDS, "error": None, **more}
        self.config = SimpleNamespace(device="cpu", data_root=None)

    def split_of(self, trial: Trial) -> Any:
        if self.more["error"]:
            raise self.more["error"]
        return "images"

    def presented(self, trial: Trial, images: Any) -> Any:
        assert images == "images"
        return SimpleNamespace(fingerprint=self.more["fingerprint"], test=SimpleNamespace(defects=self.more["defects"]))

    def perform(self, trial: Trial, observer: Any, images: Any) -> Outcome:
        assert (trial, images) == (TRIAL, "images")
        return self.gives


@pytest.fixture
def result(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(refitting, "versions_here", lambda trial, registry: "")

    def call(gives: Any = None, stated: Any = None, tolerance: float = 1e-3, **more: Any) -> Refit:
        claim = Claim(judged(stated or outcome(), registry), ["row"])
        worker: Any = Again(registry, gives, **more)
        return check(claim, worker, SimpleNamespace(), Tolerance(tolerance, "here"))  # type: ignore[arg-type]

    return call


def test_a_fit_that_comes_to_the_same_scores_is_equal_and_says_what_was_compared(result: Any) -> None:
    found = result()
    assert (found.result, found.share, found.reason, found.compared) == ("equal", 0.0, "", ())
    assert (found.trial, found.tolerance, found.measured) == (outcome().id, 1e-3, "here")
    assert found.scores == {"mean": scores_digest(EVIDENCE, "mean")}
    assert found.rows == ("row",)


def moved(by: float) -> Outcome:
    return outcome(replace(EVIDENCE, test={"mean": TEST + np.array([0, 0, 0, by])}))


@pytest.mark.parametrize(
    ("by", "tolerance", "said"),
    [
        (0.01, 0.001, "within tolerance"),
        (0.011, 0.001, "different"),
        (-1.0, 0.1, "within tolerance"),
        (0.0, 0.0, "equal"),
    ],
)
def test_scores_may_lie_off_by_the_tolerance_and_no_more(result: Any, by: float, tolerance: float, said: str) -> None:
    found = result(moved(by), tolerance=tolerance + 1e-12)
    assert (found.result, found.reason) == (said, "")
    assert found.share == pytest.approx(abs(by) / 10)


@pytest.mark.parametrize(
    ("more", "result_is", "reason"),
    [
        ({"error": DataError("the images are gone")}, "impossible", "the images are gone"),
        ({"fingerprint": "beef"}, "impossible", "its data is f00d, here it is beef"),
        ({"defects": KINDS[::-1]}, "different", "its labels are not those of the data"),
        (
            {"gives": Outcome(TRIAL, "error", "no luck", "f00d")},
            "impossible",
            "no luck",
        ),
        (
            {"gives": outcome(record=replace(RECORD, n_train=4))},
            "different",
            "its n_train is 3, here it is 4",
        ),
        (
            {"gives": outcome(replace(EVIDENCE, normal={"p": NORMAL}, test={"p": TEST}))},
            "impossible",
            "its pools gave no scores here",
        ),
    ],
)
def test_what_cannot_be_compared_or_contradicts_is_told_with_the_reason(
    result: Any, more: dict[str, Any], result_is: str, reason: str
) -> None:
    found = result(**more)
    assert (found.result, found.reason, found.share) == (result_is, reason, None)


def test_figures_beside_scores_count_as_well(result: Any) -> None:
    name = next(iter(VERSIONS))
    stated = replace(RECORD, pixels={name: 0.5}, pixel_versions=dict(VERSIONS))
    again = replace(stated, pixels={name: 0.75})
    found = result(outcome(record=again), stated=outcome(record=stated))
    assert (found.result, found.share, found.compared) == ("different", 0.25, (PIXELS,))
    without = result(outcome(), stated=outcome(record=stated))
    assert (without.result, without.reason, without.compared) == (
        "impossible", "its pools gave no scores here", (PIXELS,),
    )  # fmt: skip


def test_without_scores_it_is_said_by_what_was_compared(result: Any, registry: Registry) -> None:
    bare = [
        replace(one, images=SimpleNamespace(scores=lambda: "of others"))  # type: ignore[arg-type]
        for one in judged(outcome(), registry)
    ]
    worker: Any = Again(registry, outcome(replace(EVIDENCE, normal={"mean": NORMAL + 0.003})))
    found = check(Claim(bare, ["r", "a"]), worker, SimpleNamespace(), Tolerance(1e-3, ""))  # type: ignore[arg-type]
    assert (found.result, found.reason) == (
        "within tolerance", "by limits and AUROC, for its scores did not come along",
    )  # fmt: skip
    assert (found.scores, found.rows) == ({}, ("a", "r"))


@pytest.mark.parametrize("name", ["auroc", "limit"])
def test_a_figure_that_a_row_does_not_state_is_held_against_nothing(
    name: str, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refitting, "versions_here", lambda trial, registry: "")
    without = [
        replace(one, images=SimpleNamespace(scores=lambda: "of others"), **{name: None})  # type: ignore[arg-type]
        for one in judged(outcome(), registry)
    ]
    worker: Any = Again(registry)
    found = check(Claim(without, []), worker, SimpleNamespace(), Tolerance(1e-3, ""))  # type: ignore[arg-type]
    assert (found.result, found.share) == ("equal", 0.0), "by the other figure"


def test_a_trial_of_other_versions_cannot_be_fitted_again(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(here: Any, there: str = "") -> str:
        def versions(trial: Trial, registry: Any) -> str:
            if isinstance(here, Exception):
                raise here
            return str(here)

        monkeypatch.setattr(refitting, "versions_here", versions)
        claim = Claim(judged(outcome(versions=there), registry), [])
        worker: Any = Again(registry)
        found = check(claim, worker, SimpleNamespace(), Tolerance(0.1, ""))  # type: ignore[arg-type]
        assert found.result == "impossible"
        return found.reason

    assert said(UsageError("no model 'dae'.")) == "no model 'dae'."
    assert said("dae 2") == "it is of parts of version 1, installed here: dae 2"
    assert said("", "dae 2") == "it is of dae 2, installed here: parts of version 1"


# An export, drawn from and noted.


def export(registry: Registry, *found: Outcome, thresholds: str = "mean", name: str = "mine.jsonl") -> Export:
    every = [one for each in found for one in judged(each, registry, thresholds)]
    return SimpleNamespace(  # type: ignore[return-value]
        verdicts=every, rows=[row_of(one) for one in every], file=Path(name), faults=[]
    )


FAILED = Outcome(TRIAL._replace(seed=9), "error", "no luck", "f00d")


def test_each_finished_trial_claims_all_its_rows(registry: Registry) -> None:
    mine = export(registry, outcome(), outcome(seed=1), FAILED, thresholds="mean,quantile")
    claims = claims_of(mine)
    assert list(claims) == [outcome().id, outcome(seed=1).id]
    first = claims[outcome().id]
    assert [one.threshold for one in first.verdicts] == ["mean", "quantile"]
    assert list(first.rows) == [digest_of(row) for row in mine.rows[:2]]
    assert (first.trial, first.fingerprint) == (TRIAL, "f00d")
    assert first.evidence.keys() == {"mean"}
    drawn, own = drawn_claims(mine, Request(9, 3))
    assert [claim.verdicts[0].outcome.id for claim in own] == list(drawn.trials)
    assert (drawn.of, drawn.in_all) == (2, 2)
    assert redrawn(note(drawn=drawn.trials, export=mine, seed=3, sample=9), mine) == ""
    first_two = ", ".join(drawn.trials)
    other = note(drawn=drawn.trials[::-1], export=mine, seed=3, sample=9)
    assert redrawn(other, mine) == f"its seed 3 draws {first_two}, and it is of other trials"
    assert redrawn(other, export(registry, outcome())) == "", "rows have changed since"


def note(drawn: Any = (), export: Any = None, **changes: Any) -> Note:
    refits = tuple(Refit(trial, "equal", 1e-3, "here") for trial in drawn)
    digest = "d" if export is None else verifying.export_digest(map(digest_of, export.rows))
    return replace(
        Note(1, "anna", "key", "2026-11-28T09:08:07+00:00", "dots.jsonl", digest, 7, 2, 4, 5, refits), **changes
    )


def test_a_claim_is_fitted_with_the_threads_pools_and_changes_that_it_states(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.trials.worker import Worker, WorkerConfig

    changed = replace(EVIDENCE, corrupted={"blur": {"mean": np.zeros((5, 4))}})
    claims = list(claims_of(export(registry, outcome(changed, replace(RECORD, threads=3)), outcome(seed=1))).values())
    asked: list[Any] = []

    def look(claim: Claim, worker: Worker, observer: Any, tolerance: Tolerance) -> Refit:
        asked.append((worker.config.threads, worker.config.pools, worker.config.corruptions, tolerance))
        return Refit(claim.verdicts[0].outcome.id, "equal", *tolerance)

    monkeypatch.setattr(verifying, "check", look)
    monkeypatch.setattr(verifying.hardware, "threads", lambda *on: on)
    data = SimpleNamespace(needs_root=False, layout="ROOT/a")
    monkeypatch.setattr(verifying, "open_dataset", lambda *_: data)
    worker = Worker(WorkerConfig(device="cuda:0"), registry)
    observer: Any = None
    found = list(refits_of(claims, Request(2, 0, tolerance=0.02), worker, observer))
    assert [refit.trial for _, refit in found] == [outcome().id, outcome(seed=1).id]
    assert asked == [
        (3, ("mean",), ("blur",), (0.02, "nowhere: asked for")),
        (("cuda:0", "fp32", 1), ("mean",), (), (0.02, "nowhere: asked for")),
    ]
    data.needs_root = True
    with pytest.raises(UsageError) as refused:
        list(refits_of(claims, Request(2, 0), worker, observer))
    assert str(refused.value) == "data set 'dots' needs --data-root, a folder such as ROOT/a"
    assert len(asked) == 2, "said before anything is fitted"
    rooted = Worker(WorkerConfig(device="cuda:0", data_root=Path("r")), registry)
    assert len(list(refits_of(claims, Request(2, 0), rooted, observer))) == 2


def test_a_note_says_who_what_and_where(registry: Registry) -> None:
    from harness.trials.worker import WorkerConfig

    mine = export(registry, outcome())
    drawn, _ = drawn_claims(mine, Request(1, 4))
    refit = Refit(outcome().id, "equal", 1e-3, "here")
    found = note_of(
        mine, drawn, [refit], Request(1, 4, within=9.0), WorkerConfig(device="cpu", isolate=True), ("anna", "k")
    )
    assert (found.format, found.verifier, found.key, found.file) == (1, "anna", "k", "mine.jsonl")
    assert (found.seed, found.sample, found.within, found.drawn_of, found.finished) == (4, 1, 9.0, 1, 1)
    assert (found.refits, found.device, found.isolated) == ((refit,), "cpu", True)
    assert found.export == verifying.export_digest(map(digest_of, mine.rows))
    assert found.machine["device"] == "cpu"
    assert "numpy" in found.versions
    assert found.at.endswith("+00:00")
    assert len(found.at) == 25


@pytest.mark.parametrize(
    ("device", "epochs", "asked", "share", "measured"),
    [
        ("cpu", 0, None, 1e-3, "on AMD EPYC against Intel Xeon, 2026-11-28, leaderboards/verification.md"),
        ("cpu", 3, None, 1e-3, "nowhere: that of `harness reproduce`"),
        ("cuda:1", 0, None, 1e-3, "nowhere: that of `harness reproduce`"),
        ("cpu", 0, 0.0, 0.0, "nowhere: asked for"),
    ],
)
def test_a_tolerance_says_where_it_was_measured(
    device: str, epochs: int, asked: float | None, share: float, measured: str
) -> None:
    assert tolerance_of(TRIAL._replace(epochs=epochs), device, asked) == (share, measured)


# Which rows a note is of.


def test_a_note_is_of_the_rows_that_were_signed_and_of_what_follows_from_their_scores(registry: Registry) -> None:
    by_mean, by_quantile = judged(outcome(), registry, "mean,quantile")
    signed = Refit(
        outcome().id,
        "equal",
        0.1,
        "",
        scores={"mean": scores_digest(EVIDENCE, "mean")},
        rows=(digest_of(row_of(by_mean)),),
    )
    assert matching(signed, [by_mean, by_quantile], ["", ""]) == [True, True]
    assert matching(signed, [by_quantile], [""]) == [False], "none that was signed is here to remember by"
    assert matching(signed, [by_mean, by_quantile], [signed.rows[0], "other"]) == [True, True]
    assert matching(signed, [by_mean, by_quantile], ["other", "other"]) == [False, False]
    other = judged(outcome(replace(EVIDENCE, test={"mean": TEST + 1})), registry, "quantile")
    assert matching(signed, [by_mean, *other], ["", ""]) == [True, False], "other scores"
    assert matching(replace(signed, scores={"mean": "others"}), [by_mean], [""]) == [False]
    assert matching(replace(signed, scores={}), [by_mean, by_quantile], ["", ""]) == [True, False], (
        "no scores to follow from"
    )
    forgot = judged(outcome(record=replace(RECORD, fit_seconds=9.0)), registry, "quantile")
    assert matching(signed, [by_mean, *forgot], ["", ""]) == [True, False], "it remembers something else"
    stated = replace(by_quantile, proof="stated")
    assert matching(signed, [by_mean, stated], ["", ""]) == [True, False]
    worked_out = replace(by_quantile, proof="recomputed")
    assert matching(signed, [by_mean, worked_out], ["", ""]) == [True, True]


def test_metrics_that_were_asked_for_later_are_no_part_of_what_was_signed(registry: Registry) -> None:
    (plain,) = judged(outcome(), registry)
    signed = Refit(outcome().id, "equal", 0.1, "", rows=(digest_of(row_of(plain)),))
    measured: Any = SimpleNamespace(
        names=("g",), follows=lambda name: True, version=lambda name: 1, value=lambda *_: 0.5, interval=lambda *_: None
    )
    more = replace(plain, measured=measured)
    assert matching(signed, [more], [""]) == [True]
    measured.follows = lambda name: False
    assert matching(signed, [more], [""]) == [False]


def test_changed_images_have_to_be_the_same_to_follow(registry: Registry) -> None:
    def with_blur(by: float) -> Outcome:
        return outcome(replace(EVIDENCE, corrupted={"blur": {"mean": np.arange(20.0).reshape(5, 4) + by}}))

    (by_mean, by_quantile), (_, other) = (judged(with_blur(by), registry, "mean,quantile") for by in (0.0, 1.0))
    scores = {"mean": scores_digest(EVIDENCE, "mean")}
    signed = Refit(by_mean.outcome.id, "equal", 0.1, "", scores=scores, rows=(digest_of(row_of(by_mean)),))
    assert matching(signed, [by_mean, by_quantile, other], [""] * 3) == [True, True, False]


# Notes.


def test_a_note_is_read_as_it_was_written_and_refused_in_these_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, _ = signer(tmp_path / "keys" / "anna.pem")
    refit = Refit("abc", "within tolerance", 0.1, "here", 0.05, "odd", {"mean": "d"}, ("r",), ("pixel metrics",))
    told = note(refits=(refit,), key=anna.public, within=3.0, device="cpu", machine={"cpu": "x"}, versions={"a": "1"})
    told = replace(told, isolated=True)
    file = save(told, anna, tmp_path / "dots.jsonl")
    assert read(file, {anna.public: "her"}) == replace(told, verifier="her")
    text = file.read_text()
    assert text == text_of(told, anna)
    assert text.startswith('{\n "note": {\n  "at": "2026-')
    assert text.endswith("}\n")

    def refused(content: Any) -> str:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        with pytest.raises(UsageError) as error:
            read(file, {anna.public: "her"})
        return str(error.value).replace(str(tmp_path), "T")

    where = "note 'T/dots.20261128T090807.seed7.note.json'"
    whole = json.loads(text)
    assert refused("no JSON") == f"{where} is no note: Expecting value: line 1 column 1 (char 0)"
    assert refused([]) == f"{where} is no note: list indices must be integers or slices, not str"
    assert refused({}) == f"{where} is no note: 'note'"
    assert refused({"note": whole["note"]}) == f"{where} is no note: 'signature'"
    assert refused({**whole, "signature": 3}) == f"{where} is no note: signature is 3, expected text"
    assert (
        refused({**whole, "note": {**whole["note"], "format": 2}}) == f"{where} is no note: its format is 2, expected 1"
    )
    odd = {**whole["note"], "refits": [{**whole["note"]["refits"][0], "result": "good"}]}
    assert refused({**whole, "note": odd}) == f"{where} is no note: its format is 1, expected 1"
    altered = {**whole, "note": {**whole["note"], "seed": 8}}
    assert refused(altered) == f"{where} was altered, or its signature is of another key: it does not count"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        read(file, {})
    assert str(error.value).replace(str(tmp_path), "T") == (
        f"{where} is signed by 'anna' with the key {anna.public[:40]}..., which is not trusted: --trust FILE takes that "
        "public key, if you know whose it is"
    )

    def no_library(*_: Any) -> bool:
        raise UnavailableError("no cryptography")

    monkeypatch.setattr(noting, "is_signed", no_library)
    assert refused(text) == f"{where} cannot be checked: no cryptography"


def test_notes_beside_results_count_where_they_can_be_read_and_trusted(tmp_path: Path) -> None:
    anna, _ = signer(tmp_path / "keys" / "anna.pem")
    ben, _ = signer(tmp_path / "keys" / "ben.pem")
    (tmp_path / "anna.pub").write_text(anna.public)
    good = save(note(key=anna.public), anna, tmp_path / "dots.jsonl")
    bad = save(note(key=ben.public, seed=8), ben, tmp_path / "dots.jsonl")
    found = Notes.beside(tmp_path / "dots.jsonl", [tmp_path / "anna.pub"])
    assert list(found.counted) == [good]
    assert found.counted[good].verifier == "anna"
    (fault,) = found.faults
    assert fault.startswith(f"note {str(bad)!r} is signed by 'anna' with the key ")
    with pytest.raises(UsageError):
        Notes.beside(tmp_path / "none.jsonl", [tmp_path / "none.pub"])
    assert Notes.beside(tmp_path / "none.jsonl") == Notes({}, [])


def test_each_verdict_is_marked_with_the_worst_that_a_note_found_of_its_rows(registry: Registry) -> None:
    (one,), (two,) = judged(outcome(), registry), judged(outcome(seed=1), registry)
    refits = tuple(
        Refit(verdict.outcome.id, result, 0.1, "", rows=(digest_of(row_of(verdict)),))
        for verdict, result in ((one, "equal"), (two, "impossible"))
    )
    notes = Notes({Path("n"): note(refits=refits)})
    first, second = notes.marked([one, two], [digest_of(row_of(verdict)) for verdict in (one, two)])
    assert first.checked == Checked("equal", "anna", "2026-11-28T09:08:07+00:00")
    assert second.checked is None, "that it could not be fitted again says nothing of it"
    assert notes.faults == []
    assert notes.marked([one, two], ["x", "y"]) == [one, two]
    assert notes.faults == [
        f"note 'n' is of other rows: 1 of its 1 trials, such as {one.outcome.id}, are not here as they were when they were "
        "checked"
    ]


# Keys.


def test_keys_are_refused_in_these_words(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def refused(ask: Any) -> str:
        with pytest.raises(UsageError) as error:
            ask()
        return str(error.value).replace(str(tmp_path), "T")

    (tmp_path / "repo" / ".git").mkdir(parents=True)
    assert refused(lambda: signer(tmp_path / "repo" / "a" / "k.pem")) == (
        "--key 'T/repo/a/k.pem' lies in the repository 'T/repo', where it would be published: give a place outside, such "
        "as ~/.config/anomaly-harness/verify.pem"
    )
    (tmp_path / "file").touch()
    assert refused(lambda: signer(tmp_path / "file" / "k.pem")) == "--key 'T/file/k.pem' cannot be written: File exists"
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "other.pem").write_bytes(other)
    assert refused(lambda: signer(tmp_path / "other.pem")) == (
        "--key 'T/other.pem' holds a ECPrivateKey, expected an Ed25519 key"
    )
    (tmp_path / "text.pem").write_text("hello")
    assert refused(lambda: signer(tmp_path / "text.pem")).startswith(
        "--key 'T/text.pem' holds no private key without a password: "
    )
    line = "expected a line `ssh-ed25519 AAAA... name`"
    for content in ("", "ssh-ed25519", "ssh-rsa AAAA anna"):
        (tmp_path / "k.pub").write_text(content)
        assert refused(lambda: trusted([tmp_path / "k.pub"])) == f"key 'T/k.pub' is no public key: {line}"
    assert refused(lambda: trusted([tmp_path / "no.pub"])).startswith("key 'T/no.pub' cannot be read: ")


def test_a_key_is_made_once_readable_by_its_owner_alone_and_is_one_line_of_ssh(tmp_path: Path) -> None:
    made, is_new = signer(tmp_path / "a" / "b" / "k.pem")
    again, is_new_again = signer(tmp_path / "a" / "b" / "k.pem")
    assert (is_new, is_new_again, made.public) == (True, False, again.public)
    assert (tmp_path / "a" / "b" / "k.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a" / "b" / "k.pem").read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert made.public.startswith("ssh-ed25519 AAAA")
    signature = made.sign(b"text")
    assert signature.isascii()
    assert is_signed(b"text", signature, made.public)
    assert not is_signed(b"text", f"{signature[:4]} {signature[4:]}", made.public), "base64 is read strictly"
    assert shipped_folder().is_dir()


# A submission.


def submitted(registry: Registry, *found: Outcome, others: Any = (), official: Any = None, **more: Any) -> Any:
    mine = export(registry, *found)
    vars(mine).update(more)
    return look_at(mine, others, official or (lambda dataset: {}), registry)


def test_what_has_to_be_mended_in_a_submission_is_a_line_each(registry: Registry) -> None:
    assert list(submitted(registry, outcome()).faults) == []
    assert list(submitted(registry, FAILED).faults) == ["it has no finished trial"]
    assert list(submitted(registry, outcome(), faults=["row 3 is odd"]).faults) == ["row 3 is odd"]
    two = export(registry, outcome(), outcome(seed=1))
    bare = [replace(two.verdicts[0], proof="stated"), two.verdicts[1]]
    assert list(submitted(registry, verdicts=bare, rows=two.rows).faults) == [
        "1 of 2 rows came without scores: export them anew with this harness"
    ]
    counts = {"tile": (3, 2)}
    assert list(submitted(registry, outcome(), official=lambda dataset: counts).faults) == [
        "category tile: 2 normal and 2 anomalous test images, the data set has 3 and 2"
    ]
    counts["tile"] = (2, 2)
    assert list(submitted(registry, outcome(), official=lambda dataset: counts).faults) == []


def test_a_submission_is_held_against_what_others_have_of_the_same_trials_and_data(registry: Registry) -> None:
    moved_scores = outcome(replace(EVIDENCE, test={"mean": TEST * 2}))
    there = export(registry, moved_scores, name="there.jsonl")
    (conflict,) = submitted(registry, outcome(), others=[there]).faults
    assert "mine.jsonl" in conflict
    assert "there.jsonl" in conflict
    elsewhere = export(
        registry, replace(moved_scores, record=replace(RECORD, machine={"cpu": "y"})), name="there.jsonl"
    )
    assert list(submitted(registry, outcome(), others=[elsewhere]).faults) == [], "another machine is told apart"
    turned = export(registry, outcome(replace(EVIDENCE, defects=KINDS[::-1]), seed=5), name="there.jsonl")
    assert list(submitted(registry, outcome(), others=[turned]).faults) == [
        "category tile: its labels are not those that others have of the same data (f00d)"
    ]


def test_what_nobody_could_see_from_the_file_alone_is_said(registry: Registry) -> None:
    again = "`harness verify FILE --sample N --seed S` fits some again"
    labels = "the labels of tile (data f00d), which no export here has: `verify` holds them against images"
    times = "times, machine and versions, which are what whoever fitted them says"
    assert list(submitted(registry, outcome()).unchecked) == [
        f"whether the trial gives these scores: {again}", labels, times,
    ]  # fmt: skip
    there = export(registry, outcome(seed=5), name="there.jsonl")
    floor = outcome(model="a_stranger", record=replace(RECORD, floor=True, pixels={next(iter(VERSIONS)): 0.5}))
    mine = export(registry, outcome(), floor)
    strange = [replace(mine.verdicts[0], proof="limit stated", threshold="my_own"), mine.verdicts[1]]
    strange[1] = replace(
        strange[1], outcome=replace(floor, record=replace(floor.record, pixel_versions=dict(VERSIONS)))
    )
    assert list(submitted(registry, others=[there], verdicts=strange, rows=mine.rows).unchecked) == [
        f"whether the 2 trials give these scores: {again}",
        "the limits of my_own, which is not installed here: --plugin FILE takes it along",
        "whether a_stranger is a floor, which is not ranked: it is not installed here",
        "pixel metrics, for an export has no error maps",
        times,
    ]
