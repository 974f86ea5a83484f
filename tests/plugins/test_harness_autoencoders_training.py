"""The training loop, with the smallest networks that show each of its promises."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from harness import Images, Progress, Run, TrainingError
from harness.testing.toys import toy_images
from harness_autoencoders import seeded, spawned_seeds, train, training
from harness_autoencoders.memory import freed_memory_is_kept

RUN = Run(image_size=16, epochs=3, batch_size=4, learning_rate=1e-2)
IMAGES = toy_images(10, size=16)


def brightness(precision: str = "fp32", images: Images = IMAGES, **changes) -> nn.Module:
    """A network that learns one colour, trained."""
    run = replace(RUN, precision=precision, **changes)
    with seeded(run):
        network = nn.Conv2d(3, 3, 1)
        train(network, images, lambda clean, _: (network(torch.zeros_like(clean)).float() - clean).square().mean(), run)
    return network


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_finds_what_the_images_have_in_common(precision):
    network = brightness(precision, epochs=200)
    found = network.bias.detach().numpy()
    np.testing.assert_allclose(found, IMAGES.pixels.mean(axis=(0, 1, 2)) / 255, atol=0.01)
    assert not network.training
    assert network.bias.dtype == torch.float32


def test_images_arrive_as_floats_from_0_to_1_with_channels_last_in_memory():
    seen = []

    def step(clean, _):
        seen.append(clean)
        return network(clean).mean()

    network = nn.Conv2d(3, 1, 1)
    train(network, IMAGES, step, replace(RUN, epochs=1, batch_size=10))
    (batch,) = seen
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch.dtype == torch.float32
    arrived = sorted(
        (batch.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8).tobytes() for batch in batch.split(1)
    )
    assert arrived == sorted(image.tobytes() for image in IMAGES.pixels)


def test_the_same_seed_gives_the_same_weights_to_the_last_bit():
    first, second, other = brightness(), brightness(), brightness(seed=1)
    assert torch.equal(first.bias, second.bias)
    assert not torch.equal(first.bias, other.bias)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_weights_order_and_noise_have_nothing_to_do_with_each_other(seed):
    """From one seed for all, torch's first weights and first noise had a rank correlation of -.37."""
    order, noise = spawned_seeds(seed)
    drawn = [torch.randn(4000, generator=torch.Generator().manual_seed(one)) for one in (seed, order, noise)]
    between = np.corrcoef([values.argsort().argsort().numpy() for values in drawn])
    assert np.abs(between[np.triu_indices(3, 1)]).max() < 0.06
    others = {one for other in range(50) for one in (other, *spawned_seeds(other))}
    assert len(others) == 150


def test_the_seeds_of_order_and_noise_are_the_same_for_good():
    assert spawned_seeds(0) == (3757552657, 673228719)
    assert spawned_seeds(7) == (1201125462, 3618983171)


def test_training_is_adams_method_over_the_drawn_batches():
    run = replace(RUN, epochs=2, seed=5)
    found = brightness(epochs=2, seed=5)
    with seeded(run):
        network = nn.Conv2d(3, 3, 1)
    optimiser = torch.optim.Adam(network.parameters(), lr=run.learning_rate)
    order = torch.Generator().manual_seed(spawned_seeds(5)[0])
    images = torch.from_numpy(IMAGES.pixels).permute(0, 3, 1, 2) / 255
    for _ in range(2):
        for chosen in torch.randperm(10, generator=order).split(4):
            clean = images[chosen]
            optimiser.zero_grad()
            (network(torch.zeros_like(clean)) - clean).square().mean().backward()
            optimiser.step()
    torch.testing.assert_close(found.bias, network.bias, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 33])
