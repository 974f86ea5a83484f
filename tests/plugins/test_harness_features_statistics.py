"""The detectors without training, against numpy, scikit-learn and scipy on small cases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.covariance import OAS, EmpiricalCovariance
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from harness import TrainingError, UnavailableError, spell
from harness.testing import toy_images
from harness.testing.models import RUN
from harness.testing.toys import ToyEncoder
from harness_features import KNN, Gaussian, Subspace
from harness_features.moments import (
    likelihood_in_subspace,
    mahalanobis,
    moments,
    residual_of_subspace,
    shrunk,
)
from harness_features.nearest import MeanOfNearest
from harness_features.patches import Patches


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Recorded:
    """Patches that come in batches of three images."""

    def __init__(self, patches):
        self.patches = patches

    def of(self, images):
        for start in range(0, len(self.patches), 3):
            yield start, self.patches[start : start + 3]


SKEWED = 50 + normal(10, 4, 5, 6) @ normal(6, 6, seed=1)
ROWS = SKEWED.flatten(0, 2).double().numpy()
SEEN = 50 + normal(7, 6, seed=2)


@settings(deadline=None, max_examples=50)
@given(
    memory=st.integers(3, 40),
    k=st.integers(1, 3),
    metric=st.sampled_from(["cosine", "euclidean"]),
    offset=st.sampled_from([0.0, 10.0, 1000.0]),
    seed=st.integers(0, 2**16),
)
def test_the_mean_of_the_nearest_is_that_of_scikit_learn(memory, k, metric, offset, seed):
    remembered, asked = normal(memory, 5, seed=seed) + offset, normal(2, 3, 4, 5, seed=seed + 1) + offset
    search = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(remembered.double().numpy())
    expected = search.kneighbors(asked.double().flatten(0, 2).numpy())[0].mean(axis=1).reshape(2, 3, 4)
    found = MeanOfNearest(remembered, k, cosine=metric == "cosine")(asked).double().numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6 if metric == "cosine" else 1e-3)


def test_moments_are_those_of_numpy_though_they_are_summed_up_in_batches():
    count, mean, covariance = moments(Recorded(SKEWED), toy_images(10))
    assert count == 200
    np.testing.assert_allclose(mean.numpy(), ROWS.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(covariance.numpy(), np.cov(ROWS.T, bias=True), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("share", [0.5, 0.8, 0.9])
def test_the_residual_is_what_principal_components_cannot_reconstruct(share):
    """SubspaceAD scores a patch by |x - x'|^2, x' being its reconstruction from the components of that share."""
    _, mean, covariance = moments(Recorded(SKEWED), toy_images(10))
    pca = PCA(share, svd_solver="full").fit(ROWS)
    apart = SEEN.numpy() - pca.inverse_transform(pca.transform(SEEN.numpy()))
    np.testing.assert_allclose(
        residual_of_subspace(mean, covariance, share)(SEEN).numpy(), (apart**2).sum(axis=1), rtol=1e-3
    )


def test_the_likelihood_is_that_of_a_gaussian_of_the_components_but_for_a_constant():
    """DFM scores by the negative log-likelihood of the reduced features."""
    _, mean, covariance = moments(Recorded(SKEWED), toy_images(10))
    pca = PCA(0.9, svd_solver="full").fit(ROWS)
    reduced, variances = pca.transform(SEEN.numpy()), pca.explained_variance_ * 199 / 200
    expected = -2 * multivariate_normal(np.zeros(len(variances)), np.diag(variances)).logpdf(reduced)
    found = likelihood_in_subspace(mean, covariance, 0.9)(SEEN).numpy()
    np.testing.assert_allclose(found - found[0], expected - expected[0], rtol=1e-3)


@pytest.mark.parametrize("count", [2, 7, 200])
def test_shrinkage_that_is_left_open_is_scikit_learns_oracle_approximation(count):
    rows = ROWS[:count]
    covariance = torch.tensor(np.cov(rows.T, bias=True))
    np.testing.assert_allclose(shrunk(covariance, count, None).numpy(), OAS().fit(rows).covariance_, rtol=1e-6)


def test_the_distance_from_one_gaussian_is_mahalanobis():
    count, mean, covariance = moments(Recorded(SKEWED), toy_images(10))
    expected = np.sqrt(EmpiricalCovariance().fit(ROWS).mahalanobis(SEEN.numpy()))
    np.testing.assert_allclose(mahalanobis(mean, shrunk(covariance, count, 0.0))(SEEN).numpy(), expected, rtol=1e-3)


@pytest.mark.parametrize("model", [Subspace(), Subspace(measure="likelihood"), Gaussian(), Gaussian(shrinkage=0.0)])
def test_features_that_never_vary_give_finite_scores(model):
    class Flat(ToyEncoder):
        def build_pyramid(self, run, reductions):
            class Constant(torch.nn.Module):
                def forward(self, images):
                    return [images.mean(dim=1, keepdim=True)[..., :8, :8] * 0 + 0.5 for _ in reductions]

            return Constant()

    model.fit(toy_images(4), encoder=Flat(), loss=None, run=RUN)
    assert np.isfinite(model.score(toy_images(2, seed=1)).maps).all()


def test_pooled_features_give_one_score_an_image_by_distance_to_the_images_remembered():
    model, images = KNN(features="pooled", distance="euclidean", k=2), toy_images(6, seed=1)
    model.fit(images, encoder=ToyEncoder(), loss=None, run=RUN)
    means = model._patches.means(images).double()
    nearest = torch.cdist(means, means).sort(dim=1).values[:, :2].mean(dim=1)
    scores = model.score(images)
    assert scores.maps is None
    assert model.uses == {"encoder"}
    assert KNN().uses == {"encoder", "pool"}, "and patches are pooled as before"
    np.testing.assert_allclose(scores.images, nearest.numpy(), rtol=1e-3, atol=1e-6)


def test_more_neighbours_than_there_are_images_is_said():
    with pytest.raises(UnavailableError, match="knn has 3 normal features, expected at least k=5"):
        KNN(features="pooled", k=5).fit(toy_images(3), encoder=ToyEncoder(), loss=None, run=RUN)


def test_features_that_are_not_numbers_are_named_with_the_image():
    class Broken(torch.nn.Module):
        def forward(self, images):
            return [images[..., ::8, ::8] / 0 * 0]

    with pytest.raises(TrainingError, match="features that are not finite, from "):
        next(Patches(Broken(), 1, "cpu").of(toy_images(2)))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: KNN(k=0), "k is 0 and memory 10000, expected 1 or more neighbours, all in memory"),
        (lambda: KNN(k=5, memory=4), "k is 5 and memory 4"),
        (lambda: Subspace(variance=1.0), "variance is 1, expected a share between 0 and 1 such as 0.99"),
        (lambda: Gaussian(shrinkage=1.5), "shrinkage is 1.5, expected a share from 0 to 1, or none"),
    ],
)
def test_an_option_out_of_range_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_options_are_spelt_as_they_are_asked_for():
    assert spell(KNN(features="pooled", k=3)) == "knn[features=pooled,k=3]"
    assert spell(Subspace(measure="likelihood", variance=0.9)) == "subspace[variance=0.9,measure=likelihood]"
