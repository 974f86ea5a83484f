"""What is learned from patches: memories, Gaussians and autoencoders against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.random_projection import SparseRandomProjection
from sklearn.utils.random import sample_without_replacement

from harness import Run, TrainingError
from harness.testing import toy_images
from harness_autoencoders import spawned_seeds
from harness_features.autoencoder import PatchAutoencoder, explaining, train
from harness_features.gaussians import fit_gaussians
from harness_features.neighbours import PROJECTED, NearestNeighbour, _places, k_center_greedy, projection


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def nearest(remembered, patches, graph):
    """As a network of ours, or as it stands in a graph for another runtime."""
    with pytest.MonkeyPatch.context() as exporting:
        exporting.setattr(torch.compiler, "is_compiling", lambda: graph)
        return NearestNeighbour(remembered)(patches)


@pytest.mark.parametrize("graph", [False, True])
@settings(deadline=None)
@given(
    memory=st.integers(1, 40),
    channels=st.integers(1, 8),
    offset=st.sampled_from([0.0, 10.0, 1000.0]),
    seed=st.integers(0, 2**16),
)
def test_the_nearest_neighbour_is_that_of_a_search_one_by_one(graph, memory, channels, offset, seed):
    remembered, patches = (
        normal(memory, channels, seed=seed) + offset,
        normal(2, 3, 4, channels, seed=seed + 1) + offset,
    )
    every = (patches[..., None, :].double() - remembered.double()).norm(dim=-1)
    found = nearest(remembered, patches, graph)
    torch.testing.assert_close(found, every.amin(dim=-1).float(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("graph", [False, True])
def test_a_patch_in_memory_has_distance_nought_however_far_from_the_origin(graph):
    remembered = 1000 + normal(500, 20)
    distances = nearest(remembered, remembered.view(1, 20, 25, 20), graph)
    assert distances.abs().max() == 0


@pytest.mark.parametrize("at_once", [1, 5, 1000])
def test_a_greedy_memory_is_that_of_the_definition_however_many_it_looks_at_between_passes(at_once, monkeypatch):
    monkeypatch.setattr("harness_features.neighbours.AT_ONCE", at_once)
    points = normal(60, 5)
    chosen = k_center_greedy(points, 12, seed=3)
    between = torch.cdist(points.double(), points.double())
    expected = [int(chosen[0])]
    while len(expected) < 12:
        expected.append(int(between[:, expected].amin(dim=1).argmax()))
    assert chosen.tolist() == expected


def test_a_greedy_memory_has_something_near_every_patch():
    """Ten tight clusters of unequal sizes: chance misses some, the greedy choice none."""
    centres = 100 * normal(10, PROJECTED + 40)
    cluster = torch.cat([torch.arange(10), torch.zeros(490, dtype=torch.int64)])
    points = centres[cluster] + 0.01 * normal(500, PROJECTED + 40, seed=1)
    assert set(cluster[k_center_greedy(points, 10, seed=0)].tolist()) == set(range(10))


def test_a_greedy_memory_of_as_many_patches_as_there_are_is_all_of_them():
    assert k_center_greedy(normal(7, 3), 9, seed=0).tolist() == list(range(7))


def test_a_greedy_memory_of_equal_patches_repeats_none():
    assert len(set(k_center_greedy(torch.ones(20, 4) * 0.1, 20 - 1, seed=0).tolist())) == 19
    half = torch.cat([torch.ones(3000, 4) * 0.1, normal(5, 4)])
    assert len(set(k_center_greedy(half, 2500, seed=0).tolist())) == 2500


def test_directions_keep_distances_between_patches_and_are_those_of_the_patches_where_they_are_few():
    points = normal(50, 600)
    ratio = torch.pdist(points @ projection(600, 0)) / torch.pdist(points)
    assert 0.7 < ratio.min() < ratio.mean() < ratio.max() < 1.3
    assert torch.equal(projection(16, 0), torch.eye(16))


@pytest.mark.parametrize("channels", [PROJECTED + 1, 1792])
@pytest.mark.parametrize("seed", [0, 7])
def test_directions_are_those_that_scikit_learn_draws(channels: int, seed: int):
    theirs = SparseRandomProjection(PROJECTED, random_state=seed).fit(np.zeros((1, channels))).components_.toarray()
    assert np.array_equal(projection(channels, seed).numpy(), theirs.T.astype(np.float32))


@pytest.mark.parametrize("chosen", [0, 1, 9, 10, 11, 600, 980])
def test_places_of_many_or_few_are_those_that_scikit_learn_draws(chosen: int):
    theirs = sample_without_replacement(1000, chosen, random_state=np.random.RandomState(3))
    assert np.array_equal(_places(1000, chosen, np.random.RandomState(3)), theirs)


def test_as_many_latent_numbers_are_taken_as_principal_components_explain_the_share():
    sample = normal(3000, 4, seed=1) @ normal(4, 20, seed=2) + 0.01 * normal(3000, 20, seed=3)
    std = sample.std(dim=0, correction=0)
    by_numpy = np.linalg.eigvalsh(np.corrcoef(sample.double().numpy().T))[::-1].cumsum() / 20
    for share in (0.5, 0.9, 0.999):
        assert explaining(sample, std, share) == int(np.searchsorted(by_numpy, share)) + 1
    assert explaining(sample, std, 0.999) == 4
    assert explaining(torch.ones(5, 3), torch.ones(3), 0.9) <= 3


class Recorded:
    """Patches that come in batches of three images."""

    def __init__(self, patches):
        self.patches = patches

    def of(self, images):
        for start in range(0, len(self.patches), 3):
            yield start, self.patches[start : start + 3]


def test_gaussians_are_those_of_numpy_at_each_place():
    patches = 50 + normal(10, 2, 3, 6) @ normal(6, 6, seed=1)
    gaussians = fit_gaussians(Recorded(patches), toy_images(10), features=4, epsilon=0.01, seed=0)
    seen = 50 + normal(5, 2, 3, 6, seed=2)
    distances = gaussians(seen)
    kept = gaussians.channels.numpy()
    assert sorted(set(kept.tolist())) == kept.tolist()
    assert len(kept) == 4
    for row in range(2):
        for column in range(3):
            here, asked = (x[:, row, column, kept].double().numpy() for x in (patches, seen))
            precision = np.linalg.inv(np.cov(here.T) + 0.01 * np.eye(4))
            apart = asked - here.mean(axis=0)
            expected = np.sqrt(np.einsum("nd,de,ne->n", apart, precision, apart))
            np.testing.assert_allclose(distances[:, row, column].numpy(), expected, rtol=1e-3)


@pytest.mark.parametrize("count", [1, 2])
def test_gaussians_of_fewer_images_than_channels_are_finite(count):
    gaussians = fit_gaussians(Recorded(normal(count, 2, 2, 6)), toy_images(count), features=9, epsilon=0.01, seed=0)
    assert len(gaussians.channels) == 6
    assert gaussians(normal(3, 2, 2, 6, seed=1)).isfinite().all()


def test_a_patch_autoencoder_learns_what_normal_patches_have_in_common():
    torch.manual_seed(0)
    plane = normal(2, 16, seed=1)
    losses = []
    run = Run(epochs=30, batch_size=4, learning_rate=1e-2, report=lambda progress: losses.append(progress.loss))
    network = train(normal(2000, 2, seed=2) @ plane, 8, 0.9, 10, run)
    on, off = normal(100, 2, seed=3) @ plane, normal(100, 16, seed=4) * plane.std()
    assert losses[-1] < losses[0] / 3
    with torch.no_grad():
        assert network(off).mean() > 5 * network(on).mean()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_patch_autoencoder_is_trained_as_a_plain_loop_of_adam_would_train_it_to_the_last_bit(precision):
    sample, run = normal(500, 8, seed=5), Run(seed=3, epochs=3, batch_size=2, learning_rate=1e-2, precision=precision)
    torch.manual_seed(0)
    found = train(sample, 2, 0.9, 10, run)
    torch.manual_seed(0)
    plain = PatchAutoencoder(found.mean, found.std, 4)
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-2)
    order = torch.Generator().manual_seed(spawned_seeds(3)[0])
    for _ in range(3):
        for batch in torch.split(torch.randperm(500, generator=order), 64):
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = plain(sample[batch]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found.parameters(), plain.parameters(), strict=True))


def test_an_epoch_of_patches_is_reported_in_images():
    reports = []
    train(normal(500, 8), 2, 0.9, 10, Run(epochs=2, batch_size=2, report=reports.append))
    assert [(one.epoch, one.images, one.epoch_done) for one in reports] == [(1, 10, True), (2, 10, True)]


def test_features_that_never_vary_do_no_harm():
    torch.manual_seed(0)
    sample = torch.cat([normal(200, 4), torch.zeros(200, 4)], dim=1)
    for given_sample in (sample, torch.ones(50, 8)):
        network = train(given_sample, 4, 0.9, 10, Run(epochs=1))
        assert network(given_sample + 1).isfinite().all()


def test_a_loss_that_is_not_finite_from_the_first_batch_on_is_not_laid_to_the_learning_rate():
    sample = normal(100, 8)
    sample[5, 5] = float("nan")
    with pytest.raises(TrainingError, match="loss is nan before anything was learned: are the encoder's features"):
        train(sample, None, 0.9, 10, Run(epochs=2))
