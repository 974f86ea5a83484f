"""What the harness relies on in a model: that a score depends on its image, and on nothing else."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from harness.api import FloatArray, Images, Loss, Model, Progress, Run, Scores
from harness.errors import TrainingError, UsageError
from harness.testing.parts import Check, fresh
from harness.testing.pools import pool_of
from harness.testing.toys import SIZE, NeedsPreparing, NotANumber, ToyEncoder, ToyLoss, toy_images

RUN = Run(image_size=SIZE, epochs=3, batch_size=8, learning_rate=1e-3, weights="random")
"""A fit that takes seconds."""
TOLERANCE = 1e-4
"""How far scores may differ, as a share of the largest: float32 adds up differently in another order."""


def checks(model: Model) -> Iterator[Check]:
    """The checks that apply to this model."""
    yield check_gives_one_finite_score_an_image
    yield check_gives_what_its_pools_need
    yield check_maps_have_the_size_of_the_images
    yield check_score_does_not_depend_on_batch
    yield check_score_does_not_depend_on_labels
    yield check_same_seed_gives_same_scores
    yield check_refit_forgets
    yield check_leaves_images_unchanged
    yield check_fits_a_last_batch_of_one
    yield check_toy_defects_score_above_normal
    yield check_saves_and_loads
    if type(model).network is not Model.network:
        yield check_network_scores_as_the_model_does
    if "loss" in model.uses:
        yield check_prepares_its_loss
    if "training" in model.uses:
        yield check_reports_each_epoch
    if {"loss", "training"} <= model.uses:
        yield check_stops_at_a_loss_that_is_not_finite


def check_gives_one_finite_score_an_image(model: Model) -> None:
    """N images give N finite numbers."""
    images = _test_images()
    scores = _image_scores(model, _fitted(model).score(images))
    assert scores.shape == (len(images),), f"{len(images)} images gave image scores of shape {scores.shape}"
    _assert_finite(scores, "image scores")


def check_gives_what_its_pools_need(model: Model) -> None:
    """A model with `pool` in its uses gives maps, any other gives image scores."""
    scores = _fitted(model).score(_test_images())
    try:
        pool_of(model)
    except UsageError as error:
        raise AssertionError(f"default_pool is {model.default_pool!r}: {error}") from error
    if "pool" in model.uses:
        assert scores.maps is not None, "uses names 'pool', but no maps were given to pool"
    else:
        assert scores.images is not None, "uses does not name 'pool', but no image scores were given"


def check_maps_have_the_size_of_the_images(model: Model) -> None:
    """Maps, where given, are finite and hold one value a pixel."""
    images = _test_images()
    maps = _fitted(model).score(images).maps
    if maps is not None:
        assert maps.shape == images.pixels.shape[:3], (
            f"images of shape {images.pixels.shape} gave maps of shape {maps.shape}, expected {images.pixels.shape[:3]}"
        )
        _assert_finite(maps, "maps")


def check_score_does_not_depend_on_batch(model: Model) -> None:
    """An image scores the same alone, among others, and in another order."""
    fitted, images = _fitted(model), _test_images()
    together = fitted.score(images)
    alone = _joined([fitted.score(images.take(slice(i, i + 1))) for i in range(len(images))])
    _assert_equal(together, alone, "scoring images one by one instead of together")
    backwards = np.arange(len(images))[::-1]
    turned = fitted.score(images.take(backwards))
    again = Scores(*(None if values is None else values[backwards] for values in (turned.maps, turned.images)))
    _assert_equal(together, again, "scoring images in the opposite order")


def check_score_does_not_depend_on_labels(model: Model) -> None:
    """Defect kinds, masks and names do not reach the scores."""
    fitted, images = _fitted(model), _test_images()
    telling = tuple(f"test/{kind}/{index:03}.png" for index, kind in enumerate(images.defects))
    given, unlabelled = fitted.score(replace(images, paths=telling)), fitted.score(Images(images.pixels, images.paths))
    _assert_equal(given, unlabelled, "taking away defect kinds, masks and telling names")


def check_same_seed_gives_same_scores(model: Model) -> None:
    """Only the seed of the run matters, not the state of global random generators. Equal to the last bit."""
    images = _test_images()
    _shake_global_generators(1)
    first = _fitted(model).score(images)
    _shake_global_generators(2)
    second = _fitted(model).score(images)
    _assert_equal(first, second, f"fitting again with the same seed, {RUN.seed},", tolerance=0)


def check_refit_forgets(model: Model) -> None:
    """A model that was fitted before, and has scored other images, gives the same as a new one."""
    images = _test_images()
    expected = _fitted(model).score(images)
    used = _fitted(model, _darkened(toy_images(8, seed=3)))
    for _ in range(3):  # so many that they outnumber what it was to remember
        used.score(_darkened(images))
    _fit(used, _normal_images(), RUN)
    _assert_equal(expected, used.score(images), "an earlier fit on other images, or images scored before,")


def check_leaves_images_unchanged(model: Model) -> None:
    """Neither fitting nor scoring writes into the pixels it is given."""
    normal, images = _normal_images(), _test_images()
    _fitted(model, normal).score(images)
    assert np.array_equal(normal.pixels, _normal_images().pixels), "fitting changed the pixels of its images"
    assert np.array_equal(images.pixels, _test_images().pixels), "scoring changed the pixels of its images"


def check_fits_a_last_batch_of_one(model: Model) -> None:
    """A last batch of a single image, which batch normalisation cannot take, causes no error."""
    scores = _fitted(model, toy_images(RUN.batch_size + 1, seed=1)).score(_test_images())
    _assert_finite(_image_scores(model, scores), "image scores")


def check_toy_defects_score_above_normal(model: Model) -> None:
    """Bright squares on smooth images stand out: an AUROC of at least 0.9."""
    images = _test_images()
    scores = _image_scores(model, _fitted(model).score(images))
    normal, defective = scores[~images.labels], scores[images.labels]
    pairs = defective[:, None] - normal[None, :]
    auroc = float(np.mean(pairs > 0) + np.mean(pairs == 0) / 2)
    assert auroc >= 0.9, (
        f"bright squares score {_range(defective)}, images without them {_range(normal)}: "
        f"an AUROC of {auroc:.2f}, expected at least 0.9"
    )


def check_saves_and_loads(model: Model) -> None:
    """What `state` gives survives a safetensors file, and after `restore` scores are equal."""
    from safetensors.numpy import load_file, save_file

    fitted, images = _fitted(model), _test_images()
    state = dict(fitted.state())
    for name, array in state.items():
        assert isinstance(array, np.ndarray), f"state has a {type(array).__name__} at {name!r}, expected an array"
        assert array.dtype.kind in "biuf", f"state has {array.dtype} at {name!r}, expected numbers"
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        save_file(
            {name: np.asarray(array, order="C") for name, array in state.items()}, file
        )  # safetensors garbles arrays in any other order
        loaded = load_file(file)
    again = fresh(model)
    again.restore(loaded, encoder=_encoder(model), loss=_loss(model), run=RUN)
    _assert_equal(fitted.score(images), again.score(images), "saving and loading")


def check_network_scores_as_the_model_does(model: Model) -> None:
    """`network` scores as `score` does, with side inputs that are drawn from each image alone."""
    import torch

    fitted, images = _fitted(model), _test_images()
    drawn = [fitted.side_inputs(images.pixels[i : i + 1]) for i in range(len(images))]
    beside = {name: torch.from_numpy(np.concatenate([one[name] for one in drawn])) for name in drawn[0]}
    with torch.inference_mode():
        clean = torch.tensor(images.pixels).permute(0, 3, 1, 2) / 255
        found = fitted.network().eval()(clean, **beside).numpy()
    _assert_equal(fitted.score(images), Scores(*((found, None) if found.ndim == 3 else (None, found))), "network()")


def check_prepares_its_loss(model: Model) -> None:
    """`prepare` of the loss is called, in fitting and in restoring, because it may have a network to build."""
    images, fitted, restored = _test_images(), fresh(model), fresh(model)
    fitted.fit(_normal_images(), encoder=_encoder(model), loss=NeedsPreparing(), run=RUN)
    fitted.score(images)
    restored.restore(fitted.state(), encoder=_encoder(model), loss=NeedsPreparing(), run=RUN)
    restored.score(images)


def check_reports_each_epoch(model: Model) -> None:
    """Each epoch is reported, with a finite loss and the number of images that were seen."""
    reports: list[Progress] = []
    normal = _normal_images()
    _fit(fresh(model), normal, replace(RUN, report=reports.append))
    epochs = sorted({report.epoch for report in reports if report.epoch_done})
    assert epochs == list(range(1, len(epochs) + 1)), f"epochs {epochs} were reported, expected to count from 1"
    assert 1 <= len(epochs) <= RUN.epochs, f"{len(epochs)} epochs were reported of a run of {RUN.epochs}"
    _assert_finite(np.array([report.loss for report in reports]), "reported losses")
    images = sum(report.images for report in reports)
    assert images > 0, f"{images} training images were reported for {len(epochs)} epochs of {len(normal)}"


def check_stops_at_a_loss_that_is_not_finite(model: Model) -> None:
    """A loss that is nan ends the fit with a TrainingError, so that no such model is ranked."""
    try:
        fresh(model).fit(_normal_images(), encoder=_encoder(model), loss=NotANumber(), run=RUN)
    except TrainingError:
        return
    raise AssertionError("the fit went on with a loss of nan, expected a TrainingError")


def _normal_images() -> Images:
    return toy_images(16, seed=1)


def _test_images() -> Images:
    return toy_images(12, defective=6, seed=2)


def _darkened(images: Images) -> Images:
    return Images(images.pixels // 4, images.paths)


def _encoder(model: Model) -> ToyEncoder | None:
    return ToyEncoder() if "encoder" in model.uses else None


def _loss(model: Model) -> Loss | None:
    return ToyLoss() if "loss" in model.uses else None


def _fit(model: Model, normal: Images, run: Run) -> None:
    model.fit(normal, encoder=_encoder(model), loss=_loss(model), run=run)


def _fitted(model: Model, normal: Images | None = None) -> Model:
    """A new model with the same options, fitted."""
    again = fresh(model)
    _fit(again, _normal_images() if normal is None else normal, RUN)
    return again


def _image_scores(model: Model, scores: Scores) -> FloatArray:
    """Scores as a run has them: pooled maps for a model that uses a pool, otherwise its own image scores."""
    if scores.maps is not None and "pool" in model.uses:
        return np.asarray(pool_of(model).score(scores.maps))
    assert scores.images is not None, "no scores: expected maps with 'pool' in its uses, or images"
    return scores.images


def _joined(scores: list[Scores]) -> Scores:
    maps = [s.maps for s in scores if s.maps is not None]
    images = [s.images for s in scores if s.images is not None]
    return Scores(np.concatenate(maps) if maps else None, np.concatenate(images) if images else None)


def _assert_equal(expected: Scores, actual: Scores, cause: str, *, tolerance: float = TOLERANCE) -> None:
    for what, left, right in (("maps", expected.maps, actual.maps), ("image scores", expected.images, actual.images)):
        shapes = [None if values is None else values.shape for values in (left, right)]
        assert shapes[0] == shapes[1], f"{cause} changes the shape of {what} from {shapes[0]} to {shapes[1]}"
        if left is not None and right is not None and left.size:
            worst, largest = float(np.abs(left - right).max()), float(np.abs(left).max())
            assert worst <= tolerance * largest, (
                f"{cause} changes {what} by up to {worst:.3g}, where the largest is {largest:.3g}: "
                f"expected at most {tolerance:g} of that"
            )


def _assert_finite(values: FloatArray, what: str) -> None:
    bad = values[~np.isfinite(values)]
    assert not bad.size, f"{bad.size} of {values.size} {what} are not finite, as {bad.flat[0]}"


def _range(values: FloatArray) -> str:
    return f"{values.min():.3g} to {values.max():.3g}"


def _shake_global_generators(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
