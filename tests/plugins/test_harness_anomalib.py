"""anomalib's models, each fitted by the harness. `.ci/adapters` runs this where anomalib is installed."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from harness import Run, UnavailableError, UsageError
from harness.testing.toys import toy_images
from harness_anomalib import Anomalib
from harness_anomalib.catalogue import ONE_CLASS
from harness_anomalib.quiet import quiet

SMALL = {
    "anomaly_dino": {"backbone": "vit_small_patch14_dinov2"},
    "cflow": {"backbone": "resnet18", "coupling_blocks": 1, "fiber_batch_size": 16},
    "dfkde": {"n_pca_components": 4},
    "dfm": {"backbone": "resnet18"},
    "dinomaly": {"backbone": "vit_small_patch14_reg4_dinov2"},
    "foundad": {"backbone": "dinov2_vit_small_14"},
    "fre": {"backbone": "resnet18", "input_dim": 2304, "latent_dim": 8},
    "general_ad": {"backbone": "vit_tiny_patch16_224", "layers": [2], "hidden_dim": 32},
    "glass": {"backbone": "resnet18", "pretrain_embed_dim": 128, "target_embed_dim": 128},
    "inp_former": {"backbone": "vit_small_patch14_reg4_dinov2"},
    "mh_patchcore": {"backbone": "resnet18"},
    "patchcore": {"backbone": "resnet18"},
    "patchflow": {"backbone": "tf_efficientnet_b0"},
    "rad": {"backbone": "vit_tiny_patch16_224"},
    "reverse_distillation": {"backbone": "resnet18"},
    "super_add": {"backbone": "vit_small_patch16_dinov3", "patch_size": 48},
    "supersimplenet": {"backbone": "resnet18"},
    "uflow": {"backbone": "resnet18", "flow_steps": 1},
}
"""Encoders and options that take seconds."""
SIZES = {
    "fastflow": 64,
    "general_ad": 64,
    "glass": 64,
    "patchflow": 64,
    "rad": 64,
    "reverse_distillation": 64,
    "uflow": 64,
}
"""112 is a multiple of 14 and 16; these want another one."""
OTHERS = {"AiVad", "Fuvas", "WinClip", "VlmAd", "AnomalyVFM"}
"""Those that look at videos, or learn nothing from normal images."""
TABLE = Path(__file__).parents[2] / "leaderboards" / "README.md"
OFFERED = [name for name, entry in ONE_CLASS.items() if not entry.download]
installed = pytest.mark.skipif(find_spec("anomalib") is None, reason="anomalib is not installed: see .ci/adapters")
RUN = Run(epochs=2, batch_size=4, weights="random")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Small images gain nothing from more, and lose much where others work on the same cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(name):
    given = dict(SMALL.get(name, {}))
    backbone = given.pop("backbone", "")
    return Anomalib(model=name, backbone=backbone, arguments=json.dumps(given) if given else "")


def fitted(name, size=64, **changes):
    model = made(name)
    normal = toy_images(9, size=size, seed=1)  # a last batch of one image
    model.fit(normal, encoder=None, loss=None, run=replace(RUN, image_size=size, **changes))
    return model


@installed
@pytest.mark.parametrize("name", OFFERED)
def test_a_model_is_fitted_in_silence_and_kept_with_its_scores(name, capfd):
    size, reports = SIZES.get(name, 112), []
    model = fitted(name, size, report=reports.append)
    test = toy_images(3, defective=1, size=size, seed=2)
    scores = model.score(test)
    assert scores.images.shape == (3,)
    assert np.isfinite(scores.images).all()
    assert scores.maps is None or scores.maps.shape == (3, size, size)
    if ONE_CLASS[name].trained:
        assert [report.epoch for report in reports if report.epoch_done] == [1, 2]
    state = model.state()
    assert all(array.dtype.kind in "biuf" for array in state.values())
    again = made(name)
    again.restore(state, encoder=None, loss=None, run=replace(RUN, image_size=size))
    for kept, first in zip(vars(again.score(test)).values(), vars(scores).values(), strict=True):
        np.testing.assert_allclose(
            kept, first, rtol=1e-3, atol=1e-4 * np.abs(first).max()
        ) if first is not None else None
    assert capfd.readouterr() == ("", "")


@installed
def test_a_model_that_takes_one_pass_is_fitted_in_a_trial_without_settings_of_training():
    """As `harness run` asks for it: epochs and batch size are 0 in such trials."""
    model = fitted("padim", epochs=0, batch_size=0)
    assert np.isfinite(model.score(toy_images(2, size=64)).images).all()


def test_the_table_of_detectors_says_of_each_model_whether_it_comes_by_adapter_and_else_why():
    said = {}
    for line in TABLE.read_text(encoding="utf-8").partition("\n## Detectors\n")[2].splitlines():
        if line.startswith("| ") and line.count("|") == 5:
            names, _, adapter, why = (cell.strip() for cell in line.split("|")[1:5])
            said |= {re.sub(r"\W", "", name).lower(): (adapter, why) for name in names.split(",")}
    for entry in ONE_CLASS.values():
        adapter, why = said[entry.cls.lower()]
        assert adapter == ("no" if entry.download else "yes"), entry.cls
        assert why or not entry.download, entry.cls
    assert said.keys() - {"anomalib"} == {name.lower() for name in {entry.cls for entry in ONE_CLASS.values()} | OTHERS}


@installed
def test_every_one_class_model_that_anomalib_lists_has_an_entry():
    with quiet():
        import anomalib.models
    assert {entry.cls for entry in ONE_CLASS.values()} | OTHERS == set(anomalib.models.__all__)


@installed
def test_scores_do_not_depend_on_the_company_and_two_fits_of_a_seed_are_equal():
    first, second = fitted("patchcore"), fitted("patchcore")
    test = toy_images(9, defective=4, size=64, seed=3)
    together, alone = first.score(test), first.score(test.take(slice(8, 9)))
    assert np.array_equal(together.images, second.score(test).images)
    np.testing.assert_allclose(alone.images, together.images[8:], rtol=1e-4)
    assert together.images[5:].min() > together.images[:5].max(), "bright squares stand out"


@installed
def test_scores_are_raw_without_a_limit_or_a_normalisation_of_anomalib_s():
    module = fitted("padim")._module
    assert (module.post_processor, module.evaluator, module.visualizer) == (None, None, None)


@installed
def test_weights_that_are_not_in_the_folder_skip_the_trial_and_are_not_replaced(tmp_path):
    with pytest.raises(UnavailableError, match=r"no weights .*resnet18.*safetensors"):
        fitted("padim", weights="pretrained", weights_dir=tmp_path)


@installed
def test_arguments_that_a_model_does_not_take_are_named():
    model = Anomalib(model="padim", arguments='{"n_feature": 5}')
    with pytest.raises(UsageError, match=r"anomalib's Padim takes no 'n_feature': it takes backbone, layers"):
        model.fit(toy_images(4, size=64), encoder=None, loss=None, run=RUN)


@installed
def test_too_few_images_and_a_size_that_a_patch_does_not_divide_are_one_line():
    with pytest.raises(UnavailableError, match="anomalib's dfkde cannot be fitted to 2 images"):
        Anomalib(model="dfkde").fit(toy_images(2, size=64), encoder=None, loss=None, run=replace(RUN, image_size=64))


def test_anomalib_that_is_not_installed_says_what_to_install(monkeypatch):
    for module in ("anomalib", "anomalib.models"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UnavailableError, match=r"needs anomalib \(.*\): pip install 'anomaly-harness\[anomalib\]'"):
        fitted("padim")


@pytest.mark.parametrize("name", [name for name, entry in ONE_CLASS.items() if entry.download])
def test_a_model_that_must_download_something_is_left_out_with_the_reason(name):
    with pytest.raises(UnavailableError, match=f"anomalib's {name} is left out, for it fetches .{{20}}"):
        fitted(name)


def test_a_model_must_be_named_and_known():
    with pytest.raises(UsageError, match=r"as in anomalib\[model=padim\]"):
        Anomalib().fit(toy_images(4), encoder=None, loss=None, run=RUN)
    with pytest.raises(ValueError, match="no model of anomalib 'padin'. Did you mean 'padim'"):
        Anomalib(model="padin")


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_arguments_that_are_no_json_object_are_quoted(text):
    with pytest.raises(ValueError, match="expected"):
        Anomalib(model="padim", arguments=text)


def test_only_models_that_learn_in_epochs_use_the_settings_of_training():
    assert Anomalib(model="padim").uses == frozenset()
    assert Anomalib(model="stfpm").uses == {"training"}
