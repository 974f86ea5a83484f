"""Packed models on real engines: they score as torch does, say what they are, and are not written where they differ."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from torch import Tensor, nn

from harness import Dataset, Images, Model, PackingError, Pool, Scores, UnavailableError, UsageError
from harness.commands import main
from harness.deployment.conversion import graph_inputs, relative_difference
from harness.deployment.detector import Detector
from harness.deployment.engines import ENGINES
from harness.deployment.loading import load
from harness.deployment.packing import compare, pack
from harness.plugin.registry import Registry
from harness.testing import toy_images
from harness.trials.datasets import open_dataset
from harness.trials.holdout import hold_out
from harness.trials.observers import Observer
from harness.trials.saved_model import ModelFolder, SavedModel
from harness.trials.trial import Trial
from harness.trials.worker import Worker, WorkerConfig
from harness_autoencoders.models import DAE, Reconstruction

SYNTHETIC = "synthetic[n_train=12,n_test_good=1,n_test_defective=1]"
TRIAL = Trial(SYNTHETIC, "bottle", "dae", "conv[widths=4-4-8-8]", "mse", 0, 32, 1, 4, 1e-3, 0.25, "fp32", "random")
METHODS = {
    "dae": TRIAL._replace(model="dae[widths=8-8-8-8,noise=salt_pepper,level=0.3]", epochs=30, learning_rate=1e-2),
    "cae": TRIAL._replace(model="cae[widths=8-8-8-8,latent_dim=4,attention=squeeze_excite]", loss="ssim"),
    "patchcore": TRIAL._replace(model="patchcore[memory=50]", encoder="conv", loss="-", image_size=64),
    "padim": TRIAL._replace(model="padim[features=8]", encoder="conv", loss="-", image_size=64),
    "feature_ae": TRIAL._replace(model="feature_ae", encoder="conv", loss="-", image_size=64),
}
REGISTRY = Registry.discover(environ={"HARNESS_PLUGINS": ""})


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def keep(trial: Trial, folder: Path, data_root: Path | None = None) -> Path:
    worker = Worker(WorkerConfig(data_root=data_root, keep=ModelFolder(folder)), REGISTRY)
    outcome = worker.perform(trial, Observer())
    assert outcome.status == "done", outcome.reason
    (directory,) = folder.glob(f"*-{outcome.id}")
    return directory


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory of a model of this method, fitted when it is first asked for."""
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            made[name] = keep(METHODS[name], tmp_path_factory.mktemp(name))
        return made[name]

    return get


@pytest.fixture(scope="module")
def packed(kept: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, str]]:
    """The ONNX file of the model of this method, and what `harness pack` said of it."""
    made: dict[str, tuple[Path, str]] = {}

    def get(name: str) -> tuple[Path, str]:
        if name not in made:
            out = tmp_path_factory.mktemp(f"packed_{name}") / "line.onnx"
            done = call(kept(name), "--format", "onnx", "--out", out)
            assert (done.exit_code, done.stderr) == (0, ""), done.output
            made[name] = (out, done.stdout)
        return made[name]

    return get


def calibration(detector: Detector) -> Images:
    trial = detector.saved.trial
    split = open_dataset(REGISTRY, trial.dataset, None).load(trial.category, trial.image_size)
    return hold_out(split.train, trial.holdout, trial.seed)[1]


def call(*words: object) -> Result:
    return CliRunner().invoke(main, ["pack", *map(str, words)])


@pytest.mark.parametrize("name", METHODS)
def test_every_model_scores_on_both_engines_as_in_its_trial_whatever_the_number_of_images(kept, packed, tmp_path, name):
    file, said = packed(name)
    detector = load(kept(name), REGISTRY)
    images = calibration(detector)
    beside = tuple(detector.model.side_inputs(images.pixels))
    assert "the scores of 3 normal images" in said
    stored = detector.saved.calibration[detector.pool]
    other = tmp_path / "other.xml"
    metadata = ENGINES["onnx"].metadata(file)
    ENGINES["openvino"].convert(file, metadata, other)
    assert json.loads(ENGINES["openvino"].metadata(other)) == json.loads(metadata)
    for form, written in (("onnx", file), ("openvino", other)):
        graph = ENGINES[form].open(written, 1)
        (together,) = (graph(batch) for batch in graph_inputs(detector, images, beside, 3))
        alone = [graph(one) for one in graph_inputs(detector, images, beside, 1)]
        assert list(together) == ["score", "anomalous", "map"]
        np.testing.assert_allclose(together["score"], stored, rtol=1e-3)
        np.testing.assert_allclose(np.concatenate([one["score"] for one in alone]), together["score"], rtol=1e-5)
        assert together["anomalous"].tolist() == (stored > detector.limit).tolist()
        assert 0 < together["anomalous"].sum() < 3, "else nothing is seen of the limit"
        size = detector.saved.trial.image_size
        assert together["map"].shape == (3, size, size)
        maps = detector.decide(images.pixels).maps
        assert maps is not None
        np.testing.assert_allclose(together["map"], maps, rtol=2e-3, atol=1e-3 * maps.max())


