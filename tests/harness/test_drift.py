"""Drift of images called normal: false alarms within their claim, a change that is found, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.audit.statistics import usual_statistics
from harness.commands import main
from harness.deployment.detector import Detector
from harness.deployment.drift import Drift
from harness.deployment.predicting import Prediction
from harness.errors import ModelError
from harness.metrics.exchangeability import MOST_KEPT, Evidence, Ranks, bets
from harness.plugin.registry import Registry
from harness.trials.observers import Observer
from harness.trials.saved_model import ModelFolder, read
from harness.trials.trial import Trial
from harness.trials.worker import Worker, WorkerConfig

DOTS = Path(__file__).parent.parent / "plugin_files" / "dots.py"
Draw = Callable[[np.random.Generator, int], Any]


def first_alarm(draw: Draw, calibration: int, most: int, images: float, seed: int) -> int:
    """After how many values that come from one distribution there is an alarm; `most` where there is none."""
    random = np.random.default_rng(seed)
    scores = np.sort(draw(random, calibration))
    limit = scores[int(0.9 * calibration)]  # so a tenth is called anomalous, and not counted
    ranks, evidence, counted = Ranks.of(scores[scores < limit].tolist()), Evidence(), 0
    for score in draw(random, 2 * most).tolist():
        if score >= limit:
            continue
        counted += 1
        evidence.take(ranks.p_of(score, float(random.random())))
        if counted == most or evidence.alarms(images):
            break
    return counted


@pytest.mark.parametrize(
    "draw",
    [
        lambda random, n: random.normal(size=n),
        lambda random, n: random.pareto(1.0, n),
        lambda random, n: random.integers(0, 5, n),
    ],
    ids=["normal", "heavy tail", "five values"],
)
@pytest.mark.parametrize("calibration", [12, 100])
def test_simulated_false_alarms_come_no_more_often_than_is_claimed(draw: Draw, calibration: int) -> None:
    """At most n of `images` streams alarm within n images (Doob), and the mean run is at least `images` long."""
    images, n, streams = 200, 100, 60
    early = sum(first_alarm(draw, calibration, n, images, seed) < n for seed in range(streams))
    # at a chance of n / images for each stream, more than this come once in 1,000 such tests
    assert early <= n / images * streams + 3.1 * (streams * n / images * (1 - n / images)) ** 0.5


def test_the_mean_run_without_change_is_at_least_as_long_as_is_claimed() -> None:
    runs = [first_alarm(lambda random, n: random.normal(size=n), 30, 1500, 100, seed) for seed in range(25)]
    assert np.mean(runs) >= 100


@given(st.floats(0, 1))
def test_no_p_breaks_a_bet(p: float) -> None:
    assert np.isfinite(bets(p)).all()
    assert (bets(p) > 0).all()


def test_each_bet_is_fair() -> None:
    steps = np.arange(0, 26, 0.01) + 0.005
    halves = [0.5 * np.exp(-steps), 1 - 0.5 * np.exp(-steps)]  # dense at both ends, where bets are steep
    mean = sum(
        np.sum([bets(p) * 0.005 * np.exp(-t) for p, t in zip(half, steps, strict=True)], axis=0) for half in halves
    )
    assert mean == pytest.approx(1, abs=0.005)


def test_ranks_are_kept_up_to_a_number() -> None:
    ranks = Ranks.of(range(3 * MOST_KEPT))
    assert len(ranks.values) <= MOST_KEPT
    assert ranks.p_of(-1.0, 0.0) > 0.99


def detector(**changed: Any) -> Detector:
    saved = SimpleNamespace(
        id="0123456789abcdef",
        calibration={"max": np.random.default_rng(9).normal(size=60)},
        statistics=usual_statistics(np.full((4, 8, 8, 3), 100, np.uint8)),
    )
    return cast("Detector", SimpleNamespace(**{"saved": saved, "pool": "max", "limit": 3.0, **changed}))


def feed(drift: Drift, n: int, by: float, level: int = 100, name: str = "camera") -> int | None:
    """After how many images that score higher by so much something is said; None if it never is."""
    random = np.random.default_rng(n)
    for at in range(n):
        score = float(random.normal()) + by
        if score < 3 and drift.count(score, f"{name}/{at}.png", np.full((8, 8, 3), level, np.uint8)):
            return at
    return None


@pytest.mark.parametrize(("by", "way"), [(1.2, "lie above"), (-1.2, "lie below")])
def test_a_change_is_found_with_its_beginning_and_the_statistic_that_moved(by: float, way: str) -> None:
    drift = Drift(detector(), images=1000)
    assert feed(drift, 200, 0.0) is None
    found = feed(drift, 100, by, level=112, name="later")
    assert found is not None
    assert found < 60
    assert f"their scores {way} those that the limit was set on" in drift.told
    assert "112.0 on average, and 100.0 (± 0.0) in the fitted images" in drift.told
    begun = drift.told.partition("since ")[2].partition(",")[0]
    assert begun.startswith("later/") or int(begun.rpartition("/")[2].removesuffix(".png")) > 180


def test_a_change_of_spread_is_found_too() -> None:
    drift = Drift(detector(), images=1000)
    feed(drift, 100, 0.0)
    said = [drift.count(0.001 * at, f"{at}", np.full((8, 8, 3), 100, np.uint8)) for at in range(100)]
    assert any("are less spread than" in one for one in said)
    assert any("No simple statistic has moved" in one for one in said)


def test_it_is_said_once(tmp_path: Path) -> None:
    drift = Drift(detector(), images=50, file=tmp_path / "state.json")
    assert feed(drift, 100, 2.0) is not None
    assert feed(drift, 100, 2.0) is None
    again = Drift(detector(), images=50, file=tmp_path / "state.json")
    assert again.resumed.startswith(drift.told)
    assert "delete" in again.resumed
    assert feed(again, 100, 2.0) is None


def test_a_restart_goes_on_from_the_state_and_counts_no_file_twice(tmp_path: Path) -> None:
    whole, file = Drift(detector(), images=10**6), tmp_path / "state.json"
    feed(whole, 80, 0.0)
    first = Drift(detector(), images=10**6, file=file)
    feed(first, 80, 0.0)
    first.save()
    assert json.loads(file.read_text())["format"] == 1, "what files of before say, which are read as well"
    second = Drift(detector(), images=10**6, file=file)
    assert second.counted == first.counted == whole.counted
    for drift in (whole, second):
        feed(drift, 30, 0.5)
    assert second.evidence.sums == pytest.approx(whole.evidence.sums)
    assert [one.first for one in second.since] == [one.first for one in whole.since]
    picture = tmp_path / "1.png"
    picture.write_bytes(b"")
    one = Prediction(picture, picture, 0.5, pixels=np.zeros((8, 8, 3), np.uint8))
    third = Drift(detector(), images=10**6, file=file)
    before = third.counted
    third.follow(one)
    third.save()
    fourth = Drift(detector(), images=10**6, file=file)
    fourth.follow(one)
    assert third.counted == fourth.counted == before + 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "another"}, "its model is 'another'"),
        ({"limit": 9.0}, "its limit is 9.0"),
        ({"sums": [1.0]}, "sums has 1 numbers, expected 8 finite ones"),
        ({"counted": "3"}, "counted is '3', expected a whole number"),
        ({"since": []}, "lacks some bets"),
        ({"format": 99}, "it is none of this harness"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_in_a_line(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    file = tmp_path / "state.json"
    Drift(detector(), file=file).save()
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ModelError, match=said):
        Drift(detector(), file=file)
    file.write_text("{")
    with pytest.raises(ModelError, match="delete it, or give another file"):
        Drift(detector(), file=file)


def picture(seed: int, spread: int) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(100 - spread, 101 + spread, (32, 32, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 40 noisy images, with a limit from images that were not fitted."""
    root = tmp_path_factory.mktemp("model")
    for at in range(42):
        place = root / "parts" / ("train/good" if at < 40 else "test/good")
        place.mkdir(parents=True, exist_ok=True)
        picture(at, 20 + at % 5).save(place / f"{at}.png")
    kept = ModelFolder(root / "models", "conformal[alpha=0.05]")
    place = WorkerConfig(data_root=root / "parts", plugin_files=(DOTS,), keep=kept)
    trial = Trial("folder", "parts", "mean_image", "-", "-", 0, 32, 0, 0, 0.0, 0.0, "fp32", "-", calibrate="crossfit")
    outcome = Worker(place, Registry.discover([DOTS])).perform(trial, Observer())
    assert outcome.status == "done", outcome.reason
    (directory,) = (root / "models").iterdir()
    return directory


