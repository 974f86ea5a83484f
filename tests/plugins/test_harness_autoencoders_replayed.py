"""Steps that are recorded and replayed. What records here is a stand-in; CUDA graphs are tested where there is a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from harness import Run
from harness.testing.toys import toy_images
from harness_autoencoders import CAE, DAE, Reconstruction, replayed, train, training
from harness_autoencoders.replayed import WARM_UP, GraphRecorder, Randomness, recorder_for
from harness_autoencoders.source import Source, floats
from harness_losses import MSE, SSIM
from harness_timm import Conv, fused

RUN = Run(image_size=32, epochs=6, batch_size=4, learning_rate=1e-2, device="cpu")
IMAGES = toy_images(10, size=32)
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


class Redone:
    """Records a step as the call that takes it."""

    def __init__(self, fault: str = "") -> None:
        self.fault, self.recorded, self.replayed = fault, 0, 0

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        if self.fault == "raise":
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore lines")
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            if self.fault != "nothing":
                work()
            if self.fault == "twice":
                work()

        return replay


def trained(monkeypatch: pytest.MonkeyPatch, recorder: Redone | None, **changes) -> dict[str, torch.Tensor]:
    """A network with dropout, whose statistics, noise and weights all have to follow."""
    monkeypatch.setattr(training, "recorder_for", lambda *_: recorder)
    run = replace(RUN, **changes)
    with training.seeded(run):
        network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1))

        def step(clean, generator):
            noise = torch.empty_like(clean).normal_(generator=generator)
            return (network(clean + 0.1 * noise).float() - clean).square().mean()

        losses = []
        # On a busy machine an epoch is told of more often.
        report = replace(run, report=lambda told: losses.append(told.loss) if told.epoch_done else None)
        train(network, IMAGES, step, report, replayable=True)
    return {**network.state_dict(), "losses": torch.tensor(losses)}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_replayed_steps_train_to_the_same_bits_and_each_size_of_batch_is_recorded_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = Redone()
    assert_same(trained(monkeypatch, recorder), trained(monkeypatch, None))
    assert recorder.recorded == 2, "batches of 4, 4 and 2"
    assert recorder.replayed == 3 * RUN.epochs - 2 * WARM_UP
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("raise", "could not be recorded (RuntimeError: CUDA error: operation not permitted when stream is capturing)"),
        ("nothing", "what was recorded of it did not do the same"),
        ("twice", "what was recorded of it did not do the same"),
    ],
)
def test_what_cannot_be_replayed_is_taken_as_usual_to_the_same_bits_and_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: str, why: str
) -> None:
    monkeypatch.setattr(replayed, "_said", set())
    expected = trained(monkeypatch, None)
    for _ in range(2):
        assert_same(trained(monkeypatch, Redone(fault)), expected)
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line
    assert "it is as exact, and slower" in line


def test_draws_of_the_host_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph would freeze them: here a replayed step draws another number than the step itself."""
    recorder = Redone()
    monkeypatch.setattr(training, "recorder_for", lambda *_: recorder)
    network, drawn = nn.Conv2d(3, 3, 1), np.random.default_rng(0)
    train(network, IMAGES, lambda clean, _: network(clean).mean() * drawn.random(), RUN, replayable=True)
    assert recorder.replayed == 1, "the one that was compared"


def test_a_step_is_replayed_only_where_its_model_says_that_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Redone()
    monkeypatch.setattr(training, "recorder_for", lambda *_: recorder)
    network = nn.Conv2d(3, 3, 1)
    train(network, IMAGES, lambda clean, _: network(clean).mean(), RUN)
    assert recorder.recorded == 0


class Other(DAE):
    name = "other"

    def _step(self, clean, generator):
        return super()._step(clean, generator)


