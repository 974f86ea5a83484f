"""The parts keep the harness's contract."""

from __future__ import annotations

from anomaly_vae import VAE, Charbonnier, Tail

from harness.testing import parametrize_with_checks


@parametrize_with_checks([VAE(latent_dim=4, widths=(8, 8, 8, 8)), Tail, Tail(risk=0.001), Charbonnier])
def test_a_part_keeps_the_contract(part, check):
    check(part)
