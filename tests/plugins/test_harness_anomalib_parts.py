"""What the adapter does before, around and after anomalib, on an anomalib that is only played."""

from __future__ import annotations

import logging
import random
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness import Images, Run, UnavailableError, UsageError
from harness.testing.toys import toy_images
from harness_anomalib import Anomalib
from harness_anomalib.adapter import _map_of
from harness_anomalib.keeping import arrays_of, fill
from harness_anomalib.making import _of_the_network, _prepared, made
from harness_anomalib.quiet import LOGGERS, quiet, seeded_everywhere

RUN = Run(seed=3, epochs=2, batch_size=4, image_size=32, weights="random", device="cpu")


class Network(nn.Module):
    """Scores are means of images; maps are their red channel at half the size."""

    def __init__(self, maps: bool = True) -> None:
        super().__init__()
        self.maps = maps
        self.seen: list[tuple[int, ...]] = []
        self.scale = nn.Parameter(torch.tensor([2.0]))

    def forward(self, images: torch.Tensor) -> Any:
        self.seen.append(tuple(images.shape))
        scores = self.scale * images.mean(dim=(1, 2, 3))
        return SimpleNamespace(pred_score=scores[:, None], anomaly_map=images[:, :1, ::2, ::2] if self.maps else None)


class Module(nn.Module):
    """As lightning's, as far as the adapter looks."""

    def __init__(self, maps: bool = True) -> None:
        super().__init__()
        self.model, self.pre_processor = Network(maps), nn.Identity()


def ready(maps: bool = True) -> Anomalib:
    adapter = Anomalib(model="padim")
    adapter._device, adapter._module = "cpu", Module(maps).train()
    return adapter


def test_images_are_scored_in_equal_batches_and_maps_have_their_size() -> None:
    adapter, images = ready(), toy_images(11, size=32, seed=1)
    scores = adapter.score(images)
    assert adapter._module.model.seen == [(8, 3, 32, 32)] * 2
    assert not adapter._module.training
    expected = 2 * images.pixels.mean(axis=(1, 2, 3)) / 255
    assert scores.images is not None
    assert scores.images.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert scores.maps is not None
    assert scores.maps.shape == (11, 32, 32)
    assert scores.maps.mean() == pytest.approx(images.pixels[..., 0].mean() / 255, rel=0.05)
    without = ready(maps=False).score(images)
    assert without.maps is None
    assert without.images is not None
    assert len(without.images) == 11


def test_a_map_of_the_image_s_size_is_left_as_it_is() -> None:
    maps = torch.arange(32.0).reshape(2, 4, 4)
    assert torch.equal(_map_of(maps, 4), maps)
    assert torch.equal(_map_of(maps[:, None], 4), maps)
    assert _map_of(maps, 8).shape == (2, 8, 8)


def test_numbers_go_out_and_in_again_with_those_that_fitting_has_brought() -> None:
    fitted = Module()
    fitted.model.register_buffer("memory", torch.ones(2, 3), persistent=False)
    state = arrays_of(fitted)
    assert {name: array.shape for name, array in state.items()} == {"model.scale": (1,), "model.memory": (2, 3)}
    fresh = Module()
    fill(fresh, {**state, "model.scale": np.array([5.0], dtype=np.float32)})
    assert fresh.model.scale.tolist() == [5]
    assert fresh.model.memory.tolist() == np.ones((2, 3)).tolist()
    with pytest.raises(UnavailableError, match=r"^what anomalib learned at 'model\.gone\.bank' has no place in a new"):
        fill(fresh, {"model.gone.bank": np.zeros(1)})


def test_nothing_is_printed_logged_or_warned_and_levels_come_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = {name: logging.getLogger(name).level for name in LOGGERS}

    def printing() -> None:
        with quiet():
            print("hello")
            print("there", file=sys.stderr)
            warnings.warn("odd", UserWarning, stacklevel=1)
            assert {logging.getLogger(name).level for name in LOGGERS} == {logging.CRITICAL}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        printing()
    assert {name: logging.getLogger(name).level for name in LOGGERS} == before
    assert capsys.readouterr() == ("", "")


