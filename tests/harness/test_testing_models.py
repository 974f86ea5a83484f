"""Each check of a model finds the model that is wrong in just that way."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest

from harness import Model, Progress, Scores, TrainingError
from harness.testing import toy_images
from tests.kit_outcomes import failed, outcomes_of


class Distance(Model):
    """The distance of each pixel from the mean of the normal images."""

    name = "distance"
    uses = frozenset({"pool"})

    def fit(self, normal, *, encoder, loss, run):
        self.centre = normal.pixels.mean(axis=0, dtype=np.float64)

    def score(self, images):
        return Scores(maps=np.abs(images.pixels - self.centre).mean(axis=3))


class DistanceOfTheImage(Distance):
    """The same, by the image."""

    name = "distance_of_the_image"
    uses = frozenset()

    def score(self, images):
        return Scores(images=super().score(images).maps.mean(axis=(1, 2)))


class OneNumberForAll(DistanceOfTheImage):
    def score(self, images):
        return Scores(images=super().score(images).images[:1])


class NotFinite(DistanceOfTheImage):
    def score(self, images):
        scores = super().score(images).images
        return Scores(images=np.where(images.labels, np.inf, scores))


class MapsAreNotPooled(Distance):
    uses = frozenset()

    def score(self, images):
        return Scores(maps=super().score(images).maps)


class UnknownPool(DistanceOfTheImage):
    default_pool = "median"


class MapsOfAnotherSize(Distance):
    def score(self, images):
        return Scores(maps=super().score(images).maps[:, ::2, ::2])


class NormalisesOverTheBatch(Distance):
    def score(self, images):
        maps = super().score(images).maps
        return Scores(maps=maps / maps.max())


class LooksAtItsNeighbour(Distance):
    def score(self, images):
        maps = super().score(images).maps
        return Scores(maps=maps + 1e-2 * np.roll(maps, 1, axis=0) * (np.arange(len(maps)) > 0)[:, None, None])


class PeeksAtLabels(Distance):
    def score(self, images):
        return Scores(maps=super().score(images).maps + images.labels[:, None, None])


class PeeksAtMasks(Distance):
    def score(self, images):
        maps = super().score(images).maps
        return Scores(maps=maps if images.masks is None else maps + images.masks)


class IgnoresTheSeed(Distance):
    def fit(self, normal, *, encoder, loss, run):
        super().fit(normal, encoder=encoder, loss=loss, run=run)
        self.centre += 1e-6 * np.random.random()


class Remembers(Distance):
    def fit(self, normal, *, encoder, loss, run):
        before = getattr(self, "centre", None)
        super().fit(normal, encoder=encoder, loss=loss, run=run)
        if before is not None:
            self.centre = (self.centre + before) / 2


class WritesIntoNormalImages(Distance):
    def fit(self, normal, *, encoder, loss, run):
        super().fit(normal, encoder=encoder, loss=loss, run=run)
        normal.pixels[:, 0, 0] = 0


class WritesIntoTestImages(Distance):
    def score(self, images):
        scores = super().score(images)
        images.pixels[:, 0, 0] = 0
        return scores


class FailsOnALastBatchOfOne(Distance):
    def fit(self, normal, *, encoder, loss, run):
        if len(normal) % run.batch_size == 1:
            raise ValueError("expected more than 1 value per channel when training")
        super().fit(normal, encoder=encoder, loss=loss, run=run)


class LowerIsWorse(Distance):
    def score(self, images):
        return Scores(maps=-super().score(images).maps)


class KeepsNothing(Distance):
    def state(self):
        return {}

    def restore(self, state, *, encoder, loss, run):
        self.centre = 0.0


class KeepsText(Distance):
    def state(self):
        return {"centre": np.array(str(self.centre.tolist()))}


@dataclass
class KeepsLessPrecision(Distance):
    def state(self):
        return {"centre": self.centre.round().astype(np.uint8)}


class Packable(Distance):
    """Has a network, which takes an offset beside images that its score adds, too."""

    def network(self):
        import torch

        class Network(torch.nn.Module):
            centre = torch.from_numpy(self.centre).float().permute(2, 0, 1)

            def forward(self, images, offset=None):
                maps = (255 * images - self.centre).abs().mean(dim=1)
                return maps if offset is None else maps + offset[:, None, None]

        return Network()

    def side_inputs(self, pixels):
        return {"offset": (pixels.mean(axis=(1, 2, 3)) / 10).astype(np.float32)}

    def score(self, images):
        return Scores(maps=super().score(images).maps + self.side_inputs(images.pixels)["offset"][:, None, None])


class PacksSomethingElse(Packable):
    def score(self, images):
        return Scores(maps=1.01 * super().score(images).maps)


class Trained(Distance):
    """Moves towards the mean, epoch by epoch."""

    uses = frozenset({"pool", "training", "loss"})

    def fit(self, normal, *, encoder, loss, run):
        import torch

        super().fit(normal, encoder=encoder, loss=loss, run=run)
        self.prepare(loss, run)
        pixels = torch.from_numpy(normal.pixels / 255).permute(0, 3, 1, 2)
        centre = torch.from_numpy(self.centre / 255).permute(2, 0, 1).expand_as(pixels)
        for epoch in range(1, run.epochs + 1):
            value = float(loss(centre, pixels))
            if not np.isfinite(value):
                self.on_bad_loss(epoch, value)
            run.report(self.progress(epoch, run.epochs, value, len(normal)))

    def prepare(self, loss, run):
        loss.prepare(run)

    def on_bad_loss(self, epoch, value):
        raise TrainingError(f"the loss is {value} in epoch {epoch}")

    def progress(self, epoch, epochs, value, images):
        return Progress(epoch, epochs, value, images)


class ForgetsToPrepare(Trained):
    def prepare(self, loss, run):
        pass


class GoesOnWithANaN(Trained):
    def on_bad_loss(self, epoch, value):
        pass


class SaysNothing(Distance):
    uses = frozenset({"pool", "training"})


class CountsFromNought(Trained):
    def progress(self, epoch, epochs, value, images):
        return Progress(epoch - 1, epochs, value, images)


class ReportsNoImages(Trained):
    def progress(self, epoch, epochs, value, images):
        return Progress(epoch, epochs, value, 0)


class RunsOn(Trained):
    def fit(self, normal, *, encoder, loss, run):
        super().fit(normal, encoder=encoder, loss=loss, run=run)
        run.report(Progress(run.epochs + 1, run.epochs, 0.1, len(normal)))


class UsesTheEncoder(Distance):
    """Fails unless the kit hands it an encoder, and no loss."""

    uses = frozenset({"pool", "encoder"})

    def fit(self, normal, *, encoder, loss, run):
        assert loss is None
        assert encoder.build(run).reduction == encoder.reduction == 16
        super().fit(normal, encoder=encoder, loss=loss, run=run)


@pytest.mark.parametrize("right", [Distance, DistanceOfTheImage, Packable, Trained, UsesTheEncoder])
def test_a_right_model_passes_every_check(right):
    assert failed(right()) == {}


@pytest.mark.parametrize(
    ("wrong", "found", "said"),
    [
        (OneNumberForAll, {"gives_one_finite_score_an_image"}, "12 images gave image scores of shape (1,)"),
        (NotFinite, {"gives_one_finite_score_an_image"}, "6 of 12 image scores are not finite, as inf"),
        (MapsAreNotPooled, {"gives_what_its_pools_need"}, "no image scores were given"),
        (
            UnknownPool,
            {"gives_what_its_pools_need"},
            "default_pool is 'median': no pool 'median'. Did you mean 'mean'?",
        ),
        (MapsOfAnotherSize, {"maps_have_the_size_of_the_images"}, "maps of shape (12, 32, 32), expected (12, 64, 64)"),
        (NormalisesOverTheBatch, {"score_does_not_depend_on_batch"}, "one by one instead of together changes maps"),
        (LooksAtItsNeighbour, {"score_does_not_depend_on_batch"}, "one by one instead of together changes maps"),
        (
            PeeksAtLabels,
            {"score_does_not_depend_on_labels"},
            "taking away defect kinds, masks and telling names changes maps",
        ),
        (
            PeeksAtMasks,
            {"score_does_not_depend_on_labels"},
            "taking away defect kinds, masks and telling names changes maps",
        ),
        (IgnoresTheSeed, {"same_seed_gives_same_scores"}, "fitting again with the same seed, 0, changes maps"),
        (Remembers, {"refit_forgets"}, "an earlier fit on other images, or images scored before, changes maps"),
        (WritesIntoNormalImages, {"leaves_images_unchanged"}, "fitting changed the pixels"),
        (FailsOnALastBatchOfOne, {"fits_a_last_batch_of_one"}, "ValueError: expected more than 1 value"),
        (LowerIsWorse, {"toy_defects_score_above_normal"}, "an AUROC of 0.00, expected at least 0.9"),
        (KeepsNothing, {"saves_and_loads"}, "saving and loading changes maps"),
        (KeepsText, {"saves_and_loads"}, "at 'centre', expected numbers"),
        (KeepsLessPrecision, {"saves_and_loads"}, "saving and loading changes maps"),
        (PacksSomethingElse, {"network_scores_as_the_model_does"}, "network() changes maps by up to"),
        (SaysNothing, {"reports_each_epoch"}, "0 epochs were reported of a run of 3"),
        (CountsFromNought, {"reports_each_epoch"}, "epochs [0, 1, 2] were reported, expected to count from 1"),
        (RunsOn, {"reports_each_epoch"}, "4 epochs were reported of a run of 3"),
        (ReportsNoImages, {"reports_each_epoch"}, "0 training images were reported for 3 epochs of 16"),
        (ForgetsToPrepare, {"prepares_its_loss"}, "the loss was used before prepare(run) was called"),
        (GoesOnWithANaN, {"stops_at_a_loss_that_is_not_finite"}, "the fit went on with a loss of nan"),
    ],
)
def test_a_model_that_is_wrong_in_one_way_fails_that_check_alone(wrong, found, said):
    outcomes = outcomes_of(wrong())
    failed = {name for name, outcome in outcomes.items() if outcome.status == "failed"}
    # Scores that cannot be compared fail some other checks too.
    allowed = {
        OneNumberForAll: {"score_does_not_depend_on_batch", "toy_defects_score_above_normal"},
        NotFinite: set(outcomes) - {"leaves_images_unchanged"},
        MapsAreNotPooled: set(outcomes),
        UnknownPool: set(),
        IgnoresTheSeed: {"finds_no_labels_around_it"},
        # what a model is handed cannot be written to at all
        WritesIntoNormalImages: {"finds_no_labels_around_it", "leaves_the_process_as_it_was", "reports_finite_losses"},
    }
    assert found <= failed <= found | allowed.get(wrong, set())
    (name,) = found
    with pytest.raises(AssertionError, match=re.escape(said)):
        raise AssertionError(outcomes[name].reason)


def test_a_model_that_writes_into_test_images_is_found():
    outcome = outcomes_of(WritesIntoTestImages())["leaves_images_unchanged"]
    assert outcome.reason == "scoring changed the pixels of its images"


def test_toy_images_show_their_defects_and_repeat_by_seed():
    images = toy_images(6, defective=2, seed=5)
    assert images.defects == ("good",) * 4 + ("square",) * 2
    assert images.masks[:4].sum() == 0
    assert [mask.sum() for mask in images.masks[4:]] == [16 * 16] * 2
    assert (images.pixels[images.masks == 1] == 240).all()
    assert np.array_equal(images.pixels, toy_images(6, defective=2, seed=5).pixels)
    assert not np.array_equal(images.pixels, toy_images(6, defective=2, seed=6).pixels)
