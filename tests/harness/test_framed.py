"""Models on images that they could not take as they are: cut and joined, or padded; images of several sizes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.api import Images, Model, Scores
from harness.errors import DataError, TrainingError
from harness.images.decoding import read_image
from harness.images.framing import PAD, TILES, Frame, padded
from harness.images.masks import read_mask
from harness.trials.crossfitting import cross_fitted
from harness.trials.framed import framed
from harness.trials.scoring import score, score_normal
from harness.trials.trial import Trial
from harness_pools.pools import Largest, Mean

TRIAL = Trial("folder", "parts", "brightness", "-", "-", 0, 64, 0, 0, 0.0, 0.0, "fp32", "-")
POOLS = {"mean": Mean(), "max": Largest()}


@dataclass
class Brightness(Model):
    """Its map is the distance of each pixel's brightness from the mean of the fitted ones."""

    name = "brightness"
    uses = frozenset({"pool"})

    def fit(self, normal, *, encoder, loss, run):
        self.seen, self.size = normal.pixels.shape, run.image_size
        self.mean = float(normal.pixels.mean())

    def score(self, images):
        assert images.pixels.shape[1:3] == self.seen[1:3]
        assert images.boxes is None
        return Scores(maps=np.abs(images.pixels.mean(axis=3, dtype=np.float32) - np.float32(self.mean)))


class Worst(Brightness):
    """The same without maps."""

    name = "worst"
    uses = frozenset()

    def score(self, images):
        maps = super().score(images).maps
        return Scores(images=maps.max(axis=(1, 2)).astype(np.float64))


class Remembering(Brightness):
    """Its map is 0 where it has seen the very tile, unless that is left out."""

    name = "remembering"

    def fit(self, normal, *, encoder, loss, run):
        self.seen, self.known = normal.pixels.shape, normal.pixels.reshape(len(normal), -1).astype(np.float32)

    def score(self, images):
        return self.score_left_out(images, [np.empty(0, np.intp)] * len(images))

    def score_left_out(self, images, without):
        maps = []
        for pixels, left_out in zip(images.pixels, without, strict=True):
            known = np.delete(self.known, left_out, axis=0)
            nearest = np.abs(known - pixels.reshape(-1)).mean(axis=1).min()
            maps.append(np.full(pixels.shape[:2], nearest, np.float32))
        return Scores(maps=np.array(maps))


