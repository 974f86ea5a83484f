"""Features are extracted once, whoever needs them, and no score changes by that."""

from __future__ import annotations

import errno
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import harness_features.frozen as frozen
import harness_features.moments as moments
import harness_features.patches as patches
import harness_features.shared_maps as shared
from harness import Encoder
from harness.testing import toy_images
from harness.testing.models import RUN
from harness.testing.toys import ToyEncoder
from harness_features import KNN, Gaussian, Outlier, PaDiM, PatchCore, Subspace
from harness_features.patches import Patches
from harness_features.shared_statistics import Remembered
from harness_timm import Timm

IMAGES = toy_images(20, seed=1)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    for name, fresh in (("_layouts", {}), ("_read", set()), ("_said", set()), ("_room", shared._Room())):
        monkeypatch.setattr(shared, name, fresh)
    forget(monkeypatch)
    return tmp_path / "features"


def forget(monkeypatch):
    """What only this process remembers of encoders and statistics."""
    monkeypatch.setattr(frozen, "_built", OrderedDict())
    for module in (moments, patches):
        monkeypatch.setattr(module, "remembered", Remembered())


class Counted(Encoder):
    """Counts the images that pass through it."""

    name = "counted"
    reduction = 16
    factor = 1.0

    def __init__(self):
        self.seen = []

    def build(self, run):
        raise NotImplementedError

    def build_pyramid(self, run, reductions):
        encoder = self

        class Means(nn.Module):
            def forward(self, images):
                encoder.seen.append(len(images))
                return [encoder.factor * nn.functional.avg_pool2d(images, size) for size in reductions]

        return Means()


def fitted(model, encoder, images=IMAGES, run=RUN):
    model.fit(images, encoder=encoder, loss=None, run=run)
    return model


def test_detectors_seeds_and_splits_share_one_extraction():
    encoder = Counted()
    fitted(PatchCore(memory=50), encoder)
    once = sum(encoder.seen)
    assert once == 24, "20 images, of which the first batch says the shapes; the last batch is filled up to 8"
    for model in (PaDiM(), KNN(), KNN(features="pooled"), Subspace(), Gaussian(), Outlier()):
        for seed in (1, 2):
            some = IMAGES.take(np.random.default_rng(seed).permutation(20)[:15])
            fitted(model, encoder, some, replace(RUN, seed=seed))
            model.score(IMAGES.take(slice(3, 9)))
    assert sum(encoder.seen) == once


@pytest.mark.parametrize(
    "encoder", [ToyEncoder(), Timm("test_resnet"), Timm("test_efficientnet")], ids=lambda e: e.name
)
@pytest.mark.parametrize("model", [PatchCore, PaDiM, Gaussian, KNN])
def test_scores_are_those_of_features_that_are_not_shared_to_the_last_bit(encoder, model, monkeypatch):
    seen = toy_images(11, defective=4, seed=2)
    fitted(PaDiM(), encoder, IMAGES.take(np.arange(19, -1, -1)))  # kept in other batches than they are used in
    found = fitted(model(), encoder).score(seen).maps
    monkeypatch.setenv("HARNESS_FEATURES_GB", "0")
    np.testing.assert_array_equal(fitted(model(), encoder).score(seen).maps, found)


def test_another_process_extracts_no_more_than_one_batch(monkeypatch):
    fitted(KNN(), Counted())
    monkeypatch.setattr(shared, "_layouts", {})
    forget(monkeypatch)
    encoder = Counted()
    fitted(KNN(), encoder)
    assert sum(encoder.seen) == 8


def test_features_that_would_come_out_otherwise_now_are_extracted_anew(monkeypatch, folder):
    """As after a change of a plugin's code, which neither its name nor its weights show."""
    fitted(KNN(distance="euclidean"), Counted())
    monkeypatch.setattr(shared, "_layouts", {})
    forget(monkeypatch)
    changed = Counted()
    changed.factor = 2.0
    (inside,) = folder.iterdir()
    lock = inside / ".0123.lock"  # of another process, which would otherwise be joined by a third
    lock.touch()
    model = fitted(KNN(distance="euclidean"), changed)
    monkeypatch.setenv("HARNESS_FEATURES_GB", "0")
    np.testing.assert_array_equal(
        model.state()["detector.memory"], fitted(KNN(distance="euclidean"), changed).state()["detector.memory"]
    )
    assert lock.exists()