@pytest.mark.parametrize(
    ("model", "expected"),
    [(DAE(), True), (CAE(), True), (CAE(penalty="exact"), True), (DAE(adversarial=0.1), False), (Other(), False)],
)
def test_the_papers_models_may_be_replayed_unless_an_adversary_learns_beside_them(
    monkeypatch: pytest.MonkeyPatch, model: Reconstruction, expected: bool
) -> None:
    recorder = Redone()
    monkeypatch.setattr(training, "recorder_for", lambda *_: recorder)
    few = replace(RUN, epochs=WARM_UP + 1, batch_size=5, weights="random")
    model.latent_dim = 2
    model.fit(IMAGES, encoder=Conv(), loss=MSE(), run=few)
    assert (recorder.recorded > 0) is expected


def test_a_record_says_where_fused_kernels_have_trained_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model, encoder = DAE(), Conv()
    model._run = RUN
    assert model.resolved(encoder) == {"bottleneck": "none"}
    monkeypatch.setattr(fused, "_kernels", lambda device: object() if device == torch.device("cuda:1") else None)
    model._run = replace(RUN, device="cuda:1")
    assert model.resolved(encoder) == {"bottleneck": "none", "kernels": "fused"}
    model._run = replace(RUN, device="cuda:0")
    assert model.resolved(encoder) == {"bottleneck": "none"}


def test_nothing_is_recorded_on_a_cpu_or_where_nobody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    optimiser = torch.optim.Adam([nn.Parameter(torch.zeros(1))])
    randomness = Randomness(torch.device("cpu"), 0)
    on_gpu = replace(RUN, device="cuda:0")
    monkeypatch.delenv("HARNESS_CUDA_GRAPH", raising=False)
    assert recorder_for(RUN, optimiser, randomness) is None
    assert isinstance(recorder_for(on_gpu, optimiser, randomness), GraphRecorder)
    monkeypatch.setenv("HARNESS_CUDA_GRAPH", "off")
    assert recorder_for(on_gpu, optimiser, randomness) is None


def test_an_optimiser_is_capturable_only_while_it_is_recorded() -> None:
    optimiser = torch.optim.Adam([nn.Parameter(torch.zeros(1))])
    recorder = GraphRecorder(optimiser, Randomness(torch.device("cpu"), 0))
    with recorder._capturable():
        assert [group["capturable"] for group in optimiser.param_groups] == [True]
    assert [group["capturable"] for group in optimiser.param_groups] == [False]


def test_images_that_are_kept_are_read_once_and_are_those_of_the_array() -> None:
    pixels = IMAGES.pixels
    source, reads = Source(pixels, torch.device("cpu"), keep=True), []
    source._keep_all()
    read = source.read
    source.read = lambda chosen: reads.extend(chosen) or read(chosen)
    order = np.random.default_rng(0)
    for _ in range(3):
        for chosen in np.split(order.permutation(10), [4, 8]):
            assert np.array_equal(source.batch(chosen).numpy(), pixels[chosen])
    assert sorted(reads) == list(range(10))
    assert torch.equal(floats(source.batch(np.arange(10))), torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255)


@GPU
@pytest.mark.parametrize("loss", [MSE(), SSIM()], ids=["mse", "ssim"])
@pytest.mark.parametrize("model", [DAE, CAE])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_cuda_graph_trains_to_the_bits_of_the_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: type[Reconstruction], loss, precision
) -> None:
    states = []
    for wanted in ("on", "off"):
        monkeypatch.setenv("HARNESS_CUDA_GRAPH", wanted)
        one = model()
        one.fit(IMAGES, encoder=Conv(), loss=loss, run=replace(RUN, device="cuda", precision=precision))
        states.append(one.state())
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])
    assert "CUDA graph" not in capsys.readouterr().err


@GPU
def test_a_step_that_waits_for_the_device_cannot_be_recorded_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(replayed, "_said", set())
    network = nn.Conv2d(3, 3, 1).cuda()

    def step(clean, generator):
        noise = torch.empty_like(clean).normal_(generator=generator)
        return network(clean + noise).mean() * (1 if network.weight.sum().item() else 2)

    train(network, IMAGES, step, replace(RUN, device="cuda"), replayable=True)
    assert "could not be recorded" in capsys.readouterr().err
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
