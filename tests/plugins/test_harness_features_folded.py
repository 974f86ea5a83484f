"""Frozen networks on a CPU: folded convolutions give what the network gives, or the network itself is used."""

from __future__ import annotations

import copy
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from harness import Run
from harness.testing import toy_images
from harness_features import folded
from harness_features.folded import maps_of
from harness_features.patches import Patches, PatchNetwork
from harness_timm import Timm

RUN = Run(image_size=64, weights="random")
pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here")


def lively(module: nn.Module) -> nn.Module:
    """With statistics as after training: normalisation that does nothing would hide a mistake."""
    generator = torch.Generator().manual_seed(0)
    for one in module.modules():
        if isinstance(one, nn.BatchNorm2d):
            one.running_mean.copy_(torch.randn(one.num_features, generator=generator) / 5)
            one.running_var.copy_(0.5 + torch.rand(one.num_features, generator=generator))
            with torch.no_grad():
                one.weight.copy_(0.5 + torch.rand(one.num_features, generator=generator))
                one.bias.copy_(torch.randn(one.num_features, generator=generator) / 5)
    return module.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def images(count: int, size: int = 64) -> torch.Tensor:
    return torch.rand(count, size, size, 3, generator=torch.Generator().manual_seed(1)).permute(0, 3, 1, 2)


def assert_close(ours, theirs):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.stride() == b.stride(), "features are kept as they lie in memory"
        np.testing.assert_allclose(a, b, atol=2e-5 * float(b.abs().max()))


@pytest.mark.parametrize(
    ("name", "size"),
    [("test_efficientnet", 64), ("test_resnet", 64), ("tf_efficientnet_lite0", 96)],
)
def test_a_folded_network_gives_the_maps_of_the_network(name, size):
    """With activations within and behind the normalisation, sums in place, and more padding behind than before."""
    pyramid = lively(Timm(name).build_pyramid(Run(image_size=size, weights="random"), (8, 16)))
    seen = images(5, size)
    with torch.no_grad():
        own, faster = pyramid(seen), folded.folded(pyramid, seen[:1])
        assert faster is not None
        convolutions = sum(isinstance(one, nn.Conv2d) for one in pyramid.modules())
        taken = sum(isinstance(one, folded._Convolution) for one in faster.network.modules())
        assert convolutions - 1 <= taken <= convolutions, "all but a head that is not used"
        assert not any(isinstance(one, nn.BatchNorm2d) for one in faster.network.modules())
        assert_close(faster(seen), own)
        assert_close(maps_of(pyramid, seen), own)


def test_so_does_one_without_normalisation_as_vgg16():
    widths, layers = (3, 8, 16), []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]

    class Blocks(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(*layers)

        def forward(self, seen):
            half = self.layers[:3](seen)
            return [half, self.layers[3:](half)]

    network, seen = lively(Blocks()), images(2)
    with torch.no_grad():
        faster = folded.folded(network, seen[:1])
        assert faster is not None
        assert_close(faster(seen), network(seen))


@pytest.mark.parametrize("size", [33, 34, 35, 36])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 2), (4, 3), (2, 1)])
def test_padding_as_tensorflow_does_it_is_part_of_the_convolution(size, kernel, stride):
    from timm.layers import Conv2dSame

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = nn.Sequential(Conv2dSame(3, 8, kernel, stride), nn.ReLU())

        def forward(self, seen):
            return [self.inside(seen)]

    network, seen = lively(Network()), images(2, size)
    with torch.no_grad():
        faster = folded.folded(network, seen[:1])
        assert faster is not None
        assert_close(faster(seen), network(seen))


class Branching(nn.Module):
    """What is not to be folded: a map is read twice, a module used twice, a convolution of another kind."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.twice = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.second, self.third, self.fourth = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3)
        self.reflected, self.last = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU()

    def forward(self, seen):
        first = self.first(seen)
        second = self.twice(self.second(self.twice(self.norm(first))))
        return [
            first,
            self.last(self.reflected(self.fourth(second))),
            self.third(second) + self.norm(first)[..., 2:, 2:],
        ]


def test_what_others_read_as_well_is_left_as_it_is():
    network, seen = lively(Branching()), images(2)
    with torch.no_grad():
        assert_close(maps_of(network, seen), network(seen))


def test_a_mistake_shows_in_the_maps_and_the_network_is_used_as_it_is():
    class Peeking(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, seen):
            made = self.convolution(seen)
            return [self.norm(made) + made.exp()]  # no module reads it the second time

    network, seen = lively(Peeking()), images(2)
    with torch.no_grad():
        assert folded.folded(network, seen[:1]) is None
        assert torch.equal(maps_of(network, seen)[0], network(seen)[0])


def test_a_network_that_cannot_be_copied_is_used_as_it_is():
    network, seen = lively(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())), images(1)
    network.lock = threading.Lock()
    with torch.no_grad():
        assert folded.folded(network, seen) is None


def test_weights_that_are_filled_in_later_count():
    pyramid = lively(Timm("test_resnet").build_pyramid(RUN, (8, 16)))
    other, seen = copy.deepcopy(pyramid), images(2)
    with torch.no_grad():
        before = maps_of(pyramid, seen)
        for one in other.parameters():
            one.mul_(0.9)
        pyramid.load_state_dict(other.state_dict())
        after = maps_of(pyramid, seen)
        assert not torch.equal(before[0], after[0])
        assert_close(after, pyramid(seen))


def test_an_image_that_fills_a_batch_up_passes_once():
    pyramid = lively(Timm("test_resnet").build_pyramid(RUN, (8, 16)))
    with torch.no_grad():
        faster = folded.folded(pyramid, images(1))
        assert faster is not None
        passed = []
        faster.network.register_forward_pre_hook(lambda _, given: passed.append(len(given[0])))
        seen = images(5)[[0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4]]
        found = faster(seen)
    assert passed == [4, 4], "of three times four images the last two are the same"
    assert all(torch.equal(level[4], level[11]) for level in found)


def test_it_is_left_out_where_it_is_not_wanted_and_where_gradients_or_graphs_are_made(monkeypatch):
    monkeypatch.setattr(folded, "folded", lambda *_: pytest.fail("folded"))
    pyramid, seen = lively(Timm("test_resnet").build_pyramid(RUN, (8, 16))), images(1)
    maps_of(pyramid, seen)
    with torch.no_grad():
        with monkeypatch.context() as exporting:
            exporting.setattr(torch.compiler, "is_compiling", lambda: True)
            PatchNetwork(pyramid, 1)(seen)
        maps_of(pyramid.double(), seen.double())
        pyramid.float()
        monkeypatch.setenv("HARNESS_FUSED", "off")
        assert all(torch.equal(a, b) for a, b in zip(maps_of(pyramid, seen), pyramid(seen), strict=True))


def test_a_network_without_convolutions_is_not_run_to_find_that_out():
    class Means(nn.Module):
        def forward(self, seen):
            passed.append(len(seen))
            return [nn.functional.avg_pool2d(seen, 8)]

    passed: list[int] = []
    list(Patches(Means(), 1, "cpu").of(toy_images(3)))
    assert passed == [8]
