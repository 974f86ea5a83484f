"""GANomaly. torch is imported when it is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from harness import Encoder, Images, Loss, Run
from harness_autoencoders import Reconstruction, Weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from harness_reconstruction.embedding import EncoderDecoderEncoder


@dataclass
class GANomaly(Reconstruction):
    """How far an image's latent lies from that of its reconstruction, both encoded, against an adversary."""

    name = "ganomaly"
    licence = "MIT"
    source = "https://arxiv.org/abs/1805.06725 (Akcay, Atapour-Abarghouei and Breckon, ACCV 2018)"
    uses = frozenset({"encoder", "loss", "training"})

    adversarial: float = 1.0
    """The weight of how far the adversary's features of a reconstruction are from those of its image."""
    contextual: float = 50.0
    """The weight of the loss between the reconstruction and its image; the authors have `l1`."""
    encoding: float = 1.0
    """The weight of the squared distance of the two latents."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.contextual < 0 or self.encoding <= 0:
            raise ValueError(
                f"contextual is {self.contextual:g} and encoding {self.encoding:g}, expected 0 or more, and above 0"
            )
        if self.bottleneck == "none":
            raise ValueError("bottleneck is 'none', but the latents of ganomaly are a dense bottleneck: expected dense")

    def network(self) -> nn.Module:
        """A module from images (N, 3, H, W) in [0, 1] to the mean absolute distance (N,) of both latents."""
        from harness_reconstruction.embedding import LatentDistance

        return LatentDistance(cast("EncoderDecoderEncoder", self._network))

    def _resolved_bottleneck(self, encoder: Encoder | None) -> str:
        return "dense"

    def _build(self, encoder: Encoder | None, loss: Loss | None, run: Run, weights: Weights) -> nn.Module:
        from harness_autoencoders import Autoencoder
        from harness_reconstruction.embedding import EncoderDecoderEncoder

        first = cast("Autoencoder", super()._build(encoder, loss, run, weights))
        assert encoder is not None
        return EncoderDecoderEncoder(first, encoder.build(replace(run, weights=weights)))

    def _train(self, normal: Images, run: Run) -> None:
        import torch

        from harness_autoencoders import reconstruction_errors

        super()._train(normal, run)
        network = cast("EncoderDecoderEncoder", self._network)
        differences = reconstruction_errors(normal, lambda clean, _: network.apart(clean), run.device)
        network.usual.copy_(torch.from_numpy(differences).mean(dim=0))

    def _step(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        network = cast("EncoderDecoderEncoder", self._network)
        latent, output, again = network(clean)
        loss: Tensor = self.contextual * self._loss(output, clean) + self.encoding * (latent - again).square().mean()
        if self._adversary is None:
            return loss
        self._adversary.learn(output, clean)
        return loss + self.adversarial * self._adversary.difference(output, clean)
