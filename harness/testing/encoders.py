"""What the harness relies on in an encoder: features of the size and number that it declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.api import Encoder, Run
from harness.errors import UnavailableError
from harness.testing.parts import Check
from harness.testing.toys import SIZE

if TYPE_CHECKING:
    from torch import Tensor

RUN = Run(image_size=SIZE, weights="random")


def run_for(encoder: Encoder) -> Run:
    """A run of images of about 64 pixels: as many as a multiple of the reduction that the encoder declares."""
    reduction = encoder.reduction or 1
    return replace(RUN, image_size=max(SIZE // reduction, 1) * reduction)


def checks(encoder: Encoder) -> Iterator[Check]:
    """The checks that apply to this encoder."""
    yield check_features_have_the_declared_shape
    yield check_declared_reduction_is_true
    yield check_features_are_finite
    yield check_features_depend_on_the_image
    yield check_is_deterministic_in_eval
    yield check_features_do_not_depend_on_batch
    yield check_is_differentiable_in_the_image
    yield check_same_generator_state_gives_same_features
    yield check_pyramid_has_the_reductions_asked_for
    if encoder.pretrained:
        yield check_says_that_weights_are_missing


def check_features_have_the_declared_shape(encoder: Encoder) -> None:
    """(N, 3, H, W) gives (N, channels, H/reduction, W/reduction), at two image sizes."""
    for more in (0, 2 * (encoder.reduction or 16)):
        size = run_for(encoder).image_size + more
        module = encoder.build(replace(RUN, image_size=size)).eval()
        channels, reduction = getattr(module, "channels", None), getattr(module, "reduction", None)
        assert isinstance(channels, int), f"the module has channels {channels!r}, expected a whole number"
        assert isinstance(reduction, int), f"the module has reduction {reduction!r}, expected a whole number"
        features = _features(module, _random(size))
        wanted = (2, channels, size // reduction, size // reduction)
        assert tuple(features.shape) == wanted, (
            f"images of {size}x{size} gave features of shape {tuple(features.shape)}, expected {wanted} "
            f"of {channels} channels and reduction {reduction}"
        )


def check_declared_reduction_is_true(encoder: Encoder) -> None:
    """The reduction that the part declares is that of the built module."""
    built = encoder.build(run_for(encoder)).reduction
    assert encoder.reduction in (None, built), f"it declares reduction {encoder.reduction}, but is built with {built}"


def check_features_are_finite(encoder: Encoder) -> None:
    """Features are finite, even of black and of white images."""
    module = encoder.build(run_for(encoder)).eval()
    images = _images(encoder)
    for what, given in (("random", images), ("black", images * 0), ("white", images * 0 + 1)):
        features = _features(module, given)
        bad = features[~features.isfinite()]
        assert not bad.numel(), f"{what} images give {bad.numel()} features that are not finite, as {bad[0].item()}"


def check_features_depend_on_the_image(encoder: Encoder) -> None:
    """Two different images have different features."""
    features = _features(encoder.build(run_for(encoder)).eval(), _images(encoder))
    assert not features[0].equal(features[1]), "two random images have equal features"


def check_is_deterministic_in_eval(encoder: Encoder) -> None:
    """The same images give the same features twice."""
    module, images = encoder.build(run_for(encoder)).eval(), _images(encoder)
    worst = (_features(module, images) - _features(module, images)).abs().max().item()
    assert worst == 0, f"the same images give features that differ by up to {worst:.3g} the second time"


def check_features_do_not_depend_on_batch(encoder: Encoder) -> None:
    """In eval mode, an image's features are the same alone and among others."""
    module, images = encoder.build(run_for(encoder)).eval(), _images(encoder)
    together, alone = _features(module, images)[:1], _features(module, images[:1])
    worst, largest = (together - alone).abs().max().item(), together.abs().max().item()
    assert worst <= 1e-3 * largest, (
        f"an image's features change by up to {worst:.3g} when it comes alone, where the largest is {largest:.3g}"
    )


def check_is_differentiable_in_the_image(encoder: Encoder) -> None:
    """The features hand a gradient to the image, as the contractive penalty needs."""
    import torch

    images = _images(encoder).requires_grad_()
    features = encoder.build(run_for(encoder)).eval()(images)
    (gradient,) = torch.autograd.grad(features.square().sum(), images, allow_unused=True)
    assert gradient is not None, "the features hand no gradient to the image"
    assert gradient.isfinite().all(), "the gradient in the image is not finite"


def check_same_generator_state_gives_same_features(encoder: Encoder) -> None:
    """Random weights come from torch's generator, which a model seeds before it builds."""
    import torch

    features = []
    for _ in range(2):
        torch.manual_seed(RUN.seed)
        features.append(_features(encoder.build(run_for(encoder)).eval(), _images(encoder)))
    worst = (features[0] - features[1]).abs().max().item()
    assert worst == 0, f"built twice after torch.manual_seed({RUN.seed}), its features differ by up to {worst:.3g}"


def check_pyramid_has_the_reductions_asked_for(encoder: Encoder) -> None:
    """Maps of reductions 8 and 16, in that order, from an encoder that offers them."""
    reductions = (8, 16)
    module = encoder.build_pyramid(run_for(encoder), reductions).eval()
    maps = _features(module, _images(encoder))
    shapes = [tuple(level.shape[2:]) for level in maps]
    size = run_for(encoder).image_size
    own = tuple(sorted(getattr(module, "reductions", reductions)))  # options may choose the maps, the finest first
    wanted = [(size // reduction, size // reduction) for reduction in own]
    assert shapes == wanted, f"reductions {own} of {size}x{size} images are maps of {shapes}, expected {wanted}"


def check_says_that_weights_are_missing(encoder: Encoder) -> None:
    """If pretrained weights are not in the folder, UnavailableError is raised; no other weights are used instead."""
    with TemporaryDirectory() as folder:
        try:
            encoder.build(replace(run_for(encoder), weights="pretrained", weights_dir=Path(folder)))
        except UnavailableError:
            return
    raise AssertionError("pretrained weights were asked for and none were there, expected an UnavailableError")


def _images(encoder: Encoder) -> Tensor:
    """Two random images of a size that suits the encoder."""
    return _random(run_for(encoder).image_size)


def _random(size: int) -> Tensor:
    """Two random images, (2, 3, size, size)."""
    import torch

    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def _features(module: Any, images: Tensor) -> Any:
    import torch

    with torch.no_grad():
        return module(images)
