"""What a report says first."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from harness import Threshold
from harness.plugin.registry import Registry
from harness.report.answer import Answer, answers_of
from harness.trials.record import Record
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.answering import _worth, answered
from harness.verdicts.judging import judge
from harness.verdicts.leaderboard import boards
from harness.verdicts.rows import RANKED_BY
from harness.verdicts.verdict import Verdict

TRIAL = Trial("dots", "tile", "dae", "conv", "mse", 0, 64, 3, 32, 1e-4, 0.2, "fp32", "pretrained")
DEFECTS = ("good",) * 20 + ("crack",) * 20


def verdicts(strength: float, threshold: str = "conformal", on: str = "holdout", seconds: float = 2.0, **changes: object) -> list[Verdict]:  # fmt: skip
    """A trial that tells defects apart the better the stronger; its limit is set on 40 images."""
    drawn = np.random.default_rng(0)
    test = drawn.normal(size=40) + strength * np.repeat([0, 1], 20)
    evidence = Evidence({"mean": drawn.normal(size=40)}, {"mean": test}, DEFECTS, tuple(map(str, range(40))))
    record = Record(default_pool="mean", fit_seconds=seconds, calibrated_on=on)
    made = Outcome(TRIAL._replace(**changes), "done", "", "f00d" + str(changes.get("category", "")), evidence, record)
    return list(judge(made, Registry.discover().choose(Threshold, threshold)))


def answer(found: list[Verdict]) -> Answer:
    (only,) = answers_of(boards(found), RANKED_BY)
    return only


def test_the_method_with_the_highest_worth_at_a_promised_limit_is_to_be_used() -> None:
    found = answer([*verdicts(6), *verdicts(1, model="cae"), *verdicts(9, "mean", model="late")])
    assert (found.name, found.threshold) == ("dae · conv · mse", "conformal")
    assert "of the normal images anomalous and misses 0 % (0 to 16) of the defective ones, on tile" in found.sentence
    assert "limits that keep the same rate of false alarms" in found.compared[0]
    assert "Next best is cae · conv · mse" in found.compared[1]


def test_of_equals_the_one_that_is_fitted_fastest_is_taken() -> None:
    found = answer([*verdicts(8), *verdicts(8.001, model="cae", seconds=1.0), *verdicts(8, model="vae", seconds=3.0)])
    assert found.name == "cae · conv · mse"
    assert any(line.startswith("These images do not tell it from") for line in found.against)


def test_without_a_promised_limit_the_rank_decides_and_it_is_said() -> None:
    seen = [*verdicts(6, on="fitted"), *verdicts(1, model="cae", on="fitted")]
    found = answer(seen)
    assert found.name == "dae · conv · mse"
    assert any("promises no rate of false alarms" in line for line in found.against)
    assert not any("promises no rate" in line for line in answer(verdicts(6)).against)


def test_what_speaks_against_it_is_said_the_gravest_first() -> None:
    made = [*verdicts(0.0, model="cae"), *verdicts(0.1)]
    grave = [
        next(judge(replace(v.outcome, record=replace(v.outcome.record, grave={"shortcut": "Brightness tells."})), [Registry.discover().choose(Threshold, "conformal")[0]]))
        for v in made
    ]  # fmt: skip
    against = answer(grave).against
    assert against[0] == "GRAVE shortcut: Brightness tells."
    assert "Its accuracy does not beat a constant answer." in against
    assert "Few images: 20 normal ones; even with no false alarm among them 14 % would be possible." in against
    assert against[-1].startswith("It was chosen by the images that it is counted on")


def test_over_categories_images_are_paired_one_category_behind_the_other() -> None:
    both = [
        v
        for category in ("a", "b")
        for v in (*verdicts(6, category=category), *verdicts(1, model="cae", category=category))
    ]
    found = answered(boards(both)[0], RANKED_BY)
    assert found is not None
    assert found.test is not None
    assert found.test.wins > 10
    assert not found.tied
    assert "on average over 2 categories" in answer(both).sentence


def test_oracles_and_empty_boards_have_no_answer() -> None:
    assert answers_of(boards(verdicts(6, "f1_oracle")), RANKED_BY) == []
    assert answers_of([], RANKED_BY) == []


def test_one_method_is_compared_with_nothing() -> None:
    found = answer(verdicts(6))
    assert "one method, with nothing to choose from" in found.compared[0]
    assert len(found.rows) == 1
    assert found.rows[0]["kind"] == "chosen"
    assert found.rows[0]["misses"][0] == pytest.approx(0.0)


def test_a_method_s_worth_is_the_mean_of_its_auroc_and_of_what_it_finds() -> None:
    def worth(**means: float) -> float:
        return _worth(SimpleNamespace(mean=means.get))  # type: ignore[arg-type]

    assert worth(auroc=0.9, abnormal_rate=0.5) == pytest.approx(0.7)
    assert np.isnan(worth(auroc=0.9))
    assert np.isnan(worth(abnormal_rate=0.9))
