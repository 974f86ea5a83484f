"""The contractive penalty: the squared Frobenius norm of the Jacobian of latent numbers in the pixels of their image.

Rifai et al. 2011. For random v with E[v v'] = I, E||v'J||^2 = E||Jv||^2 = ||J||_F^2: one probe is unbiased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from harness_autoencoders.derivatives import CheapSecondDerivatives

Encode = Callable[[Tensor], Tensor]
"""(N, 3, H, W) to (N, ...)."""


def contraction(
    encode: Encode, images: Tensor, penalty: str, probes: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The latent of (N, 3, H, W), and the mean over images of ||dh/dx||_F^2, a scalar; both differentiable.

    `reverse` and `forward` estimate it from `probes` random vectors, `exact` takes one pass for each latent number.
    `exact` assumes that no image influences the latent of another, as it would through batch normalisation.
    """
    images = images.detach().requires_grad_()
    with CheapSecondDerivatives(images):
        latent = encode(images)
    norm = torch.zeros((), device=images.device)
    products = {"reverse": _rows, "forward": _columns, "exact": _all_rows}[penalty]
    for product in products(latent, images, probes, generator):
        norm = norm + product.float().square().sum()
    return latent, norm / len(images) / (1 if penalty == "exact" else probes)


def _rows(latent: Tensor, images: Tensor, probes: int, generator: torch.Generator) -> Iterator[Tensor]:
    """The product v'J for random v."""
    for _ in range(probes):
        yield from torch.autograd.grad(latent, images, _signs(latent, generator), create_graph=True)


def _columns(latent: Tensor, images: Tensor, probes: int, generator: torch.Generator) -> Iterator[Tensor]:
    """The product Jv for random v: u'J is linear in u, and its gradient in u along v is Jv."""
    anywhere = torch.zeros_like(latent, requires_grad=True)
    (row,) = torch.autograd.grad(latent, images, anywhere, create_graph=True)
    for _ in range(probes):
        yield from torch.autograd.grad(row, anywhere, _signs(images, generator), create_graph=True)


def _all_rows(latent: Tensor, images: Tensor, probes: int, generator: torch.Generator) -> Iterator[Tensor]:
    """The product v'J for every unit vector v."""
    for place in range(latent[0].numel()):
        unit = torch.zeros_like(latent)
        unit.view(len(latent), -1)[:, place] = 1
        yield from torch.autograd.grad(latent, images, unit, create_graph=True)


def _signs(like: Tensor, generator: torch.Generator) -> Tensor:
    """Random signs: of all independent entries they give the estimate of the smallest variance (Hutchinson)."""
    bits = torch.randint(0, 2, like.shape, dtype=torch.int8, device=like.device, generator=generator)
    return bits.to(like.dtype).mul_(2).sub_(1)
