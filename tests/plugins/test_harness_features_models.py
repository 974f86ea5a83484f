"""Patches, and the three models of them; that they keep the contract is tested with all built-in parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

import harness_features.patches
from harness import Dataset, Encoder, Run, UnavailableError, spell
from harness.plugin.registry import Registry
from harness.testing import toy_images
from harness.testing.toys import ToyEncoder
from harness_features import FeatureAE, PaDiM, PatchCore, RandomMemory
from harness_features.maps import enlargement
from harness_features.neighbours import usual_memory
from harness_features.patches import Patches

RUN = Run(image_size=64, epochs=2, batch_size=8, learning_rate=1e-3, weights="random")


class Colours(nn.Module):
    """Mean colours of 8x8 and of 16x16 pixels, as two feature maps."""

    def forward(self, images):
        return [nn.functional.avg_pool2d(images, size) for size in (8, 16)]


def test_a_patch_joins_the_levels_at_its_place():
    patches = Patches(Colours(), 1, "cpu")
    images = toy_images(2)
    (_, joined), *_ = patches.of(images)
    assert joined.shape == (2, 8, 8, 6)
    cells = (images.pixels / 255).reshape(2, 8, 8, 8, 8, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(joined[..., :3].numpy(), cells, rtol=1e-5)
    coarse = torch.from_numpy((images.pixels / 255).reshape(2, 4, 16, 4, 16, 3).mean(axis=(2, 4))).permute(0, 3, 1, 2)
    fine = nn.functional.interpolate(coarse, (8, 8), mode="bilinear").permute(0, 2, 3, 1)
    np.testing.assert_allclose(joined[..., 3:].numpy(), fine.numpy(), rtol=1e-5)


def test_a_patch_is_the_mean_of_its_neighbourhood():
    (_, alone), *_ = Patches(Colours(), 1, "cpu").of(toy_images(1))
    (_, around), *_ = Patches(Colours(), 3, "cpu").of(toy_images(1))
    np.testing.assert_allclose(around[0, 4, 4, :3].numpy(), alone[0, 3:6, 3:6, :3].mean(dim=(0, 1)).numpy(), rtol=1e-5)


def test_sampled_patches_are_distinct_ones_of_all_images():
    images, patches = toy_images(20), Patches(Colours(), 1, "cpu")
    everything = torch.cat([batch.flatten(0, 2) for _, batch in patches.of(images)])
    rows = {tuple(row) for row in everything.tolist()}
    sample = [tuple(row) for row in patches.sample(images, 500, seed=0).tolist()]
    assert len(sample) == len(set(sample)) == 500
    assert set(sample) <= rows
    per_image = [len(set(sample) & {tuple(r) for r in everything[i * 64 : i * 64 + 64].tolist()}) for i in range(20)]
    assert min(per_image) > 10
    assert patches.sample(images, 10**6, seed=0).equal(everything)


def test_a_sample_depends_on_the_seed_and_not_on_how_images_are_batched(monkeypatch):
    images, patches = toy_images(20), Patches(Colours(), 1, "cpu")
    first = patches.sample(images, 100, seed=0)
    assert not first.equal(patches.sample(images, 100, seed=1))
    monkeypatch.setattr(harness_features.patches, "BATCH", 3)
    torch.testing.assert_close(patches.sample(images, 100, seed=0), first)


def test_pixels_that_are_mapped_read_only_are_described(tmp_path):
    images = toy_images(3)
    np.save(tmp_path / "pixels.npy", images.pixels)
    mapped = replace(images, pixels=np.load(tmp_path / "pixels.npy", mmap_mode="r"))
    patches = Patches(Colours(), 1, "cpu")
    assert next(patches.of(mapped))[1].equal(next(patches.of(images))[1])


class Published(ToyEncoder):
    """Random weights in place of published ones that lie in no folder."""

    pretrained = True
    reached = True

    def build_pyramid(self, run, reductions):
        if run.weights == "pretrained" and not self.reached:
            raise UnavailableError("no toy.safetensors")
        return super().build_pyramid(run, reductions)


@pytest.mark.parametrize("model", [PatchCore, PaDiM, FeatureAE])
def test_a_kept_model_needs_no_published_weights_again(model):
    run = replace(RUN, weights="pretrained")
    fitted, encoder = model(), Published()
    fitted.fit(toy_images(9), encoder=encoder, loss=None, run=run)
    encoder.reached = False
    restored = model()
    restored.restore(fitted.state(), encoder=encoder, loss=None, run=run)
    images = toy_images(4, defective=2, seed=1)
    np.testing.assert_array_equal(restored.score(images).maps, fitted.score(images).maps)


@pytest.mark.parametrize("model", [PatchCore, PaDiM, FeatureAE])
def test_the_encoder_stays_as_it_was(model):
    torch.manual_seed(RUN.seed)
    before = ToyEncoder().build_pyramid(RUN, (8, 16)).state_dict()
    fitted = model()
    fitted.fit(toy_images(9), encoder=ToyEncoder(), loss=None, run=RUN)
    for name, values in before.items():
        np.testing.assert_array_equal(fitted.state()[f"encoder.{name}"], values.numpy())


@pytest.mark.parametrize("model", [PatchCore, PaDiM])
def test_maps_point_at_the_defect(model):
    fitted = model()
    fitted.fit(toy_images(16), encoder=ToyEncoder(), loss=None, run=RUN)
    images = toy_images(4, defective=4, seed=1)
    for error, mask in zip(fitted.score(images).maps, images.masks, strict=True):
        assert error[mask == 1].mean() > 2 * error[mask == 0].mean()


@pytest.mark.parametrize("sigma", [0.0, 1.0, 4.0, 12.0])
def test_maps_are_enlarged_as_torch_interpolates_and_scipy_smooths(sigma):
    cells = np.random.default_rng(0).random((2, 8, 8))
    fine = nn.functional.interpolate(torch.from_numpy(cells)[:, None], (64, 64), mode="bilinear")[:, 0].numpy()
    wanted = gaussian_filter(fine, sigma, axes=(1, 2)) if sigma else fine
    matrix = enlargement(8, 64, sigma)
    np.testing.assert_allclose(matrix @ cells @ matrix.T, wanted, rtol=1e-5)


def test_smoothing_spreads_the_map_and_nought_leaves_it_alone():
    images = toy_images(1, defective=1, seed=1)
    peaks = []
    for smoothing in (0.0, 4.0, 12.0):
        model = PatchCore(smoothing=smoothing)
        model.fit(toy_images(8), encoder=ToyEncoder(), loss=None, run=RUN)
        peaks.append(model.score(images).maps.max())
    assert peaks[0] > peaks[1] > peaks[2]


def test_a_memory_has_the_size_asked_for():
    for model in (PatchCore(memory=37), RandomMemory(memory=37), PatchCore(memory=37, coreset="random")):
        model.fit(toy_images(8), encoder=ToyEncoder(), loss=None, run=RUN)
        assert model.state()["detector.memory"].shape == (37, 16)


def test_patchcore_remembers_a_hundredth_of_many_patches_and_never_too_few_or_too_many():
    assert [usual_memory(patches) for patches in (1, 250_000, 327_680, 10**9)] == [2_500, 2_500, 3_276, 10_000]
    model = PatchCore()
    model.fit(toy_images(8), encoder=ToyEncoder(), loss=None, run=RUN)
    assert len(model.state()["detector.memory"]) == 8 * 8 * 8, "all of them where they are fewer"


def test_patchcore_remembers_what_chance_does_not_come_upon():
    """Of 64 images one has a corner of its own: the greedy choice remembers it, a few draws need not."""
    images = toy_images(64)
    images.pixels[7, :24, :24] = 255 - images.pixels[7, :24, :24]
    seen = {}
    for model in (PatchCore(memory=20, smoothing=0.0), RandomMemory(memory=20, smoothing=0.0)):
        model.fit(images, encoder=ToyEncoder(), loss=None, run=RUN)
        maps = model.score(images).maps
        seen[model.name] = maps[7, :24, :24].max() / maps.max(axis=(1, 2)).mean()
    assert seen["patchcore"] < seen["random_memory"]


def test_a_model_that_was_kept_with_an_eighth_of_the_features_is_restored():
    model = FeatureAE(compression=8)
    model.fit(toy_images(8), encoder=ToyEncoder(), loss=None, run=RUN)
    again = FeatureAE()
    again.restore(model.state(), encoder=ToyEncoder(), loss=None, run=RUN)
    assert np.array_equal(again.score(toy_images(2)).maps, model.score(toy_images(2)).maps)


def test_an_encoder_without_such_maps_is_out_of_reach_and_named():
    class Flat(ToyEncoder):
        name = "flat"
        build_pyramid = Encoder.build_pyramid

    with pytest.raises(UnavailableError, match="encoder 'flat' gives one feature map, not maps of reductions 8 and 16"):
        PatchCore().fit(toy_images(4), encoder=Flat(), loss=None, run=RUN)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PatchCore(memory=0), "memory is 0, expected at least 1 patch"),
        (lambda: PatchCore(reductions=(0, 8)), r"reductions are \(0, 8\), expected positive numbers such as 8-16"),
        (lambda: PaDiM(smoothing=-1), "smoothing is -1, expected 0 or more pixels"),
        (lambda: PaDiM(epsilon=0), "features 100 and epsilon 0 must both be above 0"),
        (lambda: FeatureAE(compression=0), "compression is 0, expected at least 1"),
        (lambda: FeatureAE(explained=0.0), "explained is 0, expected a share above 0"),
    ],
)
def test_an_option_out_of_range_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_spelling_shows_the_options_that_were_set():
    assert spell(PatchCore(memory=500, reductions=(4, 8))) == "patchcore[reductions=4-8,memory=500]"


@pytest.mark.parametrize("model", [PatchCore(memory=1000), RandomMemory(memory=1000), PaDiM(), FeatureAE()], ids=spell)
def test_broken_bottles_stand_out(shared, model):
    """With a seventh of the pixels and a tenth of the memory of the runs at 256x256 that reach 0.99 or more."""
    from sklearn.metrics import roc_auc_score

    registry = Registry.discover()
    dataset = registry.make(Dataset, "mvtec_ad")
    dataset.root = shared / "data" / "mvtec_ad_256"
    split = dataset.load("bottle", 96)
    encoder = registry.make(Encoder, "timm[name=tf_efficientnet_lite0.in1k]")
    run = Run(image_size=96, epochs=10, learning_rate=1e-3, weights_dir=shared / "weights")
    model.fit(split.train, encoder=encoder, loss=None, run=run)
    assert roc_auc_score(split.test.labels, model.score(split.test).maps.max(axis=(1, 2))) > 0.95
