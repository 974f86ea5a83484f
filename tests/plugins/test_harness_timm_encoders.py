"""The encoders: their shapes, their normalisation, and what they say to a request that cannot be met."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

import harness.testing.encoders as kit
from harness import Encoder, Run, UnavailableError, UsageError
from harness.plugin.registry import Registry
from harness.plugin.spec import spell
from harness.testing import toy_images
from harness_features import KNN
from harness_timm import (
    VGG16,
    CLIPBase,
    Conv,
    DINOv2Base,
    DINOv2Small,
    DINOv2SmallRegisters,
    ResNet50,
    SigLIPBase,
    Timm,
)
from harness_timm.stages import sequential_stages

RANDOM = Run(image_size=64, weights="random")


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def layers(module: nn.Module, kind: type) -> int:
    return sum(isinstance(layer, kind) for layer in module.modules())


@pytest.mark.parametrize(
    ("encoder", "channels"),
    [
        (Conv(), 128),
        (Conv(widths=(4, 6, 8, 10)), 10),
        (VGG16(), 512),
        (ResNet50(), 2048),
        (Timm("test_resnet"), 192),
        (Timm("tf_efficientnet_lite0"), 112),
    ],
    ids=lambda value: spell(value) if isinstance(value, Encoder) else str(value),
)
def test_features_are_sixteen_times_smaller(encoder, channels, images):
    module = encoder.build(RANDOM).eval()
    assert (module.channels, module.reduction) == (channels, 16)
    assert module(images).shape == (2, channels, 4, 4)


def test_conv_rectifies_and_pools_as_the_paper_has_it(images):
    module = Conv(widths=(4, 6, 8, 10)).build(RANDOM)
    expected = images
    for convolution in module.convolutions:
        assert convolution.kernel_size == (3, 3)
        expected = nn.functional.max_pool2d(convolution(expected).relu(), 2)
    torch.testing.assert_close(module(images), expected)
    assert layers(module, nn.Conv2d) == 4


def test_vgg16_has_thirteen_convolutions_and_no_last_pooling():
    module = VGG16().build(RANDOM)
    assert layers(module, nn.Conv2d) == 13
    assert layers(module, nn.MaxPool2d) == 4
    assert layers(module, nn.Linear) == 0


def test_resnet50_has_all_its_convolutions_and_no_head():
    module = ResNet50().build(RANDOM)
    assert layers(module, nn.Conv2d) == 53
    assert layers(module, nn.Linear) == 0


def test_only_vgg16_asks_for_a_bottleneck():
    assert [part.name for part in (Conv, VGG16, ResNet50, Timm) if part.bottleneck] == ["vgg16"]


@pytest.mark.parametrize(("name", "mean"), [("resnet18", (0.485, 0.456, 0.406)), ("tf_efficientnet_lite0", (0.5,) * 3)])
def test_a_timm_encoder_normalises_as_its_model_was_trained(name, mean, images):
    module = Timm(name).build(RANDOM).eval()
    seen = []
    first = next(layer for layer in module.modules() if isinstance(layer, nn.Conv2d))
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    module(torch.tensor(mean).view(1, 3, 1, 1).expand(1, 3, 64, 64))
    assert seen[0].abs().max() < 1e-6, "the mean colour should arrive as 0"


def test_the_spelling_of_a_timm_encoder_names_its_model():
    encoder = Registry.discover(environ={"HARNESS_PLUGINS": ""}).make(Encoder, "timm[name=resnet18,reduction=8]")
    assert spell(encoder) == "timm[name=resnet18,reduction=8]"
    assert encoder.reduction == 8


def test_a_timm_encoder_takes_the_reduction_asked_for(images):
    module = Timm("test_resnet", reduction=8).build(RANDOM).eval()
    assert module.reduction == 8
    assert module(images).shape == (2, module.channels, 8, 8)


def test_a_reduction_that_the_model_lacks_is_named_with_those_it_has():
    with pytest.raises(UsageError, match="test_resnet has maps of reductions 2, 4, 8, 16, 32, none of 7"):
        Timm("test_resnet", reduction=7).build(RANDOM)


@pytest.mark.parametrize(
    ("name", "guess"), [("resnt18", "resnet18"), ("vgg16.tv_in1", "vgg16.tv_in1k"), ("resnet18.a1_in2k", "resnet18.a")]
)
def test_a_misspelt_timm_model_is_met_with_a_suggestion(name, guess):
    with pytest.raises(UsageError, match=f"timm knows no model '{name}'. Did you mean '{guess}"):
        Timm(name).build(RANDOM)


def test_timm_without_a_name_says_how_to_give_one():
    with pytest.raises(UsageError, match=r"timm\[name=resnet18\]"):
        Timm().build(RANDOM)


@pytest.mark.parametrize("encoder", [Conv(), VGG16(), Timm("test_resnet")], ids=spell)
def test_an_image_size_that_does_not_divide_is_quoted_with_one_that_does(encoder):
    with pytest.raises(UsageError, match="image size 100 is not a multiple of 16, which .* needs: try 96"):
        encoder.build(Run(image_size=100, weights="random"))


@pytest.mark.parametrize("widths", [(), (8, 8, 8), (8, 8, 8, 0)])
def test_widths_that_are_not_four_positive_numbers_are_refused(widths):
    with pytest.raises(ValueError, match="expected four positive numbers"):
        Conv(widths=widths)


@pytest.mark.parametrize("encoder", [Conv(), VGG16(), ResNet50(), Timm("test_resnet")], ids=spell)
def test_a_pyramid_has_its_maps_in_the_order_asked_for(encoder, images):
    maps = encoder.build_pyramid(RANDOM, (16, 4)).eval()(images)
    assert [tuple(m.shape[2:]) for m in maps] == [(4, 4), (16, 16)]


@pytest.mark.parametrize("encoder", [Conv(), Timm("test_resnet")], ids=spell)
def test_a_pyramid_of_reductions_that_are_not_there_is_unavailable(encoder):
    with pytest.raises(UnavailableError, match="2, 4, 8"):
        encoder.build_pyramid(RANDOM, (8, 64))


@pytest.mark.parametrize("encoder", [ResNet50(), Timm("test_resnet")], ids=spell)
def test_batch_normalisation_trains_on_a_single_image(encoder, images):
    features = encoder.build(RANDOM).train()(images[:1])
    assert features.isfinite().all()


TRANSFORMERS = ["test_vit", "test_vit2"]
"""One with a class token, one with a register token."""


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_blocks_of_a_transformer_give_maps_without_its_other_tokens(name, images):
    module = Timm(name, layers=(1, 4)).build_pyramid(RANDOM, (8, 16)).eval()
    kept = []
    for block in (1, 4):
        module.model.blocks[block].register_forward_hook(lambda _, __, tokens: kept.append(tokens))
    maps = module(images)
    extra = module.model.num_prefix_tokens
    assert extra == 1
    assert module.model.num_reg_tokens == (name == "test_vit2")
    assert module.reductions == [16, 16]
    for found, tokens in zip(maps, kept, strict=True):
        torch.testing.assert_close(found.flatten(2).transpose(1, 2), tokens[:, extra:])
        assert found.shape[2:] == (4, 4)


def test_blocks_after_the_last_one_asked_for_are_left_out():
    assert len(Timm("test_vit", layers=(2,)).build(RANDOM).model.blocks) == 3


def test_stages_of_a_convolutional_network_are_given_in_the_order_asked_for(images):
    module = Timm("test_resnet", layers=(3, 1)).build_pyramid(RANDOM, (8, 16)).eval()
    assert module.reductions == [16, 4]
    assert [tuple(m.shape[2:]) for m in module(images)] == [(4, 4), (16, 16)]


def test_the_deepest_layer_stands_for_all_where_one_map_is_wanted(images):
    module = Timm("test_resnet", layers=(1, 2)).build(RANDOM).eval()
    assert module(images).shape == (2, module.channels, 8, 8)


def test_a_transformer_takes_another_size_than_it_was_made_for(images):
    assert Timm("test_vit", layers=(0,)).build(RANDOM)(images).shape[2:] == (4, 4)


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("vit_small_patch14_dinov2", 256, "image size 256 is not a multiple of 14, which .* needs: try 252"),
        ("test_vit", 250, "image size 250 is not a multiple of 16, which test_vit needs: try 256"),
    ],
)
def test_a_size_that_is_no_multiple_of_the_patch_is_refused_with_the_nearest(name, size, said):
    with pytest.raises(UsageError, match=said):
        Timm(name, layers=(1,)).build_pyramid(Run(image_size=size, weights="random"), (8, 16))


def test_layers_that_the_model_lacks_are_named_with_those_it_has():
    with pytest.raises(UsageError, match=r"test_resnet has layers 0 \(act1\), 1 \(layer1\), .*: not all of 1, 9"):
        Timm("test_resnet", layers=(1, 9)).build_pyramid(RANDOM, (8, 16))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": (-1,)}, "expected numbers from 0 such as 3-7-11, or none"),
        ({"layers": (1,), "reduction": 8}, "expected one of the two"),
    ],
)
def test_layers_that_mean_nothing_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Timm("test_resnet", **options)


def test_layers_are_spelt_as_they_are_asked_for():
    assert spell(Timm("test_vit", layers=(1, 4))) == "timm[name=test_vit,layers=1-4]"


def test_a_sequence_gives_the_maps_that_later_versions_of_timm_give_themselves(images):
    """VGG's, which have no calls of their own for them before timm 1.0.31."""
    native, model = timm.create_model("vgg11", num_classes=0), timm.create_model("vgg11", num_classes=0)
    model.load_state_dict(native.state_dict())
    stages = sequential_stages("vgg11", model)
    if hasattr(native, "forward_intermediates"):
        expected = native.forward_intermediates(images, indices=[1, 3], intermediates_only=True)
        assert all(map(torch.equal, stages.forward_intermediates(images, indices=[1, 3]), expected))
        native.prune_intermediate_layers([1, 3])
        stages.prune_intermediate_layers([1, 3])
        assert stages.state_dict().keys() == native.state_dict().keys(), "so that published weights fit"