@pytest.mark.parametrize("run", [replace(RUN, image_size=32), replace(RUN, seed=1)])
def test_another_image_size_or_other_random_weights_share_nothing(run, folder):
    fitted(KNN(), ToyEncoder())
    fitted(KNN(), ToyEncoder(), toy_images(20, size=run.image_size), run)
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(
    "harm", [lambda f: f.write_bytes(f.read_bytes()[:-9]), lambda f: f.write_bytes(bytes(f.stat().st_size))]
)
def test_a_file_that_is_cut_or_damaged_is_not_used(harm, folder, monkeypatch):
    whole = fitted(KNN(), ToyEncoder()).state()["detector.memory"]
    for file in folder.glob("*/*"):
        harm(file)
    monkeypatch.setattr(shared, "_read", set())
    np.testing.assert_array_equal(fitted(KNN(), ToyEncoder()).state()["detector.memory"], whole)


def test_what_was_used_longest_ago_gives_way(folder):
    import os

    folder.joinpath("e").mkdir(parents=True)
    for age, name in enumerate("abcd"):
        (folder / "e" / name).write_bytes(bytes(100))
        os.utime(folder / "e" / name, (1000 - age, 1000 - age))
    assert shared.evict(folder, 250) == 200
    assert sorted(file.name for file in folder.glob("*/*")) == ["a", "b"]


def test_the_cache_stays_below_its_limit_and_scores_stay_as_they_are(folder, monkeypatch):
    whole = fitted(KNN(), ToyEncoder()).state()["detector.memory"]
    size = sum(file.stat().st_size for file in folder.glob("*/*"))
    monkeypatch.setenv("HARNESS_FEATURES_GB", str(size / 2 / 1e9))
    monkeypatch.setattr(shared, "_room", shared._Room())
    other = toy_images(20, seed=5)
    fitted(KNN(), ToyEncoder(), other)
    assert sum(file.stat().st_size for file in folder.glob("*/*")) <= size / 2 * 1.01
    np.testing.assert_array_equal(fitted(KNN(), ToyEncoder()).state()["detector.memory"], whole)


def test_a_full_disk_is_said_once_and_costs_no_trial(monkeypatch, capsys, tmp_path):
    def full(self, size, folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shared._Room, "take", full)
    for _ in range(2):
        assert np.isfinite(fitted(KNN(), ToyEncoder()).score(IMAGES).maps).all()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"features cannot be kept in '{tmp_path / 'features'}' (No space left on device)" in said
    assert "Set HARNESS_CACHE to a folder with room" in said


def test_a_disk_that_is_truly_full_costs_no_trial_and_leaves_no_halves(monkeypatch, capsys, small_disk):
    monkeypatch.setenv("HARNESS_FEATURES_GB", "0")
    apart = fitted(KNN(), Counted()).score(IMAGES)
    monkeypatch.delenv("HARNESS_FEATURES_GB")
    monkeypatch.setenv("HARNESS_CACHE", str(small_disk))
    (small_disk / "filler").write_bytes(b"x" * 480_000)
    np.testing.assert_array_equal(fitted(KNN(), Counted()).score(IMAGES).maps, apart.maps)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "(No space left on device): each detector extracts its own" in said
    kept = [file for file in (small_disk / "features").glob("*/*") if file.suffix != ".lock"]
    assert 0 < len(kept) < len(IMAGES)
    assert len({file.stat().st_size for file in kept}) == 1
    assert not [file for file in kept if file.name.startswith(".")]


def test_a_model_that_was_kept_writes_nothing_when_it_judges_images(folder):
    model, again = fitted(KNN(), ToyEncoder()), KNN()
    before = len(list(folder.glob("*/*")))
    again.restore(model.state(), encoder=ToyEncoder(), loss=None, run=RUN)
    again.score(toy_images(5, seed=9))
    assert len(list(folder.glob("*/*"))) == before


def test_a_limit_that_is_no_number_is_quoted(monkeypatch, capsys):
    monkeypatch.setenv("HARNESS_FEATURES_GB", "many")
    assert shared.limit_in_bytes() == 8_000_000_000
    assert "HARNESS_FEATURES_GB is 'many', expected a number of gigabytes" in capsys.readouterr().err


def test_maps_keep_their_order_in_memory_because_sums_depend_on_it():
    for encoder in (ToyEncoder(), Timm("test_efficientnet")):
        alone = Patches(encoder.build_pyramid(RUN, (8, 16)), 3, "cpu")
        plain = [one.stride() for one in next(alone._maps(IMAGES))[1]]
        shares = Patches.shared(encoder, (8, 16), 3, RUN)
        assert [one.stride() for one in next(shares._maps(IMAGES))[1]] == plain
    assert torch.is_tensor(next(shares.of(IMAGES))[1])
