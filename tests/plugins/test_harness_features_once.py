"""An encoder is built once, and what several detectors need of its patches is worked out once, in each process."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import harness_features.frozen as frozen
import harness_features.moments as moments
import harness_features.patches as patches
from harness.testing import toy_images
from harness.testing.models import RUN
from harness.testing.toys import ToyEncoder
from harness_features import KNN, Gaussian, Outlier, Subspace
from harness_features.frozen import frozen_pyramid
from harness_features.patches import Patches
from harness_features.shared_statistics import Remembered

IMAGES = toy_images(20, seed=1)


@pytest.fixture(autouse=True)
def remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(frozen, "_built", OrderedDict())
    kept = Remembered()
    for module in (moments, patches):
        monkeypatch.setattr(module, "remembered", kept)
    return kept


@pytest.fixture
def built(monkeypatch):
    """The reductions of each pyramid that is built."""
    asked, build = [], ToyEncoder.build_pyramid

    def counted(self, run, reductions):
        asked.append(reductions)
        return build(self, run, reductions)

    monkeypatch.setattr(ToyEncoder, "build_pyramid", counted)
    return asked


def fitted(model, run=RUN, images=IMAGES):
    model.fit(images, encoder=ToyEncoder(), loss=None, run=run)
    return model


def test_detectors_of_one_seed_share_one_encoder_and_others_have_their_own(built):
    for model in (KNN(), Gaussian(), Outlier(), Subspace()):
        fitted(model)
    assert built == [(8, 16)]
    fitted(KNN(), replace(RUN, seed=5))
    fitted(KNN(reductions=(8,)))
    assert built == [(8, 16), (8, 16), (8,)]


def test_only_the_last_few_encoders_are_held_each_for_its_last_seed(built):
    for seed in (1, 2, 1):
        fitted(KNN(), replace(RUN, seed=seed))
    assert len(built) == 3
    assert len(frozen._built) == 1
    for reductions in ((8,), (16,), (8, 16)):
        fitted(KNN(reductions=reductions), replace(RUN, seed=1))
    assert len(built) == 6
    assert len(frozen._built) == frozen.MOST


def test_what_is_drawn_after_an_encoder_is_the_same_whether_it_was_there_or_not():
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        frozen_pyramid(ToyEncoder(), (8, 16), RUN)
        drawn.append(torch.rand(4))
    assert torch.equal(*drawn)


def test_weights_that_are_exchanged_in_their_folder_are_read_again(built, tmp_path):
    file = tmp_path / "toy.safetensors"
    file.write_bytes(b"1")
    run = replace(RUN, weights_dir=tmp_path)
    for _ in range(2):
        torch.manual_seed(3)
        frozen_pyramid(ToyEncoder(), (8, 16), run)
    assert len(built) == 1
    import os

    os.utime(file, (1, 1))
    torch.manual_seed(3)
    frozen_pyramid(ToyEncoder(), (8, 16), run)
    assert len(built) == 2


def test_a_restored_model_changes_no_weights_that_others_share():
    first = fitted(KNN())
    before = {name: values.clone() for name, values in first._patches.pyramid.state_dict().items()}
    other = fitted(KNN(), replace(RUN, seed=9))
    KNN().restore(other.state(), encoder=ToyEncoder(), loss=None, run=RUN)
    assert all(torch.equal(values, before[name]) for name, values in first._patches.pyramid.state_dict().items())


def test_mean_patches_are_worked_out_once_for_each_image_and_are_the_same_to_the_last_bit(monkeypatch):
    shared = Patches.shared(ToyEncoder(), (8, 16), 1, RUN)
    plain = torch.cat([batch.mean(dim=(1, 2)) for _, batch in shared.of(IMAGES)])
    shared.means(IMAGES.take(np.array([3, 11, 4])))
    assert torch.equal(shared.means(IMAGES), plain)
    monkeypatch.setattr(Patches, "of", None)
    assert torch.equal(shared.means(IMAGES.take(slice(5, 9))), plain[5:9])


def test_covariances_are_worked_out_once_for_the_same_images(monkeypatch):
    passes = []
    monkeypatch.setattr(moments, "moments", lambda *of, original=moments.moments: passes.append(1) or original(*of))
    models = (Gaussian(), Subspace(), Subspace(measure="likelihood"), Gaussian(shrinkage=0.5))
    states = [fitted(model).state() for model in models]
    assert len(passes) == 1
    fitted(Gaussian(), images=IMAGES.take(slice(0, 12)))
    assert len(passes) == 2
    monkeypatch.setenv("HARNESS_FEATURES_GB", "0")
    for model, state in zip(models, states, strict=True):
        for name, values in fitted(model).state().items():
            np.testing.assert_array_equal(values, state[name])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 40))), st.integers(0, 100))
def test_what_is_remembered_never_takes_more_than_its_limit(puts, limit):
    kept, last = Remembered(limit), {}
    for key, size in puts:
        kept.put(key, torch.zeros(size, dtype=torch.uint8))
        last[key] = size
        there = [one for one in last if kept.get(one) is not None]
        assert kept.bytes == sum(last[one] for one in there) <= limit
        assert key in there or size > limit