def test_a_model_that_this_timm_has_no_maps_of_asks_for_a_later_one():
    with pytest.raises(UsageError, match=r"timm 1\S+ gives no feature maps of 'resnet18': try a later version"):
        sequential_stages("resnet18", timm.create_model("resnet18"))


def test_patches_of_a_transformer_make_maps_of_the_size_of_the_images():
    model = KNN()
    model.fit(toy_images(4), encoder=Timm("test_vit2", layers=(1, 4)), loss=None, run=RANDOM)
    assert model.score(toy_images(2)).maps.shape == (2, 64, 64)


FOUNDATION = [DINOv2Small, DINOv2SmallRegisters, DINOv2Base, CLIPBase, SigLIPBase]


@pytest.mark.parametrize("kind", [DINOv2Small, DINOv2SmallRegisters], ids=lambda kind: kind.name)
def test_a_foundation_model_gives_maps_of_its_blocks_without_class_and_register_tokens(kind):
    pyramid = kind().build_pyramid(Run(image_size=56, weights="random"), (8, 16)).eval()
    with torch.no_grad():
        maps = pyramid(torch.rand(1, 3, 56, 56))
    assert [tuple(level.shape) for level in maps] == [(1, 384, 4, 4)] * 2
    assert pyramid.reductions == [14, 14]


