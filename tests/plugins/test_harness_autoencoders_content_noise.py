"""Noise from an image's own pixels: it passes for independent draws of a normal distribution, alike in every runtime."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from harness_autoencoders import content_noise
from harness_autoencoders.content_noise import LARGEST, ContentNoise, P, _congruent, _cubed, _rest

FAR = 4.5
"""Standard errors that none of some hundred right figures is away from what it estimates: p is 7e-6 each."""


def images(kind: str, count: int = 6, size: int = 96) -> Tensor:
    """(N, 3, H, W) in steps of 1/255: random, of one colour each, or one image with one other pixel each."""
    drawn = torch.randint(0, 256, (count, 3, size, size), generator=torch.Generator().manual_seed(3))
    if kind == "of one colour":
        drawn[:] = torch.arange(count).view(-1, 1, 1, 1) * 9
    if kind == "nearly the same":
        drawn[1:] = drawn[0]
        drawn[torch.arange(count), 0, 5, 7] = torch.arange(count)
    return drawn.float() / 255


@pytest.fixture(scope="module", params=["random", "of one colour", "nearly the same"])
def noise(request: pytest.FixtureRequest) -> Tensor:
    return ContentNoise(0).normal(images(request.param)).double()


def test_division_is_exact_for_every_whole_number_that_float32_holds() -> None:
    numbers = torch.arange(2**24)
    assert torch.equal(_rest(numbers.float()).long(), numbers % P)
    assert _congruent(numbers.float()).min() >= -1


def test_a_cube_takes_every_value_once() -> None:
    assert len(set(_cubed(torch.arange(P).float()).tolist())) == P


def test_moments_are_those_of_a_normal_distribution(noise: Tensor) -> None:
    n = noise.numel()
    for power, (moment, variance) in {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96)}.items():
        assert abs((noise**power).mean().item() - moment) < FAR * (variance / n) ** 0.5, power
    assert stats.kstest(noise.flatten().numpy(), "norm").pvalue > 1e-4
    assert 4 < noise.abs().max() < 6.5


@pytest.mark.parametrize("between", ["columns", "every other column", "halves", "rows", "channels", "images"])
def test_neighbours_are_independent(noise: Tensor, between: str) -> None:
    first, second = {
        "columns": (noise[..., 1:], noise[..., :-1]),
        "every other column": (noise[..., 2:], noise[..., :-2]),
        "halves": (noise[..., 48:], noise[..., :48]),  # Box and Muller make them of the same numbers
        "rows": (noise[:, :, 1:], noise[:, :, :-1]),
        "channels": (noise[:, 1:], noise[:, :-1]),
        "images": (noise[1:], noise[:-1]),
    }[between]
    assert_independent(first, second)


def test_seeds_are_independent() -> None:
    first, second = (ContentNoise(seed).normal(images("random")).double() for seed in (0, 1))
    assert_independent(first, second)


def assert_independent(first: Tensor, second: Tensor) -> None:
    n = first.numel()
    squares = (first.square() - 1) * (second.square() - 1)
    assert abs((first * second).mean().item()) < FAR / n**0.5
    assert abs(squares.mean().item()) < FAR * 2 / n**0.5
    assert abs((first.square() * second).mean().item()) < FAR * 3**0.5 / n**0.5


def test_no_two_rows_of_an_image_repeat_each_other(noise: Tensor) -> None:
    rows = noise[0].reshape(-1, noise.shape[3]).numpy()
    between = np.corrcoef(rows)[np.triu_indices(len(rows), 1)]
    assert np.abs(between).max() < 0.7  # of 41,000 pairs of 96 independent numbers none is above .6


def test_uniform_numbers_fill_the_interval_evenly() -> None:
    numbers = ContentNoise(0).uniform(images("random", 12)).flatten().numpy()
    assert 0 < numbers.min() < 1e-4
    assert 1 - 1e-4 < numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=500, range=(0, 1))
    assert stats.chisquare(counts).pvalue > 1e-4


def test_an_image_has_its_noise_in_any_company_and_another_one_for_any_other_pixel_or_seed() -> None:
    some = images("nearly the same", 4)
    together = ContentNoise(5).normal(some)
    assert torch.equal(torch.cat([ContentNoise(5).normal(one[None]) for one in some]), together)
    assert len({one.numpy().tobytes() for one in together}) == 4
    assert not torch.equal(ContentNoise(6).normal(some), together)


def test_widths_are_whole_and_those_beyond_exactness_are_refused() -> None:
    assert ContentNoise(0).normal(torch.rand(2, 3, 5, 7)).shape == (2, 3, 5, 7)
    assert ContentNoise(0).uniform(torch.rand(2, 3, 5, 7)).shape == (2, 1, 5, 7)
    widest = ContentNoise(0).normal(torch.ones(1, 3, 1, LARGEST))
    assert widest.isfinite().all()
    with pytest.raises(ValueError, match="4097x1 pixels: expected at most 4096"):
        ContentNoise(0).normal(torch.ones(1, 3, 1, LARGEST + 1))


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.noise = ContentNoise(3)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        shown = pixels.permute(0, 3, 1, 2).float() / 255
        return self.noise.uniform(shown), self.noise.normal(shown)


@pytest.mark.filterwarnings("ignore")  # of torch's exporter, about its own future
def test_other_runtimes_get_the_same_numbers(tmp_path: Path) -> None:
    for needed in ("onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(needed, reason="the runtimes are not here: pip install 'anomaly-harness[onnx,openvino]'")
    import onnxruntime
    import openvino

    pixels = (images("random", 2, 64) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    file = str(tmp_path / "noise.onnx")
    program = torch.onnx.export(Both().eval(), (pixels,), dynamo=True, verbose=False, input_names=["pixels"])
    assert program is not None
    program.save(file)
    uniform, normal = (found.numpy() for found in Both()(pixels))
    by_onnx = onnxruntime.InferenceSession(file).run(None, {"pixels": pixels.numpy()})
    compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    by_openvino = compiled({"pixels": pixels.numpy()})
    for found in (by_onnx, [by_openvino[0], by_openvino[1]]):
        np.testing.assert_allclose(found[0], uniform, atol=2e-7)  # a whole number more would be 2e-4
        np.testing.assert_allclose(found[1], normal, atol=1e-5)


@pytest.mark.parametrize("size", [(5, 7), (64, 48)])
def test_remainders_in_one_operation_as_on_a_gpu_give_the_same_to_the_last_bit(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    shown = torch.randint(0, 256, (3, 3, *size), generator=torch.Generator().manual_seed(0)) / 255
    in_several = ContentNoise(5).normal(shown), ContentNoise(5).uniform(shown)
    monkeypatch.setattr(content_noise, "_in_one", lambda x: True)
    for found, expected in zip(
        (ContentNoise(5).normal(shown), ContentNoise(5).uniform(shown)), in_several, strict=True
    ):
        assert torch.equal(found, expected)
    every = torch.arange(0, 2**24 + 1, 7, dtype=torch.float32)
    assert torch.equal(content_noise._rest(every), every.long().remainder(content_noise.P).float())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gets_the_same_numbers() -> None:
    some = images("random", 2)
    torch.testing.assert_close(
        ContentNoise(0).normal(some.cuda()).cpu(), ContentNoise(0).normal(some), atol=1e-5, rtol=0
    )


def test_the_noise_of_an_image_is_the_same_for_good() -> None:
    """Limits of kept models were set with it: who changes these numbers gives dae another version."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    noise = ContentNoise(3)
    coarse, fine = noise._numbers(images, 1, 7)
    assert coarse[0, 0, 0, :4].tolist() == [3053, 678, 1029, 112]
    assert fine[0, 0, 0, :4].tolist() == [2248, 446, 1081, 1088]
    for planes, width, digits in ((1, 7, "7303d4405becbb7a"), (3, 4, "1d3695341e2d44fd")):
        numbers = torch.stack(noise._numbers(images, planes, width)).to(torch.int64).numpy()
        assert hashlib.sha256(numbers.tobytes()).hexdigest()[:16] == digits
    assert noise.uniform(images)[0, 0, 0, :2].tolist() == pytest.approx([0.7464066743850708, 0.16575632989406586])
    assert noise.normal(images)[1, 2, 4].tolist() == pytest.approx(
        [-1.876418, 1.446611, -1.834437, 1.888624, 0.085075, -0.984270, -0.624049], abs=1e-5
    )


@pytest.mark.parametrize(
    ("height", "width", "refused"), [(4096, 1, False), (1, 4096, False), (4097, 1, True), (1, 4097, True)]
)
def test_an_image_may_have_4096_rows_and_columns(height: int, width: int, refused: bool) -> None:
    images = torch.zeros(1, 3, height, width)
    if refused:
        with pytest.raises(ValueError, match=f"an image of {width}x{height} pixels: expected at most 4096 a side"):
            ContentNoise(0).uniform(images)
    else:
        assert ContentNoise(0).uniform(images).shape == (1, 1, height, width)