def test_all_chance_comes_from_the_seed_and_that_of_others_goes_on_where_it_was() -> None:
    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    with seeded_everywhere(RUN):
        first = drawn()
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == states
    with seeded_everywhere(RUN):
        assert drawn() == first
    with seeded_everywhere(replace(RUN, seed=4)):
        other = drawn()
    assert all(one != two for one, two in zip(first, other, strict=True))


class Padim:
    """A model of the played anomalib."""

    error: Exception | None = None

    def __init__(self, backbone: str = "resnet18", n_features: int = 5, batch_size: int = 0, input_shape: Any = None,
                 pre_processor: Any = None, post_processor: Any = None, evaluator: Any = None, visualizer: Any = None) -> None:  # fmt: skip
        if self.error is not None:
            raise self.error
        self.given = dict(vars(), self=None)

    @classmethod
    def configure_pre_processor(cls, image_size: Any, center_crop_size: Any = None) -> Any:
        return ("own", image_size, center_crop_size)


@pytest.fixture
def anomalib(monkeypatch: pytest.MonkeyPatch) -> type[Padim]:
    package, models = ModuleType("anomalib"), ModuleType("anomalib.models")
    package.models = models  # type: ignore[attr-defined]
    models.Padim = Padim  # type: ignore[attr-defined]
    models.Bare = type("Bare", (), {"__init__": lambda self: None})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "anomalib", package)
    monkeypatch.setitem(sys.modules, "anomalib.models", models)
    monkeypatch.setattr("harness_anomalib.making._prepared", lambda kind, side: ("prepared", side))
    monkeypatch.setattr(Padim, "error", None)
    return Padim


def test_a_model_is_made_for_the_run_s_size_and_batch_and_without_what_we_do_ourselves(anomalib: type[Padim]) -> None:
    given = made("Padim", "padim", "vit", {"n_features": 7}, RUN).given
    assert given == {
        "self": None, "backbone": "vit", "n_features": 7, "batch_size": 4, "input_shape": (32, 32),
        "pre_processor": ("prepared", 32), "post_processor": False, "evaluator": False, "visualizer": False,
    }  # fmt: skip
    asked = made("Padim", "padim", "", {"batch_size": 9, "input_shape": (8, 8)}, RUN).given
    assert (asked["batch_size"], asked["input_shape"], asked["backbone"]) == (9, (8, 8), "resnet18")


def test_what_a_model_does_not_take_or_anomalib_does_not_have_is_one_line(anomalib: type[Padim]) -> None:
    with pytest.raises(UsageError, match=r"^anomalib's Padim takes no 'wrong': it takes backbone, n_features, batch"):
        made("Padim", "padim", "", {"n_features": 1, "wrong": 2}, RUN)
    with pytest.raises(UsageError, match=r"^anomalib's bare has an encoder of its own: leave backbone out$"):
        made("Bare", "bare", "vit", {}, RUN)
    with pytest.raises(UnavailableError, match=r"^this version of anomalib has no Fastflow: expected 2\.7$"):
        made("Fastflow", "fastflow", "", {}, RUN)


def test_an_error_while_a_model_is_made_says_whether_the_net_was_behind_it(
    anomalib: type[Padim], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Padim, "error", ConnectionError("no\n route"))
    with pytest.raises(
        UnavailableError, match=r"^anomalib's padim is left out, .* out of reach \(no route\): put them"
    ):
        made("Padim", "padim", "", {}, RUN)
    monkeypatch.setattr(Padim, "error", ValueError("x" * 300))
    with pytest.raises(UnavailableError, match=rf"^anomalib's padim cannot be made \(ValueError: {'x' * 200}\)$"):
        made("Padim", "padim", "", {}, RUN)
    monkeypatch.setattr(Padim, "error", UsageError("ours"))
    with pytest.raises(UsageError, match="^ours$"):
        made("Padim", "padim", "", {}, RUN)


def test_the_net_is_told_by_the_names_of_the_errors_that_led_to_one() -> None:
    class LocalEntryNotFoundError(Exception):
        pass

    try:
        try:
            raise TimeoutError
        except TimeoutError as error:
            raise RuntimeError("of timm") from error
    except RuntimeError as error:
        caused = error
    try:
        try:
            raise LocalEntryNotFoundError
        except LocalEntryNotFoundError:
            raise KeyError("while handling") from None
    except KeyError as error:
        within = error
    assert _of_the_network(caused)
    assert _of_the_network(within), "an error that was being handled counts, too"
    assert not _of_the_network(ValueError())
    assert not _of_the_network(None)