def test_of_any_number_of_images_each_has_its_own_errors_and_batches_are_always_16(count):
    images, sizes = toy_images(count, size=16), []

    def error(clean, pixels):
        sizes.append((len(clean), len(pixels)))
        assert torch.equal(clean, torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255)
        return clean[:, 0]

    maps = training.reconstruction_errors(images, error, "cpu")
    np.testing.assert_allclose(maps, images.pixels[..., 0] / 255, rtol=1e-6)
    assert sizes == [(16, 16)] * -(-count // 16)
    scores = training.reconstruction_errors(images, lambda clean, _: clean.mean(dim=(1, 2, 3)), "cpu")
    np.testing.assert_allclose(scores, images.pixels.mean(axis=(1, 2, 3)) / 255, rtol=1e-5)


def test_of_no_images_there_are_no_errors():
    assert training.reconstruction_errors(toy_images(2, size=16).take(slice(0)), None, "cpu").shape == (0, 16, 16)


def test_images_of_reports_are_shares_of_an_epoch_where_a_batch_holds_other_things():
    reports: list[Progress] = []
    weight = nn.Parameter(torch.zeros(()))
    training.minimise(
        lambda batch: weight * 0 + len(batch),
        lambda: [range(3), range(5)],
        torch.optim.SGD([weight], lr=1.0),
        replace(RUN, epochs=2, report=reports.append),
        items=8,
        images=4,
    )
    assert [(one.epoch, one.images, one.loss, one.epoch_done) for one in reports] == [
        (epoch, 4, (9 + 25) / 8, True) for epoch in (1, 2)
    ]


def test_another_seed_takes_the_images_in_another_order():
    def first_batch(seed: int) -> Tensor:
        seen = []

        def step(clean, _):
            seen.append(clean)
            return network(clean).mean()

        network = nn.Conv2d(3, 1, 1)
        train(network, IMAGES, step, replace(RUN, seed=seed, epochs=1))
        return seen[0]

    assert torch.equal(first_batch(0), first_batch(0))
    assert not torch.equal(first_batch(0), first_batch(1))


def test_training_neither_uses_nor_moves_the_global_generators():
    torch.manual_seed(1)
    first, before = brightness(), torch.get_rng_state()
    assert torch.equal(before, torch.manual_seed(1).get_state())
    torch.manual_seed(2)
    assert torch.equal(first.bias, brightness().bias)


@given(count=st.integers(1, 40), size=st.integers(1, 10), seed=st.integers(0, 100))
def test_an_epoch_takes_every_image_once_and_leaves_no_batch_of_one(count, size, seed):
    batches = list(training._batches(count, size, torch.Generator().manual_seed(seed)))
    assert sorted(np.concatenate(batches)) == list(range(count))
    assert max(map(len, batches)) <= size + 1
    if size > 1 and count > 1:
        assert min(map(len, batches)) > 1
    assert all(len(batch) == size for batch in batches[:-1])


def test_each_epoch_is_reported_with_its_mean_loss_and_images():
    reports: list[Progress] = []
    brightness(report=reports.append)
    assert [(r.epoch, r.epochs, r.images, r.epoch_done) for r in reports] == [(e, 3, 10, True) for e in (1, 2, 3)]
    assert reports[0].loss > reports[2].loss > 0


def test_a_long_epoch_is_reported_on_the_way(monkeypatch):
    monkeypatch.setattr(training, "REPORT_SECONDS", 0)
    reports: list[Progress] = []
    brightness(report=reports.append, epochs=1)
    assert [(r.images, r.epoch_done) for r in reports] == [(4, False), (4, False), (2, True)]


def test_a_mean_loss_weighs_every_image_alike():
    reports: list[Progress] = []
    network = nn.Conv2d(3, 1, 1)
    sizes = iter([1.0, 1.0, 4.0])  # batches of 4, 4 and 2

    def step(clean, _):
        return next(sizes) + 0 * network(clean).sum()

    train(network, IMAGES, step, replace(RUN, epochs=1, report=reports.append))
    assert reports[-1].loss == pytest.approx((4 * 1 + 4 * 1 + 2 * 4) / 10)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_training_and_names_the_epoch(bad):
    network, steps = nn.Conv2d(3, 1, 1), iter(range(100))

    def step(clean, _):
        return network(clean).mean() * (bad if next(steps) == 7 else 1)  # three steps an epoch

    with pytest.raises(TrainingError, match="loss is (nan|inf) in epoch 3 of 3"):
        train(network, IMAGES, step, RUN)


def test_images_on_disk_are_read_a_batch_at_a_time(tmp_path):
    np.save(tmp_path / "pixels.npy", IMAGES.pixels)
    reads = []

    class Watched(np.memmap):
        def __getitem__(self, index):
            found = super().__getitem__(index)
            reads.append(len(found))
            return found

    pixels = np.load(tmp_path / "pixels.npy", mmap_mode="r").view(Watched)
    found = brightness(images=Images(pixels, IMAGES.paths))
    assert reads == [4, 4, 2] * 3
    assert torch.equal(found.bias, brightness().bias)


def test_a_gpu_is_asked_for_repeatable_sums_in_true_float32():
    flags = torch.backends.cudnn
    before = (flags.enabled, flags.deterministic, flags.allow_tf32)
    with training._fast(torch.device("cuda")):
        assert (flags.enabled, flags.deterministic, flags.allow_tf32) == (True, True, False)
    assert (flags.enabled, flags.deterministic, flags.allow_tf32) == before


def test_no_epochs_leave_the_network_as_it_was():
    assert torch.equal(brightness(epochs=0).bias, _untrained().bias)


def _untrained() -> nn.Module:
    with seeded(RUN):
        return nn.Conv2d(3, 3, 1)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other habits")
def test_freed_memory_is_used_again_and_later_handed_back():
    size = 48 << 20
    pages = size // resource.getpagesize()
    with freed_memory_is_kept():
        np.ones(size, dtype=np.uint8)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            np.ones(size, dtype=np.uint8)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < pages, "new pages for the same memory"
        kept = _resident_pages()
    assert _resident_pages() < kept - pages // 2


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other habits")
def test_a_large_block_is_returned_though_a_small_one_that_came_later_stays():
    """In a process of its own, for one that has worked has holes in which the block would find room."""
    script = """
import numpy as np
from harness_autoencoders.memory import freed_memory_is_returned

def pages():
    return int(open("/proc/self/statm").read().split()[1])

np.ones(31 << 20, dtype=np.uint8)  # once it is freed, glibc takes blocks up to this size from what it keeps
small = []
with freed_memory_is_returned():
    before = pages()
    large = np.ones(16 << 20, dtype=np.uint8)
    small.extend(np.ones(100_000, dtype=np.uint8) for _ in range(40))  # above it, so that it cannot be trimmed
    del large
    print(pages() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < (16 << 20) // resource.getpagesize() // 2


def _resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])