def test_the_file_and_the_json_beside_it_say_what_was_packed(kept, packed):
    file, said = packed("dae")
    beside = json.loads(Path(f"{file}.json").read_text())
    within = json.loads(ENGINES["onnx"].metadata(file))
    assert within.items() <= beside.items()
    saved = load(kept("dae"), REGISTRY).saved
    assert within["trial"] == METHODS["dae"].written()
    for name in ("id", "fingerprint", "pool", "threshold", "limit"):
        assert within[name] == getattr(saved, name)
    assert within["image_size"] == 32
    assert within["inputs"] == {"pixels": {"dtype": "uint8", "shape": ["N", 32, 32, 3]}}
    assert "Pillow's bilinear filter" in within["resizing"]
    assert within["versions"]["fitted"] == dict(saved.versions)
    assert within["versions"]["packed"]["torch"] == torch.__version__.split("+")[0]
    assert beside["verified"]["engine"] == "ONNX Runtime"
    assert beside["verified"]["images"] == 3
    assert beside["verified"]["largest_difference"] < beside["verified"]["tolerance"] == 1e-3
    assert beside["verified"]["at"] in said
    assert f"{beside['verified']['largest_difference']:.1e}" in said
    assert beside["sha256"] == {"line.onnx": hashlib.sha256(file.read_bytes()).hexdigest()}
    assert f"Written to {file}, with line.onnx.json; 0." in said
    assert len(said.splitlines()) == 3
    assert sorted(path.name for path in file.parent.iterdir()) == ["line.onnx", "line.onnx.json"]


def test_openvino_s_files_and_setting_are_said(kept, tmp_path):
    out = tmp_path / "deep" / "line.xml"
    done = call(kept("padim"), "--format", "openvino", "--out", out)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in out.parent.iterdir()) == ["line.bin", "line.xml", "line.xml.json"]
    assert re.search(rf"Written to {out}, with line\.bin and line\.xml\.json; \d+\.\d MB", done.stdout), done.stdout
    described = json.loads(ENGINES["openvino"].metadata(out))
    assert described["settings"] == {"INFERENCE_PRECISION_HINT": "f32"}
    assert "OpenVINO needs INFERENCE_PRECISION_HINT at f32 wherever it runs" in done.stdout


def test_a_dae_of_version_2_is_packed_with_the_noise_that_its_limit_was_set_with(tmp_path, monkeypatch):
    monkeypatch.setattr(DAE, "state", Reconstruction.state)  # which version 2 had
    old = keep(METHODS["dae"]._replace(epochs=1), tmp_path)
    done = call(old, "--format", "onnx", "--out", tmp_path / "line.onnx")
    assert done.exit_code == 0, done.output
    assert "It takes noise beside pixels, drawn as for the stored scores." in done.stdout
    assert list(json.loads((tmp_path / "line.onnx.json").read_text())["inputs"]) == ["pixels", "noise"]


@settings(deadline=None, max_examples=50)
@given(
    maps=arrays(
        np.float32, st.tuples(st.integers(1, 3), *[st.integers(1, 24)] * 2), elements=st.floats(0, 1, width=32)
    ),
    pool=st.sampled_from(["mean", "max", "topk", "topk[share=0.3]"]),
)
def test_pools_in_the_graph_are_those_of_the_harness(maps, pool):
    pool = REGISTRY.make(Pool, pool)
    np.testing.assert_allclose(pool.tensor(torch.from_numpy(maps)).numpy(), pool.score(maps), rtol=1e-5, atol=1e-7)


def test_a_difference_is_relative_and_what_is_no_number_differs_most():
    found = relative_difference(
        np.array([1.0, 2.002, 0.0, 1e-9, np.nan, np.inf]), np.array([1.0, 2.0, 0.0, 0.0, 1.0, 1.0])
    )
    np.testing.assert_allclose(found, [0, 1e-3, 0, np.inf, np.inf, np.inf])


# A plugin's models.


