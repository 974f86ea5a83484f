"""The steps of a recommendation one by one, on scores and photos of a few numbers: nothing is fitted here."""

from __future__ import annotations

import math
import shlex
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness import DataError, Defect, Finding, Images, Progress, Split, TooFewError, TrainingError, UsageError
from harness.audit import Audit
from harness.errors import HarnessError, ModelError
from harness.recommending import answering, fewer, keeping, synthetic, trying
from harness.recommending import photos as photos_module
from harness.recommending.answering import recommend
from harness.recommending.asked import Asked
from harness.recommending.detectors import Detector, detectors
from harness.recommending.fewer import of_large_photos, with_fewer_photos
from harness.recommending.keeping import Kept, keep
from harness.recommending.photos import Photos, photos_in
from harness.recommending.synthetic import painted, with_synthetic_defects
from harness.recommending.trying import EPOCHS, Try, settings_for, tried, tries
from harness.recommending.two_groups import two_groups
from harness.recommending.written import write_photos
from harness.report.recommendation import Few, Tried
from harness.trials.chosen import Chosen
from harness.trials.endings import too_late
from harness.trials.presets import RANDOM
from harness.trials.record import Record
from harness.trials.saved_model import digest_of_pixels
from harness.trials.trial import Evidence, Outcome, Trial
from harness.verdicts.choosing import Candidate, Promise, RunnerUp, choose

KNN = Detector("knn", "timm[name=effnet]", "-")
DAE = Detector("dae", "conv", "ssim", trained=True)
PLAIN = Detector("mean_image", "-", "-")
TRIAL = Trial("folder", "parts", "knn", "conv", "-", 0, 8, 0, 0, 0.0, 0.0, "fp32", "-")


def outcome(good: Any, bad: Any, fresh: Any = (), **more: Any) -> Outcome:
    test = {"mean": np.array([*fresh, *bad], float), "max": np.array([*fresh, *bad], float) * 2}
    kinds = ("good",) * len(fresh) + tuple("dent" if at % 2 else "crack" for at in range(len(bad)))
    normal = {"max": np.array(good, float) * 2, "mean": np.array(good, float)}
    evidence = Evidence(normal, test, kinds, tuple(map(str, range(len(kinds)))))
    return Outcome(TRIAL, "done", evidence=evidence, record=Record(default_pool="mean"), **more)


def trial_of(
    good: Any = range(20), bad: Any = (30, 40), detector: Detector = KNN, pool: str = "mean", **more: Any
) -> Try:
    return Try(detector, outcome(good, bad, **more), 2.5, pool=pool)


def images(levels: Any, kinds: Any = None, side: int = 8) -> Images:
    pixels = np.broadcast_to(np.array(levels, np.uint8)[:, None, None, None], (len(levels), side, side, 3)).copy()
    return Images(pixels, tuple(f"good/{at}.png" for at in range(len(levels))), kinds)


def audited(*findings: Finding) -> Audit:
    return Audit(findings, np.empty((0, 10)), np.empty((0, 10)))


def photos(
    good: int = 20, bad: int = 2, sizes: tuple[str, ...] = ("8x8",), findings: tuple[Finding, ...] = ()
) -> Photos:
    split = Split(images(np.linspace(0, 250, good)), images(range(bad), ("dent",) * bad), sizes=sizes)
    return Photos("folder", Path("my parts"), "parts", split, audited(*findings))


def asked(**settings: Any) -> Asked:
    return Asked.of("my parts", 10, **settings)


def test_a_try_has_the_scores_of_each_pool_its_default_pool_first() -> None:
    one = Try(KNN, outcome([1, 2], [3, 4, 5], fresh=[0]), 2.5)
    assert one.done
    assert [split.pool for split in one.by_pool] == ["mean", "max"]
    mean, most = one.by_pool
    assert (mean.name, most.name) == ("knn on effnet (mean)", "knn on effnet (max)")
    assert most.good.tolist() == [2.0, 4.0]
    assert (mean.tested(bad=True).tolist(), mean.tested(bad=False).tolist()) == ([3.0, 4.0, 5.0], [0.0])
    assert mean.kinds == ["crack", "dent", "crack"]
    assert mean.seconds == 2.5
    assert Try(KNN).name == Try(KNN, pool="-").name == "knn on effnet"
    assert not Try(KNN, reason="no").done
    assert not Try(KNN, Outcome(TRIAL, "error", "no")).done


@pytest.mark.parametrize(
    ("detector", "name"),
    [
        (KNN, "knn on effnet"),
        (Detector("knn", RANDOM, "-"), "knn on random features"),
        (PLAIN, "mean_image"),
        (DAE, "dae · conv · ssim"),
    ],
)
def test_a_detector_is_named_by_what_it_looks_with(detector: Detector, name: str) -> None:
    assert detector.name == name


