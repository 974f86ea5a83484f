"""The contractive penalty: the squared Frobenius norm of the Jacobian of latent numbers in the pixels of their image.

Rifai et al. 2011. For random v with E[v v'] = I, E||v'J||^2 = E||Jv||^2 = ||J||_F^2: so one probe is unbiased.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Encode = Callable[[Tensor], Tensor]
"""(N, 3, H, W) to (N, ...)."""


def contraction(
    encode: Encode, images: Tensor, penalty: str, probes: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The latent of (N, 3, H, W), and the mean over images of ||dh/dx||_F^2, a scalar; both differentiable.

    `reverse` and `forward` estimate it from `probes` random vectors, `exact` takes one pass for each latent number.
    """
    estimator = {"reverse": _reverse, "forward": _forward, "exact": _exact}[penalty]
    latent, squares = estimator(encode, images, probes, generator)
    return latent, squares / len(images)


def _reverse(encode: Encode, images: Tensor, probes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    images = images.detach().requires_grad_()
    latent = encode(images)
    squares = torch.zeros((), device=images.device)
    for _ in range(probes):
        (row,) = torch.autograd.grad(latent, images, _signs(latent, generator), create_graph=True)
        squares = squares + row.float().square().sum()
    return latent, squares / probes


def _forward(encode: Encode, images: Tensor, probes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    squares = torch.zeros((), device=images.device)
    for _ in range(probes):
        latent, column = torch.func.jvp(encode, (images,), (_signs(images, generator),))[:2]
        squares = squares + column.float().square().sum()
    return latent, squares / probes


def _exact(encode: Encode, images: Tensor, probes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    images = images.detach().requires_grad_()
    latent = encode(images)
    squares = torch.zeros((), device=images.device)
    for number in latent.flatten(1).unbind(1):
        (row,) = torch.autograd.grad(number.sum(), images, create_graph=True)
        squares = squares + row.float().square().sum()
    return latent, squares


def _signs(like: Tensor, generator: torch.Generator) -> Tensor:
    """Random signs: of all such v, those whose estimates scatter least (Hutchinson)."""
    return torch.empty_like(like).bernoulli_(0.5, generator=generator).mul_(2).sub_(1)
