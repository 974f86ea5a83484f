"""Every built-in part keeps the contract that strangers' parts are held to."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path

import pytest
import torch

from harness import Dataset, Model
from harness.plugin.registry import HOOKS, Registry
from harness.plugin.spec import spell
from harness.testing import models, parametrize_with_checks

SHARED = Path(__file__).parents[3] / "shared"
ROOTS = {"mvtec_ad": SHARED / "data" / "mvtec_ad_256", "folder": SHARED / "data" / "hazelnut_toy"}
"""Where real images lie, for the data sets that read some; on other machines their checks are skipped."""
SMALLER = {
    "dae": "dae[widths=16-16-8-8]",
    "cae": "cae[widths=16-16-8-8,latent_dim=16]",
    "discriminative": "discriminative[widths=16-16-8-8,width=4]",
    "efficient_ad": "efficient_ad[channels=16,width=8]",
    "ganomaly": "ganomaly[widths=16-16-8-8]",
    "inpainting": "inpainting[widths=16-16-8-8,cells=8,parts=2]",
    "reverse_distillation": "reverse_distillation[width=32]",
    "vae": "vae[widths=16-16-8-8,latent_dim=16]",
    "perceptual": "perceptual[encoder=tf_efficientnet_lite0.in1k]",
    "synthetic": "synthetic[n_train=4,n_test_good=3,n_test_defective=8]",
}
"""What stands for a part whose defaults take longer, and are no more true for that."""
VARIANTS = {
    "model": [
        "dae[widths=16-16-8-8,adversarial=0.1]",
        "patchcore[memory=50]",
        "knn[features=pooled,distance=euclidean,k=2]",
        "subspace[measure=likelihood]",
        "outlier[detector=local_outlier_factor]",
        "outlier[detector=gaussian_mixture,features=patch,memory=300]",
    ],
    "encoder": ["timm[name=tf_efficientnet_lite0.in1k]"],
    "threshold": ["mean_std[k=1]", "quantile[q=0.5]"],
}
"""Choices with code of their own."""
ELSEWHERE = {"ray"}
"""test_executors_ray.py holds it to its checks, on a cluster that is there anyway."""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracker writes to a folder beside the caller, which is not to be this checkout."""
    monkeypatch.chdir(tmp_path)


REGISTRY = Registry.discover(environ={"HARNESS_PLUGINS": ""})


def parts():
    for kind in HOOKS:
        names = [
            SMALLER.get(name, name)
            for name, offer in REGISTRY.offers(kind).items()
            if not offer.part.needs_options and name not in ELSEWHERE
        ]
        for text in names + VARIANTS.get(kind.kind, []):
            part = REGISTRY.make(kind, text)
            if isinstance(part, Dataset) and ROOTS.get(text, SHARED / "nothing").is_dir():
                part.root = ROOTS[text]
            yield part


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Small images gain nothing from more, and lose much where others work on the same cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


SCORES_ALONE = {
    models.check_gives_one_finite_score_an_image,
    models.check_gives_what_its_pools_need,
    models.check_maps_have_the_size_of_the_images,
    models.check_score_does_not_depend_on_batch,
    models.check_score_does_not_depend_on_labels,
    models.check_toy_defects_score_above_normal,
    models.check_saves_and_loads,
    models.check_network_scores_as_the_model_does,
}
"""Checks of what a model does once it is fitted, each of which gets a copy of the same fit."""
FITTED: dict[str, Model] = {}


@pytest.fixture(autouse=True)
def _fitted_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    check = request.node.callspec.params.get("check") if hasattr(request.node, "callspec") else None
    if inspect.unwrap(check or repr) not in SCORES_ALONE:
        return
    fit = models._fitted

    def copied(model: Model) -> Model:
        spelt = spell(model)
        if spelt not in FITTED:
            FITTED[spelt] = fit(model)
        return copy.deepcopy(FITTED[spelt])

    monkeypatch.setattr(models, "_fitted", copied)


@parametrize_with_checks(parts())
def test_a_built_in_part_keeps_the_contract(part, check):
    check(part)


@pytest.mark.parametrize(
    "offer", [o for kind in HOOKS for o in REGISTRY.offers(kind).values()], ids=lambda o: o.part.name
)
def test_a_built_in_part_says_its_licence_and_source(offer):
    assert offer.part.licence, f"{offer.part.__name__} has no licence"
    assert offer.part.source, f"{offer.part.__name__} has no source"


def test_all_built_in_plugins_work():
    assert {str(plugin): plugin.problems for plugin in REGISTRY.broken} == {}
