"""What goes wrong with one detector is a line and a status, and the other cells go on."""

from __future__ import annotations

import sys

import pytest

import harness
from harness.testing.toys import ToyEncoder


class Blind(ToyEncoder):
    """Its features are no numbers."""

    name = "blind"

    def build_pyramid(self, run, reductions):
        seeing = super().build_pyramid(run, reductions)
        seeing.register_forward_hook(lambda _, __, maps: [level * float("nan") for level in maps])
        return seeing


BAD = {
    "anomalib[model=dsr]": ("skipped", "fetches weights of its quantised autoencoder"),
    "anomalib[model=padim]": ("skipped", "pip install 'anomaly-harness[anomalib]'"),
    "outlier[detector=pyod_ecod]": ("skipped", "pip install 'anomaly-harness[pyod]'"),
    "knn[features=pooled,k=50]": ("skipped", "knn has 4 normal features, expected at least k=50 of them"),
    "student_teacher[reductions=8-64]": ("skipped", "encoder 'toy' has maps of reductions 2, 4, 8 and 16, not (8, 64)"),
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))

    def fit(**settings):
        tiny = {"dataset": "synthetic[n_train=4,n_test_good=2,n_test_defective=2]", "categories": "tile"}
        small = {"image_size": 64, "epochs": 1, "weights": "random", "jobs": 1, "quiet": True, "floors": False}
        return harness.run(**tiny, **small, store=tmp_path / "runs", **settings)

    return fit


def test_each_bad_detector_is_one_line_and_the_good_one_is_fitted(run, monkeypatch):
    for module in ("anomalib", "anomalib.models", "pyod", "pyod.models", "pyod.models.base"):
        monkeypatch.setitem(sys.modules, module, None)
    results = run(models=[*BAD, "knn[features=pooled]"], encoders=[ToyEncoder])
    said = {outcome.trial.model: (outcome.status, outcome.reason) for outcome in results.source.outcomes}
    assert said.pop("knn[features=pooled]")[0] == "done"
    for model, (status, part) in BAD.items():
        found, reason = said[model]
        assert found == status
        assert part in reason
        assert "\n" not in reason


def test_features_that_are_no_numbers_are_an_error_of_their_cells_alone(run):
    models = ("subspace", "knn[features=pooled]", "student_teacher", "reverse_distillation[width=8]")
    results = run(models=models, encoders=[Blind, ToyEncoder])
    said = {(o.trial.model, o.trial.encoder): (o.status, o.reason) for o in results.source.outcomes}
    for model in models:
        assert said[model, "toy"][0] == "done"
        status, reason = said[model, "blind"]
        assert status == "error"
        assert "the encoder gives features that are not finite" in reason
