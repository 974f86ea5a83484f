"""All steps from a folder of photos to the detector that is recommended for it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import FloatArray, Split
from harness.audit.duplicates import groups
from harness.errors import DataError, TooFewError
from harness.metrics.guarantees import images_needed
from harness.plugin.in_process import registry_with
from harness.plugin.registry import Registry
from harness.printable import counted
from harness.recommending.asked import Asked
from harness.recommending.detectors import detectors
from harness.recommending.fewer import of_large_photos, with_fewer_photos
from harness.recommending.keeping import Kept, keep
from harness.recommending.lone_photo import lone_photo
from harness.recommending.photos import Photos, photos_in
from harness.recommending.synthetic import with_synthetic_defects
from harness.recommending.trying import EPOCHS, Try, settings_for, tried, tries
from harness.report.progress import tell
from harness.report.recommendation import Lone, Recommendation, Tried
from harness.trials.chosen import Chosen
from harness.trials.presets import backbone_at_hand
from harness.trials.saved_model import digest_of_pixels
from harness.trials.trial import UNUSED
from harness.verdicts.choosing import Candidate, Choice, Promise, RunnerUp, choose, share_for

IMAGE_SIZE = 256
MINUTES = 10
_SUSPECTS = 5
"""At most this many good photos are named as looking least like the others."""


def recommend(folder: Any, *, minutes: Any = MINUTES, quiet: bool = False, **settings: Any) -> Recommendation:
    """Try detectors on a folder of photos for this many minutes, and keep the one that a written rule chooses.

    The folder holds good/ and bad/ under any usual names, or MVTec AD's layout, or only good photos. It takes these
    settings of `harness.run`: one seed, image_size, max_false_alarms, defect_rate, weights_dir, store, device, plugins.
    Raises UsageError, DataError and ModelError.
    """
    return recommended(Asked.of(folder, minutes, **settings), (lambda line: None) if quiet else tell)


def recommended(asked: Asked, say: Callable[[str], None]) -> Recommendation:
    """The same for settings that were read already; `say` is told how far it is. Raises HarnessError."""
    shared = asked.settings
    size = shared.image_size or IMAGE_SIZE
    registry = registry_with(shared.plugins)
    photos = photos_in(registry, asked.place, size)
    split = photos.split
    promise = _promise(shared.max_false_alarms, len(split.train))
    say(f"{counted(len(split.train), 'good photo')}, {int(split.test.labels.sum())} bad ones, read at {size} px")
    backbone, missing = backbone_at_hand(registry, shared.weights_dir, size)
    if backbone is None:
        say(f"no published weights are at hand, so features are random: {missing}")
    instead = _with_painted_defects(photos, registry, shared.seeds[0], say)
    used = instead or split
    until = time.monotonic() + 60 * asked.minutes
    found = tries(detectors(registry, backbone), photos, asked.given, asked.minutes, say, instead)
    done = [by_pool for one in found if one.done for by_pool in one.by_pool]
    if not done:
        raise DataError(f"no detector could be fitted: {found[0].reason}")
    group = groups(used.train.pixels)
    choice = _choice(done, group, promise, shared.seeds[0])
    tested = best = done[choice.chosen]
    if instead is None:
        lone = lone_photo(
            _candidates(done), group, best.kinds, choice, split.train.paths, shared.seeds[0], _fresh(done)
        )
    else:
        best, choice, lone = _on_all_good_photos(tested, choice, photos, asked)
    chosen = settings_for(
        best.detector, photos, asked.given, thresholds=_kept(choice).threshold, keep_models=True, **_pool_of(best)
    )
    kept = keep(chosen, photos, choice.limit, _remembered(choice, found, split), registry)
    answer = _answer(asked, photos, found, choice, kept, best)
    bad = used.test.take(np.flatnonzero(used.test.labels))
    return replace(
        answer,
        bad=tested.tested(bad=True),
        bad_images=bad,
        synthetic=instead is not None,
        lone=lone,
        fewer=() if instead else with_fewer_photos(best, photos, asked.given, until, say),
        large=of_large_photos(best, photos, size),
        missing_weights=missing if backbone is None else "",
    )


def _with_painted_defects(photos: Photos, registry: Registry, seed: int, say: Callable[[str], None]) -> Split | None:
    """Photos with painted defects to try detectors on, if there are no bad photos; None if there are some."""
    if photos.split.test.labels.any():
        return None
    say("there are no bad photos: detectors are tried on good ones with painted defects, which is weaker evidence")
    return with_synthetic_defects(photos.split.train, registry, seed)


def _promise(asked: float | None, n: int) -> Promise:
    """What the limit must keep, given n good photos. Raises TooFewError if they are too few for what is asked."""
    if asked is None:
        share = share_for(n)
        assert share is not None, "fewer good photos were refused"
        return Promise(share)
    if n < (needed := images_needed(asked)):
        raise TooFewError(
            f"{n} good photos cannot keep false alarms at {100 * asked:g} % with 95 % confidence: {needed} are needed, "
            f"so collect {needed - n} more, or leave --max-false-alarms out"
        )
    return Promise(asked, confident=True)


def _kept(choice: Choice) -> Promise:
    """The promise that sets the limit."""
    return choice.kept or choice.promise


def _choice(done: list[Try], group: NDArray[np.intp], promise: Promise, seed: int) -> Choice:
    return choose(_candidates(done), group, done[0].kinds, promise, seed, _fresh(done))


def _candidates(done: list[Try]) -> list[Candidate]:
    return [Candidate(one.name, one.good, one.tested(bad=True), cost) for cost, one in enumerate(done)]


def _fresh(done: list[Try]) -> list[FloatArray] | None:
    """Scores of good photos that were kept for testing, where there are some."""
    fresh = [one.tested(bad=False) for one in done]
    return fresh if len(fresh[0]) else None


def _on_all_good_photos(tested: Try, choice: Choice, photos: Photos, asked: Asked) -> tuple[Try, Choice, Lone | None]:
    """Where painted defects have chosen: the detector fitted to all good photos, which set the limit.

    Whether one photo sets it alone is judged by the painted defects that would be found without it.
    """
    best = replace(tried(tested.detector, photos, asked.given), pool=tested.pool)
    names, seed = photos.split.train.paths, asked.settings.seeds[0]
    group, fresh, promise = groups(photos.split.train.pixels), _fresh([best]), _kept(choice)
    on_all = _choice([best], group, promise, seed)
    painted = [Candidate(best.name, best.good, tested.tested(bad=True), 0)]
    by_painted = choose(painted, group, tested.kinds, promise, seed, fresh)
    lone = lone_photo(painted, group, tested.kinds, by_painted, names, seed, fresh)
    return best, replace(choice, limit=on_all.limit, false_alarms=on_all.false_alarms), lone


def _remembered(choice: Choice, found: list[Try], split: Split) -> Chosen:
    """What the kept model remembers of the choice; `split` holds the photos as they were given."""
    bad = split.test.take(np.flatnonzero(split.test.labels))
    return Chosen(
        among=sum(one.done for one in found),
        share=choice.share,
        at_most=choice.promise.share if choice.promise.confident and choice.enough else None,
        painted=not len(bad),
        bad=tuple(sorted({digest_of_pixels(pixels) for pixels in bad.pixels})),
    )


def _one_a_detector(runners_up: Sequence[RunnerUp], chosen: str) -> list[RunnerUp]:
    """The best pool of each other detector."""
    best: dict[str, RunnerUp] = {}
    for one in runners_up:
        best.setdefault(one.name.partition(" (")[0], one)
    return [one for detector, one in best.items() if detector != chosen]


def _pool_of(best: Try) -> dict[str, str]:
    """The setting that makes a run score by the chosen pool."""
    return {} if best.pool == UNUSED else {"pools": best.pool}


def _answer(asked: Asked, photos: Photos, found: list[Try], choice: Choice, kept: Kept, best: Try) -> Recommendation:
    train, test = photos.split.train, photos.split.test
    order = np.argsort(-best.good)[:_SUSPECTS]
    return Recommendation(
        place=str(asked.place),
        name=best.name,
        choice=replace(choice, runners_up=_one_a_detector(choice.runners_up, best.detector.name)),
        good=best.good,
        good_images=train,
        bad=best.tested(bad=True),
        bad_images=test,
        fresh_good=best.tested(bad=False),
        kept=kept.folder,
        milliseconds=kept.milliseconds,
        megabytes=kept.megabytes,
        tried=tuple(_told(by_pool) for one in found for by_pool in (one.by_pool if one.done else [one])),
        findings=photos.audit.findings,
        suspects=tuple(train.paths[at] for at in order if best.good[at] >= choice.limit),
        synthetic=False,
        missing_weights="",
        defect_rate=asked.settings.defect_rate,
        max_false_alarms=asked.settings.max_false_alarms,
        command=_command(best, photos, asked, _kept(choice)),
    )


def _told(one: Try) -> Tried:
    if not one.done:
        return Tried(one.name, reason=one.reason)
    bad = one.tested(bad=True)
    auroc = Candidate(one.name, one.good, bad, 0).auroc if len(bad) else None
    return Tried(one.name, auroc, one.seconds)


def _command(best: Try, photos: Photos, asked: Asked, promise: Promise) -> str:
    """The command that fits the chosen detector once more, and keeps it with the same limit."""
    detector, settings = best.detector, asked.settings
    words = ["harness", "run", "--dataset", photos.dataset, "--data-root", str(photos.root), "--models", detector.model]
    words += ["--encoders", detector.encoder] if detector.encoder != UNUSED else []
    words += ["--losses", detector.loss] if detector.loss != UNUSED else []
    words += ["--pools", best.pool] if best.pool != UNUSED else []
    words += ["--epochs", str(EPOCHS)] if detector.trained else []
    words += ["--calibrate", "crossfit", "--thresholds", promise.threshold, "--seeds", str(settings.seeds[0])]
    words += ["--image-size", str(settings.image_size)] if settings.image_size else []
    words += ["--weights-dir", str(settings.weights_dir)] if settings.weights_dir else []
    words += ["--store", str(settings.store)] if str(settings.store) != "runs" else []
    left_out = any(one.name == "unreadable" for one in photos.audit.findings)
    return shlex.join([*words, *["--skip-unreadable"] * left_out, "--keep-models"])
