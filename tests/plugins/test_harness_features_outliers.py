"""General outlier detectors on mean patches: against the libraries themselves, kept, and refused in one line."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from harness import UnavailableError
from harness.testing import toy_images
from harness.testing.models import RUN
from harness.testing.toys import ToyEncoder
from harness_features import Outlier
from harness_features.outliers import SKLEARN

NORMAL, SEEN = toy_images(24, seed=1), toy_images(12, defective=6, seed=2)
pyod = pytest.mark.skipif(find_spec("pyod") is None, reason="PyOD is not installed: pip install pyod")


def fitted(**options):
    model = Outlier(**options)
    model.fit(NORMAL, encoder=ToyEncoder(), loss=None, run=RUN)
    return model


def test_scores_are_those_of_the_library_on_standardised_mean_patches():
    model = fitted()
    known, seen = (model._patches.means(images).double().numpy() for images in (NORMAL, SEEN))
    scale = known.std(axis=0)
    scale = np.maximum(scale, 0.01 * scale.mean() + 1e-12)
    forest = IsolationForest(random_state=RUN.seed).fit((known - known.mean(axis=0)) / scale)
    expected = -forest.score_samples((seen - known.mean(axis=0)) / scale)
    np.testing.assert_allclose(model.score(SEEN).images, expected, rtol=1e-9)


@pytest.mark.parametrize(
    "detector", [*SKLEARN, pytest.param("pyod_ecod", marks=pyod), pytest.param("pyod_knn", marks=pyod)]
)
def test_bright_squares_score_higher_with_every_detector_and_after_restoring(detector):
    model = fitted(detector=detector)
    scores = model.score(SEEN).images
    assert scores[SEEN.labels].mean() > scores[~SEEN.labels].mean()
    again = Outlier(detector=detector)
    again.restore(model.state(), encoder=ToyEncoder(), loss=None, run=RUN)
    np.testing.assert_array_equal(again.score(SEEN).images, scores)


def test_a_detector_sees_as_many_components_as_are_asked_for():
    assert fitted(detector="gaussian_mixture", components=2)._abnormality(np.zeros((1, 2))).shape == (1,)
    features, most = fitted(detector="elliptic_envelope")._axes.shape
    assert features == 16
    assert 1 <= most <= 8, "a third as many as images, or fewer where they do not vary"


@pytest.mark.parametrize(
    ("options", "count", "said"),
    [
        ({}, 2, "needs 3 or more normal images, not 2"),
        ({"components": 9}, 5, "5 normal images with 16 features have at most 4 components, not components=9"),
    ],
)
def test_too_few_images_are_said_in_one_line(options, count, said):
    with pytest.raises(UnavailableError, match=said):
        Outlier(**options).fit(toy_images(count), encoder=ToyEncoder(), loss=None, run=RUN)


def test_pyod_that_is_absent_is_said_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyod.models.base", None)
    with pytest.raises(
        UnavailableError, match=r"detector=pyod_ecod\] needs PyOD .*pip install 'anomaly-harness\[pyod\]'"
    ):
        fitted(detector="pyod_ecod")


@pyod
def test_a_module_that_pyod_lacks_is_named():
    with pytest.raises(UnavailableError, match="PyOD's 'nothing' cannot be imported"):
        fitted(detector="pyod_nothing")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"detector": "isolation_forrest"}, "no detector 'isolation_forrest'. Did you mean 'isolation_forest'"),
        ({"components": 0}, "components is 0, expected at least 1, or none"),
        ({"reductions": ()}, "expected positive numbers such as 8-16"),
    ],
)
def test_an_option_out_of_range_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Outlier(**options)


def test_patches_give_maps_in_which_the_square_stands_out():
    model = Outlier(detector="one_class_svm", features="patch", memory=200, reductions=(4, 8), smoothing=0.0)
    model.fit(toy_images(8, seed=1), encoder=ToyEncoder(), loss=None, run=RUN)
    test = toy_images(4, defective=2, seed=2)
    maps = model.score(test).maps
    inside = [one[mask == 1].mean() for one, mask in zip(maps[2:], test.masks[2:], strict=True)]
    assert min(inside) > maps[:2].mean()
    assert model.uses == {"encoder", "pool"}
    assert Outlier().uses == {"encoder"}


def test_maps_of_patches_are_the_detector_s_own_scores():
    model = Outlier(detector="kernel_density", features="patch", memory=50, reductions=(8,), smoothing=0.0)
    model.fit(toy_images(6, seed=1), encoder=ToyEncoder(), loss=None, run=RUN)
    patches = next(iter(model._patches.filled(toy_images(1, seed=2))))[1][:1]
    rows = model._reduced(patches.flatten(0, 2).numpy())
    expected = model._abnormality(rows).reshape(8, 8)
    maps = model.score(toy_images(1, seed=2)).maps
    np.testing.assert_allclose(maps[0, 4::8, 4::8].mean(), expected.mean(), rtol=0.1)
    assert len(model._normal) == 50
