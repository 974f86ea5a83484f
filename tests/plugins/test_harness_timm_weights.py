"""Published weights: from a folder, from the hub, and what is said when they are not to be had."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness import Run, UnavailableError
from harness_timm import VGG16, Conv, ResNet50, Timm, weights

NAME = "test_resnet.r160_in1k"
"""A timm model made for tests."""


def run(folder: Path | None) -> Run:
    return Run(image_size=32, weights_dir=folder)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with a file of weights under timm's names, as the whole model has them, head included."""
    import timm

    save_file(timm.create_model(NAME).state_dict(), tmp_path / f"{NAME}.safetensors")
    return tmp_path


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the hub's cache on disk nor what this process remembers of the hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)
    weights._download.cache_clear()
    weights._hub_answers.cache_clear()
    yield
    weights._download.cache_clear()
    weights._hub_answers.cache_clear()


@pytest.mark.parametrize("name", [NAME, "test_resnet"])
def test_every_tensor_comes_from_the_file(published, name):
    module = Timm(name).build(run(published))
    file = load_file(published / f"{NAME}.safetensors")
    loaded = module.model.state_dict()
    assert loaded
    for key, tensor in loaded.items():
        torch.testing.assert_close(tensor, file[key], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("encoder", "file"),
    [(VGG16(), "vgg16.tv_in1k"), (Timm("tf_efficientnet_lite0"), "tf_efficientnet_lite0.in1k")],
)
def test_the_real_files_fit_their_encoders(shared, encoder, file):
    module = encoder.build(run(shared / "weights"))
    wanted = load_file(shared / "weights" / f"{file}.safetensors")
    for key, tensor in module.model.state_dict().items():
        assert torch.equal(tensor, wanted[key]), key


def test_a_resnet50_saved_by_hand_is_loaded(tmp_path):
    state = ResNet50().build(Run(image_size=32, weights="random")).model.state_dict()
    state["conv1.weight"] = torch.full_like(state["conv1.weight"], 0.25)
    save_file(state, tmp_path / "resnet50.tv_in1k.safetensors")
    assert (ResNet50().build(run(tmp_path)).model.conv1.weight == 0.25).all()


def test_random_weights_read_no_file_and_follow_torch_s_seed(tmp_path):
    first, second = (_seeded(seed, tmp_path) for seed in (1, 1))
    other = _seeded(2, tmp_path)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def _seeded(seed: int, folder: Path) -> torch.Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = Timm(NAME).build(Run(image_size=32, weights="random", weights_dir=folder))
    return next(module.parameters()).detach()


def test_conv_asks_for_no_weights(tmp_path):
    assert Conv().build(run(tmp_path)).channels == 128


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnavailableError, match=rf"{NAME}\.safetensors.*--weights random"):
        Timm(NAME).build(run(tmp_path))


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", None], ids=["empty", "other", "truncated"])
def test_a_file_that_is_no_safetensors_is_named(published, content):
    file = published / f"{NAME}.safetensors"
    file.write_bytes(file.read_bytes()[:-1000] if content is None else content)
    with pytest.raises(UnavailableError, match=rf"{NAME}\.safetensors cannot be read as safetensors"):
        Timm(NAME).build(run(published))


def test_a_pickle_under_that_name_is_not_executed(published, tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"conv1.weight": Trap()}, published / f"{NAME}.safetensors")
    with pytest.raises(UnavailableError):
        Timm(NAME).build(run(published))
    assert not (tmp_path / "sprung").exists()


def test_a_file_that_lacks_a_tensor_is_named_with_the_tensor(published):
    file = published / f"{NAME}.safetensors"
    state = load_file(file)
    del state["layer1.0.bn1.running_var"]
    save_file(state, file)
    with pytest.raises(UnavailableError, match=rf"{NAME}\.safetensors lacks 1 of .* 'layer1.0.bn1.running_var'"):
        Timm(NAME).build(run(published))


def test_a_file_of_another_shape_is_named_with_both_shapes(published):
    file = published / f"{NAME}.safetensors"
    state = load_file(file)
    state["layer1.0.bn1.weight"] = torch.ones(5)
    save_file(state, file)
    with pytest.raises(UnavailableError, match=r"'layer1.0.bn1.weight' has the shape \(5,\), expected \("):
        Timm(NAME).build(run(published))


@pytest.mark.usefixtures("no_cache")
def test_an_unreachable_hub_is_asked_once_and_remembered(monkeypatch):
    asked = []

    def fail(host, *_, **__):
        asked.append(host)
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    for name in (NAME, NAME, "test_efficientnet.r160_in1k"):
        with pytest.raises(UnavailableError, match=rf"{name}.*did not answer.*--weights-dir.*--weights random"):
            Timm(name).build(run(None))
    assert len(asked) == 1


@pytest.mark.usefixtures("no_cache")
def test_a_hub_that_never_answers_is_given_up(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(weights, "HUB_TIMEOUT", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(60) and [])
    started = time.monotonic()
    with pytest.raises(UnavailableError, match=r"did not answer within 0\.2 s"):
        Timm(NAME).build(run(None))
    over.set()
    assert time.monotonic() - started < 5


@pytest.mark.usefixtures("no_cache")
def test_offline_nobody_is_asked(monkeypatch):
    asked = []
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **_: asked.append(given))
    with pytest.raises(UnavailableError, match=f"HARNESS_OFFLINE is set and timm/{NAME} is not in the hub's cache"):
        Timm(NAME).build(run(None))
    assert not asked


@pytest.mark.usefixtures("no_cache")
def test_a_model_that_timm_has_no_weights_of_says_so():
    with pytest.raises(UnavailableError, match="timm publishes no weights of mobilenetv2_035"):
        Timm("mobilenetv2_035").build(run(None))


def test_weights_come_from_a_hub_that_answers_and_stay_in_its_cache(published, tmp_path):
    content = (published / f"{NAME}.safetensors").read_bytes()

    asked = []

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self._answer()

        def do_GET(self):
            self._answer()
            self.wfile.write(content)

        def _answer(self):
            asked.append(f"{self.command} {self.path}")
            there = self.path in ("/", f"/timm/{NAME}/resolve/main/model.safetensors")
            self.send_response(200 if there else 404)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", '"0123456789abcdef"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.end_headers()

        def log_message(self, *_):
            pass

    script = f"""
import os
from harness import Run
from harness_timm import Timm
for offline in "01":
    os.environ["HARNESS_OFFLINE"] = offline
    print(Timm({NAME!r}).build(Run(image_size=32)).model.conv1[0].weight.sum().item())
"""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_DISABLE_XET": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **place}, capture_output=True, text=True, timeout=600
    )
    server.shutdown()
    server.server_close()
    assert done.returncode == 0, done.stderr
    expected = load_file(published / f"{NAME}.safetensors")["conv1.0.weight"].sum().item()
    assert [float(line) for line in done.stdout.split()] == pytest.approx([expected, expected])
    assert len([line for line in asked if line.startswith("GET") and line.endswith("safetensors")]) == 1
