"""Bias, ReLU and pooling in one pass. Here Triton's interpreter runs the kernels; a GPU compiles them."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch.nn import functional

from harness import Run
from harness_autoencoders.networks import UpsampledConv2d
from harness_timm import Conv, fused

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


HALF = torch.float16
"""Triton's interpreter cuts bfloat16 off where a GPU rounds it."""
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


def test_triton_interprets_the_kernels(request: pytest.FixtureRequest) -> None:
    """Triton decides when it is imported whether it interprets, so the tests that take `kernels` run in a new process."""
    pytest.importorskip("triton", reason="no Triton here")
    if INTERPRETED:
        pytest.skip("this is the new process")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-k", "interpreted", __file__]
    done = subprocess.run(
        words, env={**os.environ, "TRITON_INTERPRET": "1"}, cwd=request.config.rootpath, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout, done.stdout


@pytest.fixture
def kernels() -> ModuleType:
    """The kernels, in a process where Triton interprets them."""
    if not INTERPRETED:
        pytest.skip("test_triton_interprets_the_kernels runs it")
    from harness_timm import kernels

    return kernels


def test_interpreted_kernels_compute_what_torch_does_to_the_last_bit(kernels: ModuleType) -> None:
    assert fused.agree(kernels, torch.device("cpu"), HALF)


@pytest.mark.parametrize("fault", ["Rectified", "Pooled"])
def test_interpreted_kernels_that_compute_something_else_are_noticed(kernels: ModuleType, fault: str) -> None:
    class Wrong(getattr(kernels, fault)):
        @staticmethod
        def forward(ctx, features, bias):
            return getattr(kernels, fault).forward(ctx, features, bias + 1)

    sound = {"Rectified": kernels.Rectified, "Pooled": kernels.Pooled}
    assert not fused.agree(SimpleNamespace(**{**sound, fault: Wrong}), torch.device("cpu"), HALF)


@pytest.mark.parametrize("size", [(4, 4), (5, 7)])
def test_interpreted_pooling_takes_the_first_of_equals_and_lets_pixels_beyond_the_last_window_be(
    kernels: ModuleType, size: tuple[int, int]
) -> None:
    features = torch.randint(-2, 3, (2, *size, 33)).float().permute(0, 3, 1, 2)
    bias = torch.randint(-1, 2, (33,)).float()
    ours, theirs = features.clone().requires_grad_(), features.clone().requires_grad_()
    output = kernels.Pooled.apply(ours * 1, bias)
    expected = functional.max_pool2d(theirs + bias[:, None, None], 2).relu()
    weight = torch.randn(expected.shape)
    assert torch.equal(output, expected)
    assert torch.equal(*(torch.autograd.grad(o, x, weight)[0] for o, x in ((output, ours), (expected, theirs))))


def test_interpreted_what_is_no_number_stays_so(kernels: ModuleType) -> None:
    features = torch.full((1, 32, 2, 2), torch.nan).contiguous(memory_format=torch.channels_last)
    assert kernels.Pooled.apply(features, torch.zeros(32)).isnan().all()
    assert kernels.Rectified.apply(features, torch.zeros(32)).isnan().all()


def test_interpreted_a_network_with_kernels_is_the_network_without_them(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The encoder's and the decoder's own code, with the interpreter's kernels in the place of those of a GPU."""
    torch.manual_seed(0)
    encoder = Conv().build(Run(image_size=16)).to(memory_format=torch.channels_last)
    decoder = UpsampledConv2d(128, 40).to(memory_format=torch.channels_last)
    images = torch.rand(2, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    weights = [*encoder.parameters(), *decoder.parameters()]

    def outcome() -> list[torch.Tensor]:
        output = decoder.rectified(encoder(images))
        return [output.detach(), *torch.autograd.grad(output.square().sum(), weights)]

    plain = outcome()
    monkeypatch.setattr(fused, "_on_gpu", lambda images: True)
    monkeypatch.setattr(fused, "_kernels", lambda device: kernels)
    for ours, theirs in zip(outcome(), plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    seen = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(encoder(seen).sum(), seen, create_graph=True)
    assert torch.autograd.grad(gradient.square().sum(), weights[0])[0].abs().sum() > 0, "a gradient's own gradient"


def test_without_a_gpu_no_kernel_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "_kernels", lambda device: pytest.fail("looked for"))
    features = torch.randn(1, 3, 4, 4)
    expected = (features + torch.ones(3)[:, None, None]).relu()
    assert torch.equal(fused.rectified(features, torch.ones(3)), expected)


@pytest.mark.parametrize(
    ("how", "said"), [("off", ""), ("missing", "no module"), ("wrong", "do not compute here what torch does")]
)
def test_kernels_that_cannot_be_used_are_left_out_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str, said: str
) -> None:
    def agree(kernels: ModuleType, device: torch.device) -> bool:
        if how == "missing":
            raise ImportError("no module named 'triton'")
        return False

    pytest.importorskip("triton", reason="no Triton here")
    fused._kernels.cache_clear()
    monkeypatch.setattr(fused, "agree", agree)
    monkeypatch.setenv("HARNESS_FUSED", "off" if how == "off" else "on")
    assert [fused._kernels(torch.device("cpu")) for _ in range(2)] == [None, None]
    fused._kernels.cache_clear()
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == (0 if how == "off" else 1)


@GPU
def test_a_gpus_kernels_compute_what_torch_does() -> None:
    from harness_timm import kernels

    assert fused.agree(kernels, torch.device("cuda"))
    assert fused._kernels(torch.device("cuda")) is kernels


@GPU
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32])
def test_fused_and_plain_training_steps_have_equal_values_and_about_equal_gradients(
    monkeypatch: pytest.MonkeyPatch, precision: torch.dtype
) -> None:
    torch.manual_seed(0)
    encoder = Conv().build(Run(image_size=64)).cuda().to(memory_format=torch.channels_last)
    images = torch.rand(4, 3, 64, 64, device="cuda").contiguous(memory_format=torch.channels_last)

    def outcome() -> list[torch.Tensor]:
        fused._kernels.cache_clear()
        with torch.autocast("cuda", precision, enabled=precision != torch.float32):
            output = encoder(images)
        return [output.detach(), *torch.autograd.grad(output.float().square().sum(), list(encoder.parameters()))]

    ours = outcome()
    monkeypatch.setenv("HARNESS_FUSED", "off")
    theirs = outcome()
    fused._kernels.cache_clear()
    assert torch.equal(ours[0], theirs[0])
    for found, expected in zip(ours[1:], theirs[1:], strict=True):
        torch.testing.assert_close(found, expected, rtol=2e-2, atol=1e-2)