def test_a_foundation_model_says_the_nearest_image_size_that_it_takes():
    with pytest.raises(UsageError, match="image size 256 is not a multiple of 14, which .*dinov2.* needs: try 252"):
        DINOv2Small().build_pyramid(Run(image_size=256, weights="random"), (8, 16))


def test_a_foundation_model_without_its_weights_is_unavailable_and_never_random(tmp_path):
    with pytest.raises(UnavailableError, match=r"no weights .*vit_small_patch14_dinov2.lvd142m.safetensors"):
        DINOv2Small().build_pyramid(Run(image_size=56, weights="pretrained", weights_dir=tmp_path), (8,))


def test_foundation_models_are_those_that_timm_publishes_and_are_chosen_by_name_alone():
    registry = Registry.discover(environ={"HARNESS_PLUGINS": ""})
    assert {kind.timm_name for kind in FOUNDATION} <= set(timm.list_pretrained())
    assert not {part.name for part in registry.choose(Encoder, "all")} & {kind.name for kind in FOUNDATION}
    chosen = registry.make(Encoder, "dinov2_small[layers=3-11]")
    assert (spell(chosen), chosen.layers) == ("dinov2_small[layers=3-11]", (3, 11))
    assert spell(registry.make(Encoder, "clip_base")) == "clip_base"


def test_layers_that_a_foundation_model_lacks_are_named_with_those_it_has():
    with pytest.raises(UsageError, match=r"has layers 0 \(blocks.0\).*not all of 12"):
        DINOv2Small(layers=(12,)).build_pyramid(Run(image_size=56, weights="random"), (8,))


def test_a_kit_for_encoders_asks_for_images_that_the_patch_divides():
    for check in (kit.check_features_have_the_declared_shape, kit.check_pyramid_has_the_reductions_asked_for):
        check(DINOv2Small(layers=(0,)))
    assert kit.run_for(DINOv2Small()).image_size == 56
    assert kit.run_for(Conv()).image_size == kit.SIZE