def predict(model: Path, *words: object) -> Result:
    return CliRunner().invoke(main, ["predict", str(model), "--plugin", str(DOTS), *map(str, words)])


def test_predict_says_since_when_images_have_changed_across_two_calls(model: Path, tmp_path: Path) -> None:
    assert set(read(model).statistics) >= {"brightness", "sharpness"}
    for at in range(36):
        place = tmp_path / ("day1" if at < 30 else "day2")
        place.mkdir(exist_ok=True)
        picture(1000 + at, 20 + at % 5 if at < 28 else 3).save(place / f"{at}.png")
    words = ("--drift-state", tmp_path / "state.json", "--drift-alarm", 50)
    first = predict(model, tmp_path / "day1", *words)
    assert first.exit_code == 0, first.output
    assert "changed" not in first.stderr
    second = predict(model, tmp_path / "day2", *words)
    assert second.exit_code == 0, second.output
    assert f"changed since {tmp_path / 'day1' / '28.png'}" in second.stderr
    assert "scores lie below those that the limit was set on" in second.stderr
    assert "What has moved most is s" in second.stderr
    assert "changed" not in predict(model, tmp_path / "day2", "--drift-alarm", 0).stderr
    damaged = tmp_path / "other.json"
    damaged.write_text("[]")
    refused = predict(model, tmp_path / "day2", "--drift-state", damaged)
    assert refused.exit_code == 2
    assert "delete it, or give another file" in refused.stderr


def test_a_state_that_cannot_be_written_is_said_and_the_images_are_judged(model: Path, tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    picture(1, 20).save(tmp_path / "day" / "1.png")
    done = predict(model, tmp_path / "day", "--drift-state", tmp_path / "nowhere" / "state.json")
    assert done.exit_code == 0, done.output
    assert "cannot be written to" in done.stderr
