"""Losses: the paper's squared error and structural similarity, and those that its outlook asks for."""

from __future__ import annotations

from harness import Loss, hookimpl
from harness_losses.losses import L1, MSE, MSSSIM, SSIM, SSIML1, Perceptual

__all__ = ["L1", "MSE", "MSSSIM", "SSIM", "SSIML1", "Perceptual"]


@hookimpl
def harness_losses() -> list[type[Loss]]:
    """Squared and absolute error, structural similarity at one and several scales, and distance of features."""
    return [MSE, L1, SSIM, SSIML1, MSSSIM, Perceptual]
