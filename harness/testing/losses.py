"""What the harness relies on in a loss: an error at each pixel, which is zero where nothing is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.api import Loss, Run
from harness.errors import UnavailableError
from harness.testing.parts import Check, fresh

if TYPE_CHECKING:
    from torch import Tensor

SIZE = 176
"""Height and width in pixels; losses of several scales refuse smaller images."""
RUN = Run(image_size=SIZE, weights="random")
SMALL = 1e-5
"""What float32 may make of zero."""


def checks(loss: Loss) -> Iterator[Check]:
    """The checks that apply to this loss."""
    yield check_map_has_the_size_of_the_images
    yield check_is_zero_at_identity
    yield check_is_not_negative
    yield check_is_differentiable
    yield check_gradient_is_finite_at_identity
    yield check_is_finite_on_constant_images
    yield check_map_does_not_depend_on_batch
    yield check_gives_one_number_to_minimise
    if loss.mean_of_map:
        yield check_is_the_mean_of_its_map
    if loss.pretrained:
        yield check_says_that_weights_are_missing


def check_map_has_the_size_of_the_images(loss: Loss) -> None:
    """(N, 3, H, W) twice gives (N, H, W)."""
    loss = _prepared(loss)
    output, target = _pair()
    shape = tuple(loss.error_map(output, target).shape)
    wanted = (len(output), *output.shape[2:])
    assert shape == wanted, f"images of shape {tuple(output.shape)} gave a map of shape {shape}, expected {wanted}"


def check_is_zero_at_identity(loss: Loss) -> None:
    """An output equal to its target has no error anywhere."""
    loss = _prepared(loss)
    for image in (*_pair(), _constant(0.0), _constant(1.0)):
        worst = loss.error_map(image, image.clone()).abs().max().item()
        assert worst <= SMALL, f"an image against itself has an error of {worst:.3g}, expected 0"


def check_is_not_negative(loss: Loss) -> None:
    """No error is below zero."""
    loss = _prepared(loss)
    output, target = _pair()
    for left, right in ((output, target), (target, 1 - target), (_constant(0.0), _constant(1.0))):
        lowest = loss.error_map(left, right).min().item()
        assert lowest >= -SMALL, f"the error map has a value of {lowest:.3g}, expected none below 0"


def check_is_differentiable(loss: Loss) -> None:
    """Both the map and the loss hand a gradient to the output, finite and not zero."""
    loss = _prepared(loss)
    import torch

    output, target = _pair()
    for what, function in (("map", lambda o, t: loss.error_map(o, t).sum()), ("loss", loss)):
        asked = output.clone().requires_grad_()
        value = function(asked, target)
        assert value.requires_grad, f"the {what} hands no gradient to the output"
        (gradient,) = torch.autograd.grad(value, asked)
        _assert_finite(gradient, f"the gradient of the {what}")
        assert gradient.any(), f"the gradient of the {what} is 0 everywhere, so that nothing can be learned"


def check_gradient_is_finite_at_identity(loss: Loss) -> None:
    """The gradient is finite where the output equals the target, unlike that of a square root."""
    loss = _prepared(loss)
    import torch

    for image in (_pair()[1], _constant(0.5)):
        asked = image.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(asked, image), asked)
        _assert_finite(gradient, "the gradient where output and target are equal")


def check_is_finite_on_constant_images(loss: Loss) -> None:
    """Images without any contrast lead to no division by zero."""
    loss = _prepared(loss)
    for output in (0.0, 0.5, 1.0):
        for target in (0.0, 1.0):
            error = loss.error_map(_constant(output), _constant(target))
            _assert_finite(error, f"the error map of a constant {output} against a constant {target}")


def check_map_does_not_depend_on_batch(loss: Loss) -> None:
    """An image's error is the same alone and among others."""
    loss = _prepared(loss)
    output, target = _pair()
    together = loss.error_map(output, target)
    alone = loss.error_map(output[:1], target[:1])
    worst, largest = (together[:1] - alone).abs().max().item(), together.abs().max().item()
    assert worst <= 1e-4 * largest, (
        f"an image's error map changes by {worst:.3g} when it comes alone, where the largest error is {largest:.3g}"
    )


def check_gives_one_number_to_minimise(loss: Loss) -> None:
    """Calling it gives a scalar, which is larger for a worse output."""
    loss = _prepared(loss)
    output, target = _pair()
    value = loss(output, target)
    assert tuple(value.shape) == (), f"calling it gave shape {tuple(value.shape)}, expected a scalar"
    right = loss(target.clone(), target).item()
    assert value.item() > right, f"a wrong output costs {value.item():.3g}, a right one {right:.3g}: expected less"


def check_is_the_mean_of_its_map(loss: Loss) -> None:
    """Calling it gives the mean of its map if, and only if, `mean_of_map` says so."""
    loss = _prepared(loss)
    output, target = _pair()
    value, mean = loss(output, target).item(), loss.error_map(output, target).mean().item()
    assert abs(value - mean) <= 1e-4 * abs(mean), (
        f"calling it gives {value:.6g}, the mean of its map is {mean:.6g}: expected equality, or mean_of_map = False"
    )


def check_says_that_weights_are_missing(loss: Loss) -> None:
    """If pretrained weights are not in the folder, UnavailableError is raised; no other weights are used instead."""
    with TemporaryDirectory() as folder:
        try:
            fresh(loss).prepare(replace(RUN, weights="pretrained", weights_dir=Path(folder)))
        except UnavailableError:
            return
    raise AssertionError("pretrained weights were asked for and none were there, expected an UnavailableError")


def _prepared(loss: Loss) -> Loss:
    """A new loss with the same options, ready for use."""
    again = fresh(loss)
    again.prepare(RUN)
    return again


def _pair() -> tuple[Tensor, Tensor]:
    """Two different batches of three images, (3, 3, SIZE, SIZE)."""
    import torch

    generator = torch.Generator().manual_seed(0)
    target = torch.rand(3, 3, SIZE, SIZE, generator=generator)
    noise = torch.rand(3, 3, SIZE, SIZE, generator=generator)
    return 0.7 * target + 0.3 * noise, target


def _constant(value: float) -> Tensor:
    import torch

    return torch.full((2, 3, SIZE, SIZE), value)


def _assert_finite(values: Tensor, what: str) -> None:
    bad = values[~values.isfinite()]
    assert not bad.numel(), f"{what} has {bad.numel()} values that are not finite, as {bad[0].item()}"