def test_weights_are_chance_the_folder_s_or_the_hub_s(
    anomalib: type[Padim], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    import timm

    asked: list[Any] = []

    def create(name: str, **how: Any) -> Any:
        asked.append(how)
        return SimpleNamespace(pretrained_cfg="configuration")

    def making(self: Any, **given: Any) -> None:
        timm.create_model("resnet18", pretrained=True)
        timm.create_model("resnet18")

    monkeypatch.setattr(timm, "create_model", create)
    monkeypatch.setattr(Padim, "__init__", making)
    monkeypatch.setattr("harness_timm.load_published", lambda model, config, folder: asked.append((config, folder)))
    made("Padim", "padim", "", {}, RUN)
    assert asked == [{"pretrained": False}] * 2
    asked.clear()
    made("Padim", "padim", "", {}, replace(RUN, weights="pretrained", weights_dir=tmp_path))
    assert asked == [{"pretrained": False}, ("configuration", tmp_path), {"pretrained": False}]
    asked.clear()
    made("Padim", "padim", "", {}, replace(RUN, weights="pretrained"))
    assert asked == [{"pretrained": True}, {}]
    assert timm.create_model is create


def test_images_are_not_cropped_for_a_map_must_cover_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.transforms.v2 import CenterCrop

    class Usual:
        @classmethod
        def configure_pre_processor(cls, image_size: Any) -> Any:
            return ("whole", image_size)

    components = ModuleType("anomalib.models.components")
    components.AnomalibModule = Usual  # type: ignore[attr-defined]
    for name in ("anomalib", "anomalib.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "anomalib.models.components", components)

    def kind(crop: int, **more: Any) -> Any:
        class Kind:
            @staticmethod
            def configure_pre_processor(image_size: Any, center_crop_size: Any = None) -> Any:
                assert (image_size, center_crop_size) == ((32, 32), (32, 32))
                if crop > 32:
                    raise ValueError("the crop is larger")
                return nn.Sequential(nn.Identity(), CenterCrop(crop))

        return Kind

    assert _prepared(kind(24), 32) == ("whole", (32, 32))
    assert _prepared(kind(64), 32) == ("whole", (32, 32))
    assert isinstance(_prepared(kind(32), 32), nn.Sequential)


def test_a_fit_without_settings_of_training_takes_as_many_images_at_once_as_are_scored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []

    def fitted(module: Any, normal: Images, run: Run, *, trained: bool, name: str) -> None:
        seen.append((module, len(normal), run.batch_size, trained, name))

    fitting = ModuleType("harness_anomalib.fitting")
    fitting.fitted = fitted  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "harness_anomalib.fitting", fitting)
    monkeypatch.setattr("harness_anomalib.making.made", lambda *asked: asked[:-1])
    for name, batch in (("padim", 0), ("stfpm", 4)):
        adapter = Anomalib(model=name, backbone="vit", arguments='{"a": 1}')
        adapter.fit(toy_images(5), encoder=None, loss=None, run=replace(RUN, batch_size=batch))
    assert seen == [
        (("Padim", "padim", "vit", {"a": 1}), 5, 8, False, "padim"),
        (("Stfpm", "stfpm", "vit", {"a": 1}), 5, 4, True, "stfpm"),
    ]


def test_a_kept_model_is_made_without_published_weights_and_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def again(cls: str, name: str, backbone: str, given: Any, run: Run) -> Module:
        asked.append(run.weights)
        return Module()

    monkeypatch.setattr("harness_anomalib.making.made", again)
    state: Mapping[str, Any] = {"model.scale": np.array([4.0], dtype=np.float32)}
    adapter = Anomalib(model="padim")
    adapter.restore(state, encoder=None, loss=None, run=replace(RUN, weights="pretrained"))
    assert asked == ["random"]
    assert not adapter._module.training
    assert {name: array.tolist() for name, array in adapter.state().items()} == {"model.scale": [4.0]}
