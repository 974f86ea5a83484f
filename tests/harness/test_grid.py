from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.api import Dataset, Encoder, Loss, Model, Part
from harness.plugin.registry import Registry
from harness.trials.grid import Axes, plan
from harness.trials.trial import Trial


@pytest.fixture
def axes(dots_plugin: Path) -> Axes:
    registry = Registry.discover([dots_plugin])
    return Axes(
        dataset=registry.make(Dataset, "dots"),
        categories=["large", "small"],
        models=registry.choose(Model, "trained"),
        encoders=registry.choose(Encoder, "plain,deep"),
        losses=registry.choose(Loss, "absolute"),
        seeds=[0, 1],
        image_size=16,
        epochs=2,
        batch_size=4,
        learning_rate=1e-4,
        holdout=0.0,
        precision="fp32",
        weights="pretrained",
    )


def test_every_combination_is_one_trial_category_by_category(axes: Axes) -> None:
    trials = [cell.trial for cell in plan(axes)]
    assert len(trials) == len(set(trials)) == 2 * 2 * 2
    assert [trial.category for trial in trials] == ["large"] * 4 + ["small"] * 4
    assert {(trial.encoder, trial.seed) for trial in trials} == {("plain", 0), ("plain", 1), ("deep", 0), ("deep", 1)}


def test_every_part_is_met_in_the_first_trials(axes: Axes, dots_plugin: Path) -> None:
    registry = Registry.discover([dots_plugin])
    many = replace(axes, models=registry.choose(Model, "trained,mean_image"), seeds=[0, 1, 2])
    trials = [cell.trial for cell in plan(many)]
    assert {(trial.model, trial.seed) for trial in trials[:3]} == {("trained", 0), ("mean_image", 0)}
    assert {trial.encoder for trial in trials[:3]} == {"plain", "deep", "-"}
    assert [trial.seed for trial in trials[:9]] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_of_three_encoders_and_three_losses_the_first_three_trials_have_each_once(axes: Axes) -> None:
    names = ("first", "second", "third")

    def named(part: type[Part]) -> list[Part]:
        return [type(name, (part,), {"name": name})() for name in names]

    many = replace(axes, encoders=named(type(axes.encoders[0])), losses=named(type(axes.losses[0])), seeds=[0])
    trials = [cell.trial for cell in plan(many)][:9]
    assert {trial.encoder for trial in trials[:3]} == {trial.loss for trial in trials[:3]} == set(names)
    assert len({(trial.encoder, trial.loss) for trial in trials}) == 9


def test_an_axis_that_a_model_does_not_use_collapses_to_one_trial(axes: Axes, dots_plugin: Path) -> None:
    models = Registry.discover([dots_plugin]).choose(Model, "mean_image")
    trials = [cell.trial for cell in plan(replace(axes, models=models, categories=["large"], seeds=[0]))]
    assert len(trials) == 1
    assert trials[0][3:5] == ("-", "-")
    assert (trials[0].epochs, trials[0].batch_size, trials[0].learning_rate, trials[0].weights) == (0, 0, 0.0, "-")


def test_changing_epochs_asks_no_new_fit_of_a_model_that_does_not_train(axes: Axes, dots_plugin: Path) -> None:
    models = Registry.discover([dots_plugin]).choose(Model, "mean_image")
    first, second = (list(plan(replace(axes, models=models, epochs=n))) for n in (2, 3))
    assert first == second


def test_weights_are_shown_only_where_a_part_starts_from_published_ones(axes: Axes) -> None:
    weights = {cell.trial.encoder: cell.trial.weights for cell in plan(replace(axes, weights="random"))}
    assert weights == {"plain": "-", "deep": "random"}


@pytest.mark.parametrize(("size", "near"), [(1, 8), (3, 8), (4, 8), (11, 8), (12, 8), (13, 16), (20, 16), (21, 24)])
def test_an_image_size_that_an_encoder_cannot_take_is_a_reason_with_the_nearest_that_it_can(
    axes: Axes, size: int, near: int
) -> None:
    reasons = {cell.trial.encoder: cell.reason for cell in plan(replace(axes, image_size=size))}
    assert reasons["deep"] == f"image size {size} is not a multiple of 8, which deep needs: try {near}"
    assert (reasons["plain"] == "") == (size % 4 == 0)


def test_the_identity_of_a_trial_depends_on_each_setting_and_on_the_data(axes: Axes) -> None:
    trial = next(iter(plan(axes))).trial
    changes = {
        "dataset": "x", "category": "x", "model": "x", "encoder": "x", "loss": "x", "seed": 9, "image_size": 8,
        "epochs": 9, "batch_size": 9, "learning_rate": 9.0, "holdout": 0.5, "precision": "bf16", "weights": "random",
        "versions": "x 2", "calibrate": "crossfit", "shots": 3, "contaminate": 0.1, "reserve": 0.2,
        "resize": "pad", "tiles": 32, "overlap": 8, "augment": "flip", "setting": "joint", "together": "a,b",
    }  # fmt: skip
    assert changes.keys() == set(Trial._fields)
    identities = {trial._replace(**{name: value}).identity("data") for name, value in changes.items()}
    identities |= {trial.identity("data"), trial.identity("other data")}
    assert len(identities) == len(changes) + 2


def test_a_method_is_named_by_the_axes_it_uses(axes: Axes) -> None:
    trial = next(iter(plan(axes))).trial
    assert trial.method == "trained + plain + absolute"
    assert trial._replace(encoder="-", loss="-").method == "trained"


def test_parts_of_a_version_above_one_make_trials_of_their_own(axes: Axes, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [cell.trial for cell in plan(axes)]
    monkeypatch.setattr(type(axes.models[0]), "version", 3)
    after = [cell.trial for cell in plan(axes)]
    assert {trial.versions for trial in before} == {""}
    assert {trial.versions for trial in after} == {"trained 3"}
    assert "versions" not in before[0].key, "so no id of an earlier trial changes"
    assert before[0].identity("f00d") != after[0].identity("f00d")
    assert [trial._replace(versions="") for trial in after] == before
