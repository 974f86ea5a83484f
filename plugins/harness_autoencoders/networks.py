"""The autoencoder: any encoder, a bottleneck or none, and one decoder for all."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Loss, UsageError
from harness_autoencoders.content_noise import ContentNoise
from harness_autoencoders.corruption import apply
from harness_timm import rectified

UPSAMPLINGS = 4
"""How often the decoder doubles the size; it therefore takes features of reduction 16."""


class UpsampledConv2d(nn.Conv2d):
    """Nearest upsampling by 2, then a 3x3 convolution, as one transposed convolution of stride 2.

    Each output pixel depends on 2x2 pixels of the small map, with sums of the 3x3 weights. Together they are a 4x4
    kernel, exact at borders too, with 2.25 times fewer multiplications. The parameters are those of the 3x3 one.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, width, 2H, 2W)."""
        # The bias is added separately: oneDNN takes longer over its gradient than over that of the weights, and torch
        # hands none to cuDNN but adds it afterwards.
        assert self.bias is not None
        output = self.without_bias(features)
        return output.add_(self.bias.to(output.dtype)[:, None, None])

    def rectified(self, features: Tensor) -> Tensor:
        """The same after a ReLU."""
        assert self.bias is not None
        return rectified(self.without_bias(features), self.bias)

    def without_bias(self, features: Tensor) -> Tensor:
        """The same before the bias is added."""
        sums = 4 * functional.avg_pool2d(self.weight, 2, stride=1, padding=1)
        kernel = sums.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
        return functional.conv_transpose2d(features, kernel, stride=2, padding=1)


class SqueezeExcite(nn.Module):
    """Channel attention: each channel is scaled by a number from 0 to 1, computed from the means of all channels.

    Hu, Shen and Sun, https://arxiv.org/abs/1709.01507, with their reduction of 16 but at least 8 hidden units.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(8, channels // 16)
        self.squeeze, self.excite = nn.Linear(channels, hidden), nn.Linear(hidden, channels)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to the same."""
        scale: Tensor = self.excite(self.squeeze(features.mean(dim=(2, 3))).relu()).sigmoid()
        return features * scale[:, :, None, None]


class Decoder(nn.Module):
    """Four times upsampling, convolution and ReLU, then a fifth convolution to 3 channels and a sigmoid."""

    def __init__(self, channels: int, widths: tuple[int, ...], attention: str) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            UpsampledConv2d(before, after) for before, after in zip((channels, *widths), widths, strict=False)
        )
        self.attentions = nn.ModuleList(
            SqueezeExcite(width) if attention == "squeeze_excite" else nn.Identity() for width in widths
        )
        self.last = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, 3, 16 H, 16 W) in [0, 1]."""
        for stage, attention in zip(self.stages, self.attentions, strict=True):
            features = attention(cast("UpsampledConv2d", stage).rectified(features))
        output: Tensor = self.last(features)
        return output.float().sigmoid_()


class Bottleneck(nn.Module):
    """A dense layer down to a few numbers, and one back to a feature map."""

    def __init__(self, channels: int, side: int, latent_dim: int, width: int) -> None:
        super().__init__()
        self.shape = (width, side, side)
        self.down = nn.Linear(channels * side * side, latent_dim)
        self.up = nn.Linear(latent_dim, width * side * side)

    def encode(self, features: Tensor) -> Tensor:
        """(N, channels, side, side) to (N, latent_dim)."""
        latent: Tensor = self.down(features.flatten(1))
        return latent

    def decode(self, latent: Tensor) -> Tensor:
        """(N, latent_dim) to (N, width, side, side), not negative, like features after a ReLU."""
        features: Tensor = self.up(latent).relu_()
        return features.view(-1, *self.shape).contiguous(memory_format=torch.channels_last)


class Autoencoder(nn.Module):
    """Encoder, bottleneck where `latent_dim` is given, and decoder. Raises UsageError where the reduction is not 16."""

    def __init__(
        self,
        encoder: nn.Module,
        image_size: int,
        *,
        widths: tuple[int, ...],
        latent_dim: int | None,
        attention: str,
    ) -> None:
        super().__init__()
        channels, reduction = int(encoder.channels), int(encoder.reduction)  # type: ignore[arg-type]
        if reduction != 2**UPSAMPLINGS:
            raise UsageError(f"the encoder's reduction is {reduction}, the decoder takes {2**UPSAMPLINGS}")
        self.encoder = encoder
        self.bottleneck = None
        if latent_dim is not None:
            # Back to as many channels as the decoder is wide, not as the encoder is: so it is the same for all
            # encoders, and the dense layers behind a ResNet50 have 71 million weights at 256x256, not 134.
            self.bottleneck = Bottleneck(channels, image_size // reduction, latent_dim, widths[0])
            channels = widths[0]
        self.decoder = Decoder(channels, widths, attention)
        self.to(memory_format=torch.channels_last)

    def encode(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the latent: (N, latent_dim), or the encoder's features without a bottleneck."""
        features: Tensor = self.encoder(images)
        return features if self.bottleneck is None else self.bottleneck.encode(features)

    def decode(self, latent: Tensor) -> Tensor:
        """The output of `encode` to (N, 3, H, W) in [0, 1]."""
        output: Tensor = self.decoder(latent if self.bottleneck is None else self.bottleneck.decode(latent))
        return output

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to the same."""
        return self.decode(self.encode(images))


class ReconstructionError(nn.Module):
    """An autoencoder with the loss that says where its reconstruction is wrong."""

    def __init__(self, autoencoder: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.autoencoder, self._loss = autoencoder, loss
        # A loss is no module, but the network that it may have must be moved, saved and exported with the rest.
        self.of_loss = nn.ModuleList(part for part in vars(loss).values() if isinstance(part, nn.Module))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, H, W)."""
        return self._loss.error_map(self.autoencoder(images), images)


class DenoisingError(ReconstructionError):
    """The error map of an autoencoder that sees corrupted images and should return clean ones."""

    def __init__(
        self, autoencoder: nn.Module, loss: Loss, source: ContentNoise | None, noise: str, level: float
    ) -> None:
        super().__init__(autoencoder, loss)
        self.source, self.noise, self.level = source, noise, level

    def forward(self, images: Tensor, noise: Tensor | None = None) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, H, W). Without a source they are corrupted by what was drawn, or not at all."""
        if self.source is not None:
            normal = self.noise == "gaussian"
            noise = self.source.normal(images) * self.level if normal else self.source.uniform(images)
        shown = images if noise is None else apply(images, noise, self.noise, self.level)
        return self._loss.error_map(self.autoencoder(shown), images)


def level_shapes(pyramid: nn.Module, image_size: int) -> list[torch.Size]:
    """The shape (C, h, w) of each map of an encoder's pyramid, found by showing it one black image."""
    device = next((weight.device for weight in pyramid.parameters()), torch.device("cpu"))
    pyramid.eval()
    with torch.no_grad():
        return [level.shape[1:] for level in pyramid(torch.zeros(1, 3, image_size, image_size, device=device))]