class Bright(nn.Module):
    """How bright each pixel is."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=1)


class Glow(Model):
    name = "glow"
    uses = frozenset({"pool"})
    module: nn.Module = Bright()

    def fit(self, normal, *, encoder, loss, run):
        """It knows."""

    def score(self, images):
        return Scores(maps=(images.pixels / 255).mean(axis=3))

    def network(self):
        return self.module


class GlowOfTheImage(Glow):
    uses = frozenset()

    def score(self, images):
        return Scores(images=(images.pixels / 255).mean(axis=(1, 2, 3)))

    def network(self):
        return nn.Sequential(Bright(), nn.Flatten(1), Mean())


class Mean(nn.Module):
    def forward(self, flat: Tensor) -> Tensor:
        return flat.mean(dim=1)


class OneAtATime(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        assert len(images) == 1, "one image at a time, please"
        return images.mean(dim=1)


class LooksBack(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=1) if float(images.sum()) > 0 else images.amax(dim=1)


class Other(nn.Module):
    """Brighter by 2 in a thousand where the first pixel is bright."""

    def forward(self, images: Tensor) -> Tensor:
        maps = images.mean(dim=1)
        return torch.where(maps[:, :1, :1] > 0.9, 1.002 * maps, maps)


class Silent(Glow):
    name = "silent"
    network = Model.network


def detector_of(model: Model, images: Images) -> Detector:
    pool = "mean" if model.uses else "-"
    scores = model.score(images)
    values = scores.maps.mean(axis=(1, 2)) if scores.maps is not None else scores.images
    trial = TRIAL._replace(model=model.name, encoder="-", loss="-", image_size=images.pixels.shape[1])
    saved = SavedModel(trial, "f00d", pool, "mean", float(values.mean()), {pool: values})
    pools = {} if pool == "-" else {pool: REGISTRY.make(Pool, pool)}
    return Detector(saved, model, REGISTRY.make(Dataset, SYNTHETIC), pool, "mean", saved.limit, pools=pools)


def with_module(module: nn.Module) -> Glow:
    glow = Glow()
    glow.module = module
    return glow


IMAGES = toy_images(4, size=16, seed=1)


def test_a_model_of_image_scores_has_no_map(tmp_path):
    packed = pack(detector_of(GlowOfTheImage(), IMAGES), IMAGES, "onnx", tmp_path / "a.onnx")
    found = ENGINES["onnx"].open(packed.file, 1)({"pixels": IMAGES.pixels})
    assert list(found) == ["score", "anomalous"]
    assert 0 < found["anomalous"].sum() < 4


def test_a_network_written_for_one_image_is_packed_for_one(tmp_path):
    packed = pack(detector_of(with_module(OneAtATime()), IMAGES), IMAGES, "onnx", tmp_path / "a.onnx")
    assert packed.agreement.images == 4
    assert json.loads(ENGINES["onnx"].metadata(packed.file))["inputs"]["pixels"]["shape"] == [1, 16, 16, 3]


@pytest.mark.parametrize("form", ENGINES)
def test_a_graph_that_scores_otherwise_is_not_written_and_the_worst_image_is_named(tmp_path, form):
    pixels = IMAGES.pixels.copy()
    pixels[2, 0, 0] = 255
    images = replace(IMAGES, pixels=pixels)
    with pytest.raises(PackingError, match=rf"{IMAGES.paths[2]} scores 0\.\d+, in torch 0\.\d+.*Nothing was written"):
        pack(detector_of(with_module(Other()), images), images, form, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_altered_is_found_out(kept, packed, tmp_path):
    import onnx
    from onnx import numpy_helper

    detector = load(kept("dae"), REGISTRY)
    images = calibration(detector)
    altered, file = onnx.load(packed("dae")[0]), tmp_path / "altered.onnx"
    largest = max(altered.graph.initializer, key=lambda one: np.prod(one.dims))
    largest.CopyFrom(numpy_helper.from_array(1.5 * numpy_helper.to_array(largest), largest.name))
    onnx.save(altered, file)
    expected = detector.decide(images.pixels).scores
    with pytest.raises(PackingError, match="on ONNX Runtime"):
        compare(ENGINES["onnx"], file, expected, images, detector, (), 2)
    file.write_bytes(b"no graph")
    with pytest.raises(PackingError, match="ONNX Runtime cannot run it: InvalidProtobuf"):
        compare(ENGINES["onnx"], file, expected, images, detector, (), 2)


def test_a_model_without_a_network_says_so(tmp_path):
    with pytest.raises(UnavailableError, match=r"model 'silent' cannot be packed, for it has no network\(\)"):
        pack(detector_of(Silent(), IMAGES), IMAGES, "onnx", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_torch_cannot_export_says_why_in_one_line(tmp_path):
    with pytest.raises(UnavailableError, match=r"torch cannot export it: \w+: [^\n]+$"):
        pack(detector_of(with_module(LooksBack()), IMAGES), IMAGES, "onnx", tmp_path)
    assert list(tmp_path.iterdir()) == []


# What a person may get wrong.


def test_an_unknown_format_is_refused_with_those_there_are(kept, tmp_path):
    done = call(kept("padim"), "--format", "onix", "--out", tmp_path)
    assert done.exit_code == 2
    assert "'onix' is not one of 'onnx', 'openvino'" in done.stderr
    with pytest.raises(UsageError, match="no format 'onix'. Did you mean 'onnx'"):
        pack(load(kept("padim"), REGISTRY), IMAGES, "onix", tmp_path)


@pytest.mark.parametrize(
    ("form", "absent", "extra"),
    [("onnx", "onnxruntime", "onnx"), ("openvino", "openvino", "openvino"), ("openvino", "onnxscript", "openvino")],
)
def test_a_missing_extra_is_named(kept, tmp_path, monkeypatch, form, absent, extra):
    monkeypatch.setitem(sys.modules, absent, None)  # which makes its import fail
    done = call(kept("padim"), "--format", form, "--out", tmp_path)
    assert done.exit_code == 2
    assert done.stderr == f"harness: {absent} is not installed: pip install 'anomaly-harness[{extra}]'\n"
    assert list(tmp_path.iterdir()) == []


def test_another_format_s_ending_is_refused(kept, tmp_path):
    done = call(kept("padim"), "--format", "openvino", "--out", tmp_path / "a.onnx")
    assert done.exit_code == 2
    assert "expected a file that ends in .xml, or a folder" in done.stderr


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A folder of the user's own images."""
    for kind, count in (("train/good", 4), ("test/good", 1), ("test/crack", 1)):
        folder = tmp_path / "data" / "parts" / kind
        folder.mkdir(parents=True)
        for at, pixels in enumerate(toy_images(count, size=40, seed=len(kind)).pixels):
            Image.fromarray(pixels).save(folder / f"{at}.png")
    return tmp_path / "data"


