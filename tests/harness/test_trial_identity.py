"""What a trial is called: an id that stays, whatever settings are added, and whatever a field is called in Python."""

from __future__ import annotations

import json

import pytest

from harness.trials.trial import PROTOCOL, Outcome, Trial
from harness.verdicts.methods import Method, Track

TRIAL = Trial("dots", "large", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")


def test_the_key_and_the_id_of_a_trial_are_those_of_the_first_stores() -> None:
    assert TRIAL.key == (
        '{"dataset":"dots","category":"large","model":"dae","encoder":"conv","loss":"mse","seed":0,"image_size":16,'
        '"epochs":2,"batch_size":4,"lr":0.0001,"holdout":0.0,"precision":"fp32","weights":"-"}'
    )
    assert TRIAL.identity("f00d") == "19666c0fc1b29c20"


def test_an_outcome_of_which_no_more_is_told_has_no_reason_for_anything() -> None:
    one = Outcome(TRIAL, "error")
    assert (one.reason, one.fingerprint, one.evidence, one.unkept) == ("", "", None, "")
    assert one == Outcome(TRIAL, "error", unkept="no room"), "what became of its model is no part of an outcome"


def test_a_trial_is_read_from_its_key_and_by_the_names_of_its_fields() -> None:
    assert Trial.read(json.loads(TRIAL.key)) == TRIAL
    assert Trial.read(TRIAL._asdict()) == TRIAL


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tiling": 3}, "it has the setting 'tiling' (3), which this harness does not know: use the harness that wrote it, or a newer one"),
        ({"lr": "fast"}, "learning_rate is 'fast', expected a finite number"),
        ({"epochs": True}, "epochs is True, expected a whole number"),
        ({"epochs": 2.5}, "epochs is 2.5, expected a whole number"),
        ({"model": None}, "model is None, expected text"),
    ],
)  # fmt: skip
def test_settings_that_make_no_trial_are_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError) as caught:
        Trial.read({**TRIAL.written(), **change})
    assert str(caught.value) == said


def test_a_setting_that_always_was_there_is_missed() -> None:
    settings = TRIAL.written()
    del settings["lr"]
    with pytest.raises(ValueError, match="it lacks 'learning_rate'"):
        Trial.read(settings)


def test_every_setting_of_a_trial_sets_rows_of_a_leaderboard_apart() -> None:
    own = (
        {"category", "seed", *PROTOCOL},
        set(Track._fields) - {"oracle", "stated", "protocol"},
        set(Method._fields) - {"pool", "threshold", "stated"},
    )
    assert set(Trial._fields) == set.union(*own), "a setting that no row shows would mix what it sets apart"
