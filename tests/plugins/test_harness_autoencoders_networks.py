"""The network: the folded upsampling, the decoder, the bottleneck, and second derivatives that are cheap."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from harness import Run, UsageError
from harness_autoencoders import Autoencoder, Decoder
from harness_autoencoders.derivatives import CheapSecondDerivatives
from harness_autoencoders.networks import UpsampledConv2d
from harness_timm import VGG16, Conv, Timm

RANDOM = Run(image_size=32, weights="random")


def network(latent_dim: int | None = None, attention: str = "none") -> Autoencoder:
    encoder = Conv(widths=(4, 4, 8, 8)).build(RANDOM)
    return Autoencoder(encoder, 32, widths=(8, 8, 4, 4), latent_dim=latent_dim, attention=attention)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    before=st.integers(1, 5),
    after=st.integers(1, 5),
)
def test_folded_upsampling_equals_upsampling_and_convolving_in_value_and_gradient(seed, height, width, before, after):
    generator = torch.Generator().manual_seed(seed)
    folded = UpsampledConv2d(before, after).double()
    images = torch.rand(2, before, height, width, generator=generator, dtype=torch.double, requires_grad=True)
    along = torch.rand(2, after, 2 * height, 2 * width, generator=generator, dtype=torch.double)

    upsampled = functional.interpolate(images, scale_factor=2, mode="nearest")
    plain = functional.conv2d(upsampled, folded.weight, folded.bias, padding=1)
    found = folded(images)
    torch.testing.assert_close(found, plain)
    wanted = [images, folded.weight, folded.bias]
    for ours, theirs in zip(
        torch.autograd.grad(found, wanted, along), torch.autograd.grad(plain, wanted, along), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_folded_upsampling_has_the_parameters_of_a_3x3_convolution():
    folded = UpsampledConv2d(4, 6)
    assert {name: tuple(tensor.shape) for name, tensor in folded.named_parameters()} == {
        "weight": (6, 4, 3, 3),
        "bias": (6,),
    }


def test_the_decoder_upsamples_four_times_and_convolves_five_times():
    decoder = Decoder(8, (8, 6, 4, 4), "none")
    convolutions = [layer for layer in decoder.modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in convolutions] == [
        (8, 8),
        (8, 6),
        (6, 4),
        (4, 4),
        (4, 3),
    ]
    output = decoder(torch.randn(2, 8, 2, 3) * 100)
    assert output.shape == (2, 3, 32, 48)
    assert output.min() >= 0
    assert output.max() <= 1


def test_behind_a_bottleneck_the_decoder_is_the_same_for_every_encoder():
    decoders = []
    for encoder in (Conv(), VGG16()):
        built = Autoencoder(encoder.build(RANDOM), 32, widths=(8, 8, 4, 4), latent_dim=5, attention="none")
        decoders.append({name: tensor.shape for name, tensor in built.decoder.named_parameters()})
    assert decoders[0] == decoders[1]


def test_without_a_bottleneck_the_latent_is_the_encoder_s_output():
    built, images = network(), torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(built.encode(images), built.encoder(images))


def test_a_bottleneck_leaves_as_many_numbers_as_asked_for():
    built, images = network(latent_dim=5), torch.rand(2, 3, 32, 32)
    latent = built.encode(images)
    assert latent.shape == (2, 5)
    torch.testing.assert_close(built(images), built.decode(latent))


def test_an_encoder_of_another_reduction_is_refused():
    with pytest.raises(UsageError, match="reduction is 8, the decoder takes 16"):
        Autoencoder(
            Timm("test_resnet", reduction=8).build(RANDOM), 32, widths=(8,) * 4, latent_dim=None, attention="none"
        )


def test_squeeze_and_excite_scales_whole_channels_by_less_than_one():
    attention = network(attention="squeeze_excite").decoder.attentions[0]
    features = torch.rand(2, 8, 4, 4) + 0.1
    scale = attention(features) / features
    assert (scale - scale.mean(dim=(2, 3), keepdim=True)).abs().max() < 1e-6
    assert scale.min() > 0
    assert scale.max() < 1
    assert scale[0, :, 0, 0].std() > 0


def test_weights_lie_in_memory_as_images_do():
    built = network(latent_dim=5)
    weights = [tensor for tensor in built.parameters() if tensor.dim() == 4]
    assert weights
    assert all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in weights)


class Strided(nn.Module):
    """What real encoders have and the paper's has not: strides, dilation, groups, padded pooling, ReLU on a sum."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)  # of some, no output is above zero
            self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
            self.second = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2, bias=False)
            self.third = nn.Conv2d(4, 2, 1, padding="same")

    def forward(self, images):
        features = functional.max_pool2d(self.first(images).relu(), 3, stride=2, padding=1)
        features = torch.relu_(features + self.second(features))
        return functional.relu(self.third(features)).flatten(1)


@pytest.mark.parametrize(
    "encoder", [network(latent_dim=5).encode, network().encode, Strided(), Timm("test_resnet").build(RANDOM).eval()]
)
def test_cheap_second_derivatives_equal_autograd_s_own(encoder):
    module = getattr(encoder, "__self__", encoder).double()
    parameters = list(module.parameters())
    found = []
    for context in (CheapSecondDerivatives, None):
        images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.double)
        images.requires_grad_()
        if context is None:
            latent = encoder(images)
        else:
            with context(images):
                latent = encoder(images)
        along = torch.randn(latent.shape, generator=torch.Generator().manual_seed(1), dtype=torch.double)
        (row,) = torch.autograd.grad(latent, images, along, create_graph=True)
        loss = row.square().sum() + latent.square().sum()
        found.append([latent, row, *torch.autograd.grad(loss, parameters, allow_unused=True)])
    module.float()
    assert found[0][1].any()
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs)