def test_without_images_to_verify_on_nothing_is_packed(parts, tmp_path):
    trial = METHODS["padim"]._replace(dataset="folder", category="parts", holdout=0.0)
    directory = keep(trial, tmp_path / "models", parts)
    out = tmp_path / "line.onnx"
    refused = call(directory, "--format", "onnx", "--out", out)
    assert refused.exit_code == 2
    assert "no images to verify the graph on: give --data-root with folder's parts, or --images" in refused.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "empty holds no image" in call(directory, "--format", "onnx", "--out", out, "--images", empty).stderr
    (empty / "note.png").write_text("no image")
    unreadable = call(directory, "--format", "onnx", "--out", out, "--images", empty)
    assert (unreadable.exit_code, "note.png" in unreadable.stderr) == (2, True)
    assert not out.exists()

    done = call(directory, "--format", "onnx", "--out", out, "--images", parts / "parts" / "train")
    assert done.exit_code == 0, done.output
    assert "the scores of 4 normal images" in done.stdout
    assert "train/good/" in json.loads(Path(f"{out}.json").read_text())["verified"]["at"]
    Image.new("RGB", (40, 40)).save(parts / "parts" / "train" / "good" / "0.png")
    other = call(directory, "--format", "onnx", "--out", out, "--data-root", parts)
    assert other.exit_code == 2
    assert "is not the data that the model was fitted on" in other.stderr


def test_a_memory_kept_by_cross_fitting_is_verified_on_normal_images_that_it_does_not_hold(parts, tmp_path):
    Image.fromarray(toy_images(2, size=40, seed=77).pixels[1]).save(parts / "parts" / "test" / "good" / "1.png")
    trial = METHODS["padim"]._replace(model="knn", dataset="folder", category="parts", holdout=0.0)
    directory = keep(trial._replace(calibrate="crossfit"), tmp_path / "models", parts)
    out = tmp_path / "line.onnx"
    done = call(directory, "--format", "onnx", "--out", out, "--data-root", parts)
    assert done.exit_code == 0, done.output
    assert "the scores of 2 normal images" in done.stdout
    assert json.loads(Path(f"{out}.json").read_text())["verified"]["at"].startswith("test/good/")