def test_installed_detectors_are_tried_from_cheap_to_dear_and_trained_ones_last() -> None:
    offers = dict.fromkeys(("patchcore", "gaussian", "knn", "dae", "other"))
    registry: Any = SimpleNamespace(offers=lambda kind: offers)
    found = list(detectors(registry, "timm[name=effnet]"))
    assert [one.model for one in found] == ["gaussian", "knn", "patchcore", "dae"]
    assert [one.encoder for one in found] == ["timm[name=effnet]"] * 3 + ["conv"]
    assert [one.trained for one in found] == [False, False, False, True]
    assert (found[0].loss, found[3].loss) == ("-", "ssim")
    assert next(iter(detectors(registry, None))).encoder == RANDOM
    offers.clear()
    assert list(detectors(registry, None)) == []


@pytest.mark.parametrize("minutes", [0, -1, "x", None, 1e6, math.nan, math.inf])
def test_minutes_are_a_number_above_nothing(minutes: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Asked.of("parts", minutes)
    assert str(caught.value) == f"minutes is {minutes!r}: expected a number above 0, such as 10"
    with pytest.raises(UsageError, match="^--minutes is "):
        Asked.of("parts", minutes, door="command line")


def test_what_is_asked_is_read_and_kept_as_it_was_given() -> None:
    one = Asked.of(b"parts", "0.5", seeds="3", image_size="64")
    assert (one.place, one.minutes, one.settings.seeds, one.settings.image_size) == (Path("parts"), 0.5, (3,), 64)
    assert one.given == {"seeds": "3", "image_size": "64"}
    with pytest.raises(UsageError, match="^seeds is 2 seeds: a recommendation takes one$"):
        Asked.of("parts", 1, seeds="0,1")


def test_all_detectors_share_the_settings_that_were_given_and_each_has_its_own(tmp_path: Path) -> None:
    given = {"image_size": 64, "store": tmp_path, "max_false_alarms": 0.1, "defect_rate": 0.01, "quiet": True}
    usual = settings_for(KNN, photos(), given, keep_models=True)
    assert (usual.models, usual.encoders, usual.dataset) == (("knn",), ("timm[name=effnet]",), ("folder",))
    assert (usual.data_root, usual.calibrate, usual.image_size) == (Path("my parts"), "crossfit", 64)
    assert (usual.skip_unreadable, usual.floors, usual.keep_models) == (True, False, True)
    assert (usual.max_false_alarms, usual.defect_rate) == (None, None)
    assert usual.epochs is None
    trained = settings_for(DAE, photos(), {})
    assert (trained.losses, trained.epochs) == (("ssim",), EPOCHS)
    plain = settings_for(PLAIN, photos(), {})
    assert (plain.encoders, plain.losses) == (Asked.of("p", 1).settings.encoders, Asked.of("p", 1).settings.losses)


class Clock:
    """A clock that goes on as it is told, and tries that take so long."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **takes: float) -> None:
        self.now, self.takes, self.given = 100.0, takes, list[Any]()
        monkeypatch.setattr(trying.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(trying, "tried", self.tried)

    def tried(self, detector: Detector, photos: Any, given: Any, instead: Any, ended: float | None) -> Try:
        self.given.append((detector.model, ended))
        self.now += abs(self.takes[detector.model])
        if self.takes[detector.model] < 0:
            return Try(detector, reason="it cannot")
        return Try(detector, outcome([1], [2]))


def frozen(*models: str) -> list[Detector]:
    return [Detector(model, "-", "-") for model in models]


def test_none_is_begun_if_less_time_is_left_than_twice_the_longest_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, a=10, b=15, c=5)
    said: list[str] = []
    found = tries(frozen("a", "b", "c", "a", "c"), photos(), {}, 1, said.append)
    assert [one.reason for one in found] == ["", "", "", "", "no time was left"], "30 s are enough for two of 15"
    assert said == [f"{at} of 5: {what} s left)" for at, what in enumerate(("a (60", "b (50", "c (35", "a (30"), 1)]
    assert clock.given == [("a", None), ("b", 25.0), ("c", 17.5), ("a", 15.0)]


def test_the_first_may_take_any_time_and_one_that_fails_is_no_first(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, bad=-400, a=500)
    said: list[str] = []
    found = tries(frozen("bad", "a", "a"), photos(), {}, 1, said.append)
    assert [one.reason for one in found] == ["it cannot", "", "no time was left"]
    assert said == ["1 of 3: bad (60 s left)", "bad was left out: it cannot", "2 of 3: a (0 s left)"]
    assert clock.given == [("bad", None), ("a", None)]


def test_a_fit_that_surely_fits_in_is_not_given_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, a=1, b=1, dae=1)
    said: list[str] = []
    tries([*frozen("a", "b"), DAE], photos(), {}, 10, said.append)
    assert clock.given == [("a", None), ("b", None), ("dae", 299.0)]
    assert said[0] == "1 of 3: a (10 min left)"
    assert not trying._may_outlast(KNN, 10.0, 1.0)
    assert trying._may_outlast(KNN, 9.9, 1.0)


@pytest.mark.parametrize(
    ("seconds", "said"), [(-5.0, "0 s"), (0.4, "0 s"), (99.4, "99 s"), (100.0, "2 min"), (600.0, "10 min")]
)
def test_time_left_is_said_in_seconds_below_a_hundred(seconds: float, said: str) -> None:
    assert trying._minutes(seconds) == said


def test_one_try_is_a_run_of_its_model_and_its_error_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_of: list[Any] = []

    def answers(found: Any) -> None:
        def fitted(settings: Any) -> Any:
            asked_of.append(settings)
            if isinstance(found, Exception):
                raise found
            other = Outcome(TRIAL._replace(model="floor"), "done")
            source = SimpleNamespace(outcomes=[other, found])
            return SimpleNamespace(results=SimpleNamespace(source=source))

        monkeypatch.setattr(trying, "fitted", fitted)

    done = outcome([1], [2])
    answers(done)
    one = tried(KNN, photos(), {})
    assert one.outcome is done
    assert (one.reason, one.detector) == ("", KNN)
    assert 0 <= one.seconds < 60
    assert asked_of[-1].trial_minutes is None
    tried(KNN, photos(), {}, ended=90.0)
    assert asked_of[-1].trial_minutes == 1.5
    tried(KNN, photos(), {"trial_minutes": 7}, ended=90.0)
    assert asked_of[-1].trial_minutes == 7
    answers(Outcome(TRIAL, "error", "no memory"))
    assert tried(KNN, photos(), {}).reason == "no memory"
    answers(Outcome(TRIAL, "error", too_late(1.5)))
    assert tried(KNN, photos(), {}, ended=90.0).reason == "it took longer than the time that was left, and was ended"
    assert tried(KNN, photos(), {}).reason == too_late(1.5)
    answers(UsageError("no model"))
    refused = tried(KNN, photos(), {})
    assert (refused.reason, refused.outcome) == ("no model", None)


def test_other_photos_are_fitted_in_place_of_those_of_the_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    done, instead = outcome([1], [2]), photos().split
    performed: list[Any] = []

    def perform(trial: Trial, observer: Any, split: Any) -> Outcome:
        performed.append((trial.model, observer, split))
        return done

    def plan_run(settings: Any, warn: Any) -> Any:
        warn("nobody hears it")
        cells = [SimpleNamespace(trial=TRIAL._replace(model=model)) for model in ("floor", "knn")]
        return SimpleNamespace(cells=cells, worker=lambda: SimpleNamespace(perform=perform))

    monkeypatch.setattr(trying, "plan_run", plan_run)
    assert tried(KNN, photos(), {}, instead, 50.0).outcome is done
    ((model, observer, split),) = performed
    assert model == "knn"
    assert split is instead
    observer.progressed(TRIAL, Progress(1, 2, 0.5, 10))
    now = trying.time.monotonic()
    monkeypatch.setattr(trying.time, "monotonic", lambda: now + 49.0)
    observer.progressed(TRIAL, Progress(1, 2, 0.5, 10))
    monkeypatch.setattr(trying.time, "monotonic", lambda: now + 51.0)
    with pytest.raises(TrainingError, match="^it took longer than the time that was left, and was ended$"):
        observer.progressed(TRIAL, Progress(1, 2, 0.5, 10))
    trying._Until(None).progressed(TRIAL, Progress(1, 2, 0.5, 10))


def fitted_to(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[Any]:
    given: list[Any] = []

    def fitted(settings: Any) -> Any:
        given.append(settings)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(results=SimpleNamespace(source=SimpleNamespace(outcomes=answer)))

    monkeypatch.setattr(fewer, "fitted", fitted)
    monkeypatch.setattr(fewer.time, "monotonic", lambda: 1000.0)
    return given


def test_an_eighth_a_quarter_and_half_of_the_photos_are_tried_three_times_each(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = [outcome([0], [1]), outcome([1], [0]), Outcome(TRIAL, "error", "no")]
    given, said = fitted_to(monkeypatch, draws), list[str]()
    found = with_fewer_photos(trial_of(), photos(24), {}, 1000 + 7.5, said.append)
    assert found == (Few(3, 0.5, 2), Few(6, 0.5, 2), Few(12, 0.5, 2))
    assert [(one.shots, one.seeds, one.calibrate, one.jobs) for one in given] == [
        ((number,), (0, 1, 2), "rest", 1) for number in (3, 6, 12)
    ]
    assert said == ["whether fewer good photos would do: knn on effnet fitted to 3, 6, 12 of 24"]


def test_fewer_photos_are_not_tried_without_bad_ones_or_time_or_where_none_can_be_fitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, said = fitted_to(monkeypatch, [Outcome(TRIAL, "error", "no")]), list[str]()
    assert with_fewer_photos(trial_of(), photos(24, bad=0), {}, 2000, said.append) == ()
    assert with_fewer_photos(trial_of(), photos(3), {}, 2000, said.append) == ()
    assert (given, said) == ([], [])
    assert with_fewer_photos(trial_of(), photos(4), {}, 1000 + 7.4, said.append) == ()
    assert said == ["whether fewer good photos would do: knn on effnet fitted to 2 of 4", "no time was left to fit 2"]
    assert with_fewer_photos(trial_of(), photos(24), {}, 2000, said.append) == ()
    assert len(given) == 3
    said.clear()
    assert with_fewer_photos(trial_of(), photos(24), {}, 1000, said.append) == ()
    assert said[1:] == ["no time was left to fit 3"], "nor is there for more of them"
    said.clear()
    given = fitted_to(monkeypatch, HarnessError("no room"))
    with_fewer_photos(trial_of(), photos(24), {}, 2000, said.append)
    assert said[1:] == ["fewer photos could not be tried: no room"]
    assert len(given) == 1


@pytest.mark.parametrize(
    ("sizes", "said"), [((), False), (("31x10",), False), (("32x10",), True), (("8x8", "10x70"), True)]
)
def test_photos_of_four_times_the_size_are_said_to_lose_what_is_small(sizes: tuple[str, ...], said: bool) -> None:
    assert bool(of_large_photos(trial_of(), photos(sizes=sizes), 8)) is said


def test_the_command_that_tries_tiles_is_that_of_the_detector() -> None:
    assert of_large_photos(trial_of(), photos(sizes=("70x10",)), 8) == (
        "photos of up to 70 pixels are read at 8, where 8 of theirs are one: to see whether tiles find smaller "
        "defects:  harness run --dataset folder --data-root 'my parts' --models knn --encoders 'timm[name=effnet]' "
        "--calibrate crossfit --tiles none,8"
    )
    trained = of_large_photos(trial_of(detector=DAE), photos(sizes=("70x10",)), 8)
    assert "--models dae --encoders conv --losses ssim --epochs 20 --calibrate crossfit" in trained
    assert "--encoders" not in of_large_photos(trial_of(detector=PLAIN), photos(sizes=("70x10",)), 8)


def test_a_promise_is_the_least_share_that_so_many_photos_can_keep_or_what_was_asked_for() -> None:
    assert answering._promise(None, 20) == Promise(0.05)
    assert answering._promise(None, 5) == Promise(0.2)
    assert answering._promise(0.05, 59) == Promise(0.05, confident=True)
    with pytest.raises(TooFewError) as caught:
        answering._promise(0.05, 58)
    assert str(caught.value) == (
        "58 good photos cannot keep false alarms at 5 % with 95 % confidence: 59 are needed, so collect 1 more, or "
        "leave --max-false-alarms out"
    )


def test_candidates_stand_from_cheap_to_dear_and_fresh_good_photos_are_those_kept_for_testing() -> None:
    done = [trial_of(), trial_of(pool="max", fresh=())]
    assert [(one.name, one.cost) for one in answering._candidates(done)] == [
        ("knn on effnet (mean)", 0), ("knn on effnet (max)", 1)
    ]  # fmt: skip
    assert answering._candidates(done)[1].bad.tolist() == [60.0, 80.0]
    assert answering._fresh(done) is None
    fresh = answering._fresh([trial_of(fresh=(1, 2))])
    assert fresh is not None
    assert fresh[0].tolist() == [1.0, 2.0]


def chosen(done: list[Try] | None = None, **changed: Any) -> Any:
    done = done or [trial_of()]
    good = np.arange(len(done[0].good))
    choice = choose(answering._candidates(done), good, done[0].kinds, Promise(0.05), 0)
    return answering.replace(choice, **changed)


def test_a_kept_model_remembers_how_many_were_tried_and_by_which_bad_photos() -> None:
    split = photos(bad=2).split
    found = [trial_of(), trial_of(), Try(KNN, reason="no time was left")]
    told = answering._remembered(chosen(share=0.04), found, split)
    assert told == Chosen(2, 0.04, None, False, tuple(sorted({digest_of_pixels(one) for one in split.test.pixels})))
    confident = chosen(promise=Promise(0.05, confident=True))
    assert answering._remembered(answering.replace(confident, enough=True), found, split).at_most == 0.05
    assert answering._remembered(answering.replace(confident, enough=False), found, split).at_most is None
    assert answering._remembered(chosen(), found, photos(bad=0).split).painted
    assert answering._kept(chosen(kept=None)) == Promise(0.05)
    assert answering._kept(chosen(kept=Promise(0.01))) == Promise(0.01)


def test_of_each_other_detector_its_best_pool_is_a_runner_up() -> None:
    ups = [RunnerUp(name, 0.9, 0.5, False) for name in ("knn (max)", "padim (mean)", "padim (max)", "dae")]
    assert [one.name for one in answering._one_a_detector(ups, "knn")] == ["padim (mean)", "dae"]
    assert answering._pool_of(trial_of()) == {"pools": "mean"}
    assert answering._pool_of(Try(KNN, pool="-")) == {}


def test_what_was_tried_is_told_with_its_auroc_or_the_reason() -> None:
    assert answering._told(trial_of()) == Tried("knn on effnet (mean)", 1.0, 2.5)
    assert answering._told(trial_of(bad=())) == Tried("knn on effnet (mean)", None, 2.5)
    assert answering._told(Try(KNN, reason="no time was left")) == Tried("knn on effnet", reason="no time was left")


def test_the_command_fits_the_chosen_detector_again_with_the_same_limit(tmp_path: Path) -> None:
    told = answering._command(trial_of(), photos(), asked(), Promise(0.05))
    assert told == (
        "harness run --dataset folder --data-root 'my parts' --models knn --encoders 'timm[name=effnet]' --pools mean "
        "--calibrate crossfit --thresholds 'conformal[alpha=0.05]' --seeds 0 --keep-models"
    )
    more = asked(seeds=[3], image_size=64, weights_dir=tmp_path, store=tmp_path / "a b")
    unreadable = photos(findings=(Finding("unreadable", "1 photo cannot be read", grave=False),))
    told = answering._command(trial_of(detector=DAE), unreadable, more, Promise(0.1, confident=True))
    assert shlex.split(told)[6:] == [
        *("--models", "dae", "--encoders", "conv", "--losses", "ssim", "--pools", "mean", "--epochs", "20"),
        *("--calibrate", "crossfit", "--thresholds", "tolerance[alpha=0.1]", "--seeds", "3", "--image-size", "64"),
        *("--weights-dir", str(tmp_path), "--store", str(tmp_path / "a b"), "--skip-unreadable", "--keep-models"),
    ]
    bare = answering._command(Try(PLAIN, outcome([1], [2]), pool="-"), photos(), asked(), Promise(0.05))
    assert "--models mean_image --calibrate" in bare


def test_the_answer_names_the_good_photos_that_look_least_like_the_others() -> None:
    best = trial_of(good=[*range(13), 90, 80, 70, 60, 50, 40, 30], fresh=(1,))
    choice = chosen([best, trial_of(detector=DAE, bad=(0, 1))], limit=55.0)
    told = answering._answer(asked(defect_rate=0.01), photos(), [best, Try(DAE, reason="no")], choice, KEPT, best)
    assert told.suspects == tuple(f"good/{at}.png" for at in (13, 14, 15, 16))
    all_five = answering._answer(asked(), photos(), [best], chosen([best], limit=0.0), KEPT, best)
    assert len(all_five.suspects) == 5, "and no more"
    at_limit = answering._answer(asked(), photos(), [best], chosen([best], limit=60.0), KEPT, best)
    assert len(at_limit.suspects) == 4, "one on the limit is named"
    assert (told.place, told.name, told.kept, told.milliseconds, told.megabytes) == (
        "my parts",
        best.name,
        KEPT.folder,
        7.0,
        0.5,
    )
    assert [one.name for one in told.tried] == ["knn on effnet (mean)", "knn on effnet (max)", "dae · conv · ssim"]
    assert told.fresh_good.tolist() == [1.0]
    assert told.bad.tolist() == [30.0, 40.0]
    assert (told.synthetic, told.missing_weights, told.defect_rate, told.max_false_alarms) == (False, "", 0.01, None)
    assert [one.name.partition(" (")[0] for one in told.choice.runners_up] == ["dae · conv · ssim"]


KEPT = Kept(Path("runs/models/recommended"), 55.0, 7.0, 0.5)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """All steps of a recommendation as functions that note what they are given."""
    given: dict[str, Any] = {"photos": photos(), "tries": [trial_of(pool="")], "backbone": ("timm[name=effnet]", "")}

    def noting(name: str, result: Any) -> Any:
        def step(*arguments: Any) -> Any:
            given[f"given to {name}"] = arguments
            return result(*arguments) if callable(result) else result

        return step

    monkeypatch.setattr(answering, "registry_with", noting("registry_with", "registry"))
    monkeypatch.setattr(answering, "photos_in", noting("photos_in", lambda *_: given["photos"]))
    monkeypatch.setattr(answering, "backbone_at_hand", noting("backbone", lambda *_: given["backbone"]))
    monkeypatch.setattr(answering, "detectors", noting("detectors", [KNN]))
    monkeypatch.setattr(answering, "tries", noting("tries", lambda *_: given["tries"]))
    monkeypatch.setattr(answering, "keep", noting("keep", KEPT))
    monkeypatch.setattr(answering, "with_fewer_photos", noting("fewer", (Few(3, 0.5, 3),)))
    monkeypatch.setattr(answering, "with_synthetic_defects", noting("synthetic", lambda *_: photos(bad=3).split))
    monkeypatch.setattr(answering, "tried", noting("tried", trial_of(pool="", bad=())))
    monkeypatch.setattr(answering, "tell", noting("tell", None))
    return given


def test_a_recommendation_goes_through_its_steps_and_says_how_far_it_is(steps: dict[str, Any], capsys: Any) -> None:
    said: list[str] = []
    before = time.monotonic()
    told = answering.recommended(asked(seeds=[0]), said.append)
    assert said == ["20 good photos, 2 bad ones, read at 256 px"]
    assert steps["given to photos_in"] == ("registry", Path("my parts"), 256)
    assert steps["given to backbone"] == ("registry", None, 256)
    assert steps["given to detectors"] == ("registry", "timm[name=effnet]")
    assert steps["given to tries"][3:] == (10, said.append, None) or steps["given to tries"][3] == 10
    settings, _, limit, remembered, registry = steps["given to keep"]
    assert (settings.models, settings.pools, settings.keep_models) == (("knn",), ("mean",), True)
    assert settings.thresholds == (answering._kept(told.choice).threshold,)
    assert (limit, registry, remembered.among) == (told.choice.limit, "registry", 1)
    assert told.fewer == (Few(3, 0.5, 3),)
    assert 600 <= steps["given to fewer"][3] - before <= 660, "the ten minutes that were asked for"
    assert (told.synthetic, told.missing_weights, told.lone, told.large) == (False, "", None, "")
    assert told.bad_images.defects == ("dent", "dent")
    assert told.bad.tolist() == [30.0, 40.0]


def test_missing_weights_and_another_size_are_said(steps: dict[str, Any]) -> None:
    steps["backbone"] = (None, "timm is not installed")
    said: list[str] = []
    told = answering.recommended(asked(image_size=64), said.append)
    assert said[0].endswith("read at 64 px")
    assert said[1] == "no published weights are at hand, so features are random: timm is not installed"
    assert told.missing_weights == "timm is not installed"


def test_where_nothing_could_be_fitted_the_first_reason_is_said(steps: dict[str, Any]) -> None:
    steps["tries"] = [Try(KNN, reason="no memory"), Try(DAE, reason="no time was left")]
    with pytest.raises(DataError, match="^no detector could be fitted: no memory$"):
        answering.recommended(asked(), lambda line: None)


def test_without_bad_photos_painted_defects_choose_and_all_good_photos_set_the_limit(steps: dict[str, Any]) -> None:
    steps["photos"] = photos(bad=0)
    said: list[str] = []
    told = answering.recommended(asked(seeds=[5]), said.append)
    assert said[1] == (
        "there are no bad photos: detectors are tried on good ones with painted defects, which is weaker evidence"
    )
    assert steps["given to synthetic"][1:] == ("registry", 5)
    assert told.synthetic
    assert told.fewer == ()
    assert steps["given to tried"][0] == KNN
    assert steps["given to keep"][3].painted
    assert told.bad.tolist() == [30.0, 40.0]
    assert told.name == "knn on effnet (mean)"
    assert len(told.bad_images) == 3
    assert told.choice.false_alarms.of == 20


def test_recommend_tells_on_stderr_unless_it_is_quiet(steps: dict[str, Any]) -> None:
    recommend("my parts", minutes=3, quiet=True)
    assert "given to tell" not in steps
    recommend("my parts", minutes=3)
    assert steps["given to tell"] == ("20 good photos, 2 bad ones, read at 256 px",)
    assert steps["given to tries"][3] == 3


def keeping_with(monkeypatch: pytest.MonkeyPatch, folder: Path, limit: float = 5.0, **outcome_of: Any) -> None:
    model = folder / "models" / "parts-knn-0123"
    model.mkdir(parents=True)
    (model / "weights").write_bytes(b"x" * 3000)
    kept = outcome_of.pop("kept", model)
    finished = SimpleNamespace(keep=SimpleNamespace(of=lambda trial_id: kept))
    monkeypatch.setattr(keeping, "fitted", lambda settings: finished)
    monkeypatch.setattr(keeping, "of_model", lambda *_: Outcome(TRIAL, "done", **outcome_of))
    monkeypatch.setattr(keeping, "read", lambda place: SimpleNamespace(limit=limit))
    monkeypatch.setattr(keeping, "replace", lambda saved, **changed: changed)
    monkeypatch.setattr(keeping, "describe", lambda saved, draft: (draft / "model.json").write_text(repr(saved)))
    monkeypatch.setattr(keeping, "_milliseconds", lambda *_: 7.0)


def test_the_kept_model_is_called_recommended_and_remembers_how_it_was_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keeping_with(monkeypatch, tmp_path, limit=5.00004)
    settings = settings_for(KNN, photos(), {"store": tmp_path})
    found = keep(settings, photos(), 5.0, Chosen(2, 0.05), SimpleNamespace())  # type: ignore[arg-type]
    assert [one.name for one in (tmp_path / "models").iterdir()] == ["recommended"]
    assert "Chosen(among=2" in (tmp_path / "models" / "recommended" / "model.json").read_text()
    size = sum(one.stat().st_size for one in (tmp_path / "models" / "recommended").iterdir())
    assert (found.folder, found.limit, found.milliseconds) == (tmp_path / "models" / "recommended", 5.00004, 7.0)
    assert found.megabytes == size / 1e6


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"limit": 5.001}, "the kept model's limit is 5.001, and 5 was recommended: run it again"),
        ({"kept": None, "unkept": "the disk is full"}, "the disk is full"),
        ({"kept": None, "reason": "no memory"}, "the model could not be kept: no memory"),
        ({"kept": None}, "the model could not be kept: nothing was written"),
    ],
)
def test_a_model_that_is_not_kept_as_recommended_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, Any], said: str
) -> None:
    keeping_with(monkeypatch, tmp_path, **given)
    with pytest.raises(ModelError) as caught:
        keep(settings_for(KNN, photos(), {}), photos(), 5.0, Chosen(2, 0.05), SimpleNamespace())  # type: ignore[arg-type]
    assert str(caught.value) == said


def test_a_kept_model_is_timed_on_eight_photos_one_at_a_time_after_a_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[Any] = []
    levels: list[int] = []

    def note(pixels: Any) -> None:
        shapes.append(pixels.shape)
        levels.append(int(pixels.max()))

    clock = iter([0.0, 0.001, 1.0, 1.002, 2.0, 2.003, *np.repeat(9.0, 20)])
    monkeypatch.setattr(keeping.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(keeping, "load", lambda *_: SimpleNamespace(decide_at_once=note))
    three = photos(3)
    assert keeping._milliseconds(Path("m"), three, SimpleNamespace()) == pytest.approx(2.0)  # type: ignore[arg-type]
    assert shapes == [(1, 8, 8, 3)] * 4
    assert levels == [0, 0, 125, 250]
    shapes.clear()
    keeping._milliseconds(Path("m"), photos(20), SimpleNamespace())  # type: ignore[arg-type]
    assert len(shapes) == 9


@pytest.mark.parametrize(("n", "said"), [(1, "1 good photo:"), (3, "3 good photos:")])
def test_a_folder_of_too_few_photos_says_how_many_more_it_takes(
    monkeypatch: pytest.MonkeyPatch, n: int, said: str
) -> None:
    few = photos(n).split
    dataset = SimpleNamespace(skip_unreadable=False)
    monkeypatch.setattr(photos_module, "photos_of_one_part", lambda *given: (dataset, Path("root"), "parts"))
    monkeypatch.setattr(photos_module, "load", lambda *given: few)
    with pytest.raises(DataError) as caught:
        photos_in(SimpleNamespace(), Path("place"), 64)  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"place holds {said} at least 4 are needed to set any limit, and 59 for one that keeps false alarms at 5 %; "
        f"collect {4 - n} more"
    )
    assert dataset.skip_unreadable is True


def test_a_folder_of_photos_is_audited_and_told_of_two_groups_first_and_of_no_false_alarms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels, dark = Finding("labels", "a label is wrong", grave=True), Finding("dark", "it is dark", grave=False)
    given: list[Any] = []
    many = photos(4).split

    def load(*arguments: Any) -> Split:
        given.append(arguments)
        return many

    dataset = SimpleNamespace(skip_unreadable=False)
    monkeypatch.setattr(photos_module, "photos_of_one_part", lambda *given: (dataset, Path("root"), "parts"))
    monkeypatch.setattr(photos_module, "load", load)
    monkeypatch.setattr(photos_module, "audit", lambda split: audited(labels, dark))
    monkeypatch.setattr(photos_module, "two_groups", lambda good: iter([Finding("two_groups", "two", grave=True)]))
    monkeypatch.setattr(photos_module, "spell", lambda part: "folder[a=1]")
    found = photos_in(SimpleNamespace(), Path("place"), 64)  # type: ignore[arg-type]
    assert given == [(dataset, "parts", 64)]
    assert (found.dataset, found.root, found.category) == ("folder[a=1]", Path("root"), "parts")
    assert found.split is many
    assert [one.name for one in found.audit.findings] == ["two_groups", "dark"]


class Spot(Defect):
    name = "spot"

    def paint(self, image: Any, part: Any, random: Any) -> Any:
        mask = np.zeros(image.shape[:2], bool)
        mask[0, int(random.integers(0, 8))] = True
        changed = image.copy()
        changed[mask] = 255
        return changed, mask


class Line(Spot):
    name = "line"


def registry_of_defects(*kinds: Any) -> Any:
    named = {kind.name: kind for kind in kinds}
    return SimpleNamespace(offers=lambda kind: named, make=lambda kind, name: named[name]())


def test_copies_are_painted_with_each_kind_in_turn_behind_the_photos_as_they_are() -> None:
    found = painted(images([10, 20, 30]), registry_of_defects(Spot, Line), 7)
    assert found.defects == ("good",) * 3 + ("spot (synthetic)", "line (synthetic)") * 2
    assert found.paths[:3] == ("good/0.png", "good/1.png", "good/2.png")
    assert found.paths[3:] == (
        "good/0.png with spot 0",
        "good/1.png with line 1",
        "good/0.png with spot 2",
        "good/1.png with line 3",
    )
    assert found.masks is not None
    assert found.masks.dtype == np.uint8
    assert found.masks.sum(axis=(1, 2)).tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert (found.pixels[3][found.masks[3] == 1] == 255).all()
    again = painted(images([10, 20, 30]), registry_of_defects(Spot, Line), 7)
    assert np.array_equal(again.pixels, found.pixels)
    other = painted(images([10, 20, 30]), registry_of_defects(Spot, Line), 8)
    assert not np.array_equal(other.pixels, found.pixels)
    assert len(painted(images([1] * 5), registry_of_defects(Spot), 0)) == 10
    assert len(painted(images([1] * 70), registry_of_defects(Spot), 0)) == 130, "sixty are painted at most"


def test_a_share_of_the_photos_is_kept_apart_and_near_duplicates_stay_on_one_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = np.array([0, 0, 0, 1, 2, 3, 4, 5, 6, 7])
    monkeypatch.setattr(synthetic, "groups", lambda pixels: group)
    sizes = set()
    for seed in range(12):
        found = with_synthetic_defects(images(range(10)), registry_of_defects(Spot), seed)
        apart = [
            int(path[5]) for path, kind in zip(found.test.paths, found.test.defects, strict=True) if kind == "good"
        ]
        fitted = [int(path[5]) for path in found.train.paths]
        assert sorted(apart + fitted) == list(range(10))
        assert not {*group[apart]} & {*group[fitted]}
        sizes.add(len(apart))
    assert min(sizes) == 3
    assert max(sizes) <= 5


def test_two_photos_at_least_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "groups", lambda pixels: np.arange(len(pixels)))
    found = with_synthetic_defects(images(range(4)), registry_of_defects(Spot), 0)
    assert (len(found.train), found.test.defects.count("good")) == (2, 2)


def clusters(first: int, second: int, apart: float = 120.0) -> Images:
    random = np.random.default_rng(0)
    pixels = random.integers(60, 70, (first + second, 16, 16, 3)).astype(np.float64)
    pixels[first:, :, :8] += apart
    return Images(pixels.astype(np.uint8), tuple(map(str, range(first + second))))


def test_two_groups_are_a_grave_finding_with_one_example_of_each() -> None:
    (found,) = two_groups(clusters(9, 4))
    assert found.name == "two_groups"
    assert found.sentence == (
        "The good photos fall into two groups of 9 and 4 that look different: if these are two kinds of part, or two "
        "cameras, fit a detector to each."
    )
    assert (found.grave, found.count) == (True, 4)
    assert sorted(found.examples) == ["0", "9"]


@pytest.mark.parametrize(
    ("good", "told"),
    [
        (clusters(4, 3), False),
        (clusters(5, 3), True),
        (clusters(9, 2), False),
        (clusters(3, 5), True),
        (clusters(6, 6, apart=0.0), False),
        (images([9] * 10), False),
    ],
)
def test_groups_are_told_of_eight_photos_with_three_in_the_smaller_one(good: Images, told: bool) -> None:
    assert bool(list(two_groups(good))) is told


def test_photos_are_written_by_kind_with_a_number_each_and_into_no_folder_that_is_in_use(tmp_path: Path) -> None:
    split = Split(images([1, 2]), images([3, 4, 5], ("good", "dent", "crack")))
    assert write_photos(split, tmp_path / "new") == 5
    files = sorted(str(one.relative_to(tmp_path / "new")) for one in (tmp_path / "new").rglob("*.png"))
    assert files == ["bad/crack/0004.png", "bad/dent/0003.png", "good/0000.png", "good/0001.png", "good/0002.png"]
    assert np.asarray(Image.open(tmp_path / "new/bad/dent/0003.png")).tolist() == split.test.pixels[1].tolist()
    (tmp_path / "empty").mkdir()
    assert write_photos(split, tmp_path / "empty") == 5
    with pytest.raises(UsageError) as caught:
        write_photos(split, tmp_path / "new")
    assert str(caught.value) == f"{tmp_path / 'new'} is not empty: give a folder that is not there yet"


def test_a_candidate_without_bad_photos_has_no_auroc() -> None:
    assert math.isnan(Candidate("a", np.array([1.0]), np.array([]), 0).auroc)