def noise(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def images_of(pixels: np.ndarray, boxes=None, masks=None) -> Images:
    names = tuple(f"{index}.png" for index in range(len(pixels)))
    defects = ("good",) * len(pixels) if masks is None else ("dent",) * len(pixels)
    return Images(pixels, names, defects, masks, boxes=boxes)


def fitted(model: Model, trial: Trial, images: Images) -> Model:
    made = framed(model, trial)
    made.fit(images, encoder=None, loss=None, run=trial.run())
    return made


@given(st.integers(16, 90), st.integers(16, 90), st.integers(0, 8))
@settings(max_examples=20)
def test_a_map_that_depends_on_pixels_alone_is_the_same_with_tiles_as_without(height: int, width: int, overlap: int):
    pixels = noise(2, height, width)
    tiled = fitted(Brightness(), TRIAL._replace(tiles=16, overlap=overlap), images_of(pixels))
    expected = np.abs(pixels.mean(axis=3) - tiled.model.mean)
    np.testing.assert_allclose(tiled.score(images_of(pixels)).maps, expected, atol=1e-3)


def test_a_tiled_model_is_fitted_to_tiles_that_cover_its_images_and_told_their_size():
    tiled = fitted(Brightness(), TRIAL._replace(tiles=32, overlap=8), images_of(noise(3, 64, 96)))
    assert tiled.model.seen == (3 * 2 * 3, 32, 32, 3)
    assert tiled.model.size == 32


def test_many_tiles_are_kept_in_a_file_and_not_in_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("harness.trials.subsets._IN_MEMORY", 1000)
    tiled = fitted(Brightness(), TRIAL._replace(tiles=32), images_of(noise(2, 64, 64)))
    assert tiled.model.seen == (8, 32, 32, 3)
    assert tiled.model.mean == noise(2, 64, 64).mean()


def test_without_maps_an_image_scores_as_its_worst_tile():
    pixels = np.full((1, 64, 64, 3), 100, np.uint8)
    tiled = fitted(Worst(), TRIAL._replace(tiles=32, overlap=8), images_of(pixels))
    pixels[0, 60, 60] = 200
    assert tiled.score(images_of(pixels)).images.tolist() == [100.0]


def test_an_image_smaller_than_a_tile_is_refused_with_what_would_do():
    with pytest.raises(DataError, match="an image of 64x20 is smaller than a tile of 32: take tiles of at most 20"):
        fitted(Brightness(), TRIAL._replace(tiles=32), images_of(noise(1, 20, 64)))


def test_maps_of_another_size_than_the_tiles_are_refused():
    class Coarse(Brightness):
        def score(self, images):
            return Scores(maps=super().score(images).maps[:, ::2, ::2])

    tiled = fitted(Coarse(), TRIAL._replace(tiles=32), images_of(noise(1, 64, 64)))
    with pytest.raises(TrainingError, match=r"maps of shape \(16, 16\) for images of 32x32"):
        tiled.score(images_of(noise(1, 64, 64)))


def test_padding_counts_neither_in_scores_nor_in_pixel_metrics():
    frame = Frame.around(PAD, 64)
    inner = np.full((32, 64, 3), 100, np.uint8)
    inner[:8, :8] = 180
    mask = np.zeros((32, 64), np.uint8)
    mask[:8, :8] = 1
    boxes = np.array([frame.box(200, 100)] * 2, np.intp)
    test = images_of(np.stack([frame.image(inner)] * 2), boxes, np.stack([frame.mask(mask)] * 2))
    assert test.masks.sum() == 2 * 64
    model = fitted(Brightness(), TRIAL._replace(resize=PAD), images_of(np.full((1, 64, 64, 3), 100, np.uint8)))
    scores, pixels = score(model, test, POOLS)
    assert scores["mean"].tolist() == pytest.approx([80 * 64 / (32 * 64)] * 2)
    counts = pixels.counts()
    assert counts.normal.sum() == 2 * (32 * 64 - 64)
    assert counts.defective.sum() == 2 * 64


def test_a_padded_model_takes_new_images_without_padding_and_gives_maps_of_their_size():
    model = fitted(Brightness(), TRIAL._replace(resize=PAD), images_of(noise(1, 64, 64)))
    assert model.score(images_of(noise(2, 40, 64))).maps.shape == (2, 40, 64)


@given(st.integers(1, 40), st.integers(1, 40))
def test_padding_mirrors_the_image_and_adds_no_colour(height: int, width: int):
    pixels = noise(1, height, width)
    whole = padded(pixels, 40)
    assert whole.shape == (1, 40, 40, 3)
    top, left = (40 - height) // 2, (40 - width) // 2
    assert (whole[0, top : top + height, left : left + width] == pixels[0]).all()
    assert set(map(tuple, whole.reshape(-1, 3).tolist())) == set(map(tuple, pixels.reshape(-1, 3).tolist()))


def test_images_of_several_sizes_are_scored_without_the_zeros_around_them_in_the_order_they_came():
    sizes = [(64, 40), (48, 64), (64, 40), (32, 32)]
    frame = Frame.around(TILES, 0, [(width, height) for height, width in sizes])
    contents = [np.full((height, width, 3), 10 * (index + 1), np.uint8) for index, (height, width) in enumerate(sizes)]
    boxes = np.array([frame.box(width, height) for height, width in sizes], np.intp)
    images = images_of(np.stack([frame.image(one) for one in contents]), boxes)
    model = fitted(Brightness(), TRIAL._replace(resize=TILES, tiles=32), images)
    mean = model.model.mean
    found = score_normal(model, images, POOLS, {})
    assert found.scores["mean"].tolist() == pytest.approx([abs(value - mean) for value in (10, 20, 30, 40)])


def test_all_tiles_of_an_image_are_left_out_together_when_limits_are_cross_fitted():
    pixels = noise(6, 48, 48)
    model = fitted(Remembering(), TRIAL._replace(tiles=16), images_of(pixels))
    assert model.score(images_of(pixels)).maps.max() == 0
    found = cross_fitted(model, None, images_of(pixels), POOLS, {}, 0)
    assert (found.scores["mean"] > 20).all()


@pytest.mark.parametrize(("resize", "shape"), [("stretch", (50, 50)), (PAD, (25, 50)), (TILES, (40, 80))])
def test_an_image_and_its_mask_are_read_in_the_same_size(resize: str, shape: tuple[int, int], tmp_path: Path):
    Image.fromarray(noise(1, 40, 80)[0]).save(tmp_path / "a.png")
    mask = np.zeros((40, 80), np.uint8)
    mask[10, 10] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    image = read_image(tmp_path / "a.png", 50, resize=resize)
    assert image.pixels.shape == (*shape, 3)
    assert read_mask([tmp_path / "mask.png"], 50, tmp_path / "a.png", image, resize).pixels.shape == shape
    assert read_mask([tmp_path / "mask.png"], 50, tmp_path / "a.png", image, resize).pixels.sum() >= 1


def test_memory_stays_bounded_where_an_image_has_sixteen_million_pixels():
    script = """
        import resource
        import numpy as np
        from test_framed import POOLS, TRIAL, Brightness, fitted, images_of
        from harness.trials.scoring import score
        few = images_of(np.zeros((2, 512, 512, 3), np.uint8))
        model = fitted(Brightness(), TRIAL._replace(tiles=256, overlap=64), few)
        masks = np.zeros((3, 2000, 8000), np.uint8)
        masks[:, 5, 5] = 1
        large = images_of(np.zeros((3, 2000, 8000, 3), np.uint8), masks=masks)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        scores, pixels = score(model, large, POOLS)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    megabytes = int(done.stdout)
    assert megabytes < 900, "three maps of 16 million pixels at once would already be 2 GB with their counts"
