"""Students and decoders of frozen features, against what their publications say of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from harness import Run, TrainingError, UnavailableError
from harness.testing.toys import ToyEncoder, toy_images
from harness_autoencoders import seeded
from harness_distillation import EfficientAD, ReverseDistillation, StudentTeacher
from harness_distillation.networks import Reversed, Student, blurred, enlarged
from harness_distillation.patch_description import Described, description, hardest, relit

RUN = Run(image_size=32, epochs=3, batch_size=4, learning_rate=1e-3, weights="random")
NORMAL = toy_images(8, size=32, seed=1)
TEST = toy_images(4, defective=2, size=32, seed=2)
EFFICIENT = EfficientAD(channels=4, width=4)
MODELS = [StudentTeacher(), ReverseDistillation(width=8), EFFICIENT]


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Small images gain nothing from more, and lose much where others work on the same cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fitted(model, normal=NORMAL, encoder=None, **changes):
    model.fit(normal, encoder=encoder or ToyEncoder(), loss=None, run=replace(RUN, **changes))
    return model


def tensor(images):
    return torch.tensor(images.pixels).permute(0, 3, 1, 2) / 255


class Blind(ToyEncoder):
    """Its features are no numbers."""

    name = "blind"

    def build_pyramid(self, run, reductions):
        seeing = super().build_pyramid(run, reductions)
        seeing.register_forward_hook(lambda _, __, maps: [level * float("nan") for level in maps])
        return seeing


@pytest.mark.parametrize("model", [StudentTeacher(), ReverseDistillation(width=8)], ids=lambda m: m.name)
def test_a_teacher_is_the_encoder_and_stays_as_it_is(model):
    with seeded(RUN):
        encoder = ToyEncoder().build_pyramid(RUN, (4, 8, 16))
    teacher = fitted(model)._network.train().teacher
    assert not teacher.network.training
    for before, after in zip(encoder.state_dict().values(), teacher.network.state_dict().values(), strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_features_that_are_no_numbers_end_the_fit_with_one_line(model):
    with pytest.raises(TrainingError):
        fitted(model, encoder=Blind())


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_an_encoder_without_the_maps_is_named_with_those_it_has(model):
    with pytest.raises(UnavailableError, match="maps of reductions 2, 4, 8 and 16"):
        fitted(replace(model, reductions=(8, 32)))


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_a_fit_of_one_epoch_is_a_fit(model):
    assert np.isfinite(fitted(model, epochs=1).score(TEST).maps).all()


# --- student_teacher


def test_a_student_s_distance_is_one_less_the_cosine_at_each_place():
    """Equation 2 of the paper: half the squared distance of vectors of length 1."""
    torch.manual_seed(0)
    teacher, student = (ToyEncoder().build_pyramid(RUN, (4, 8)) for _ in range(2))
    levels = Student(teacher, student).distances(tensor(TEST))
    for level, taught, learned in zip(levels, teacher(tensor(TEST)), student(tensor(TEST)), strict=True):
        expected = 1 - torch.cosine_similarity(taught, learned, dim=1)
        seen = taught.norm(dim=1) * learned.norm(dim=1) > 1e-6
        torch.testing.assert_close(level[seen], expected[seen], rtol=1e-3, atol=1e-5)


def test_a_student_comes_nearer_to_its_teacher_by_learning():
    apart = [fitted(StudentTeacher(), epochs=epochs).score(NORMAL).maps.mean() for epochs in (1, 20)]
    assert apart[1] < apart[0]


def test_the_map_of_a_student_is_the_product_of_its_levels():
    model = fitted(StudentTeacher())
    with torch.no_grad():
        levels = model._network.distances(tensor(TEST))
    product = np.prod([enlarged(level, 32).numpy() for level in levels], axis=0)
    np.testing.assert_allclose(model.score(TEST).maps, product, rtol=1e-4, atol=1e-9)


# --- reverse_distillation


def test_a_decoder_that_learned_nothing_gives_the_mean_normal_features_of_each_place():
    network = Reversed(ToyEncoder().build_pyramid(RUN, (4, 8)), 32, width=8)
    same = tensor(NORMAL)[:1].expand(4, -1, -1, -1)
    network.begin(same)
    seen = [level.norm(dim=1) > 1e-6 for level in network.teacher(same)]
    for level, where in zip(network.distances(same), seen, strict=True):
        assert level[where].abs().max() < 1e-5


def test_the_decoder_sees_nothing_finer_than_an_embedding_half_as_large_as_the_coarsest_map():
    network, shapes = Reversed(ToyEncoder().build_pyramid(RUN, (4, 8)), 32, width=8), []
    network.embedding.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape)))
    network.distances(tensor(TEST))
    assert shapes == [(4, 8, 2, 2)]


def test_the_map_of_a_decoder_is_the_smoothed_sum_of_its_levels():
    model = fitted(ReverseDistillation(width=8, smoothing=1.5))
    with torch.no_grad():
        summed = sum(enlarged(level, 32).numpy() for level in model._network.distances(tensor(TEST)))
    smooth = [gaussian_filter(one, 1.5, mode="nearest", radius=5) for one in summed]
    np.testing.assert_allclose(model.score(TEST).maps, smooth, rtol=1e-3, atol=1e-6)


def test_a_map_without_smoothing_is_left_as_it_is():
    maps = torch.rand(2, 8, 8)
    assert blurred(maps, 0.0) is maps


# --- efficient_ad


def test_the_small_network_describes_each_place_from_33_pixels():
    network = description(4, 4).double()
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 0.1)  # so that no ReLU is closed
    image = torch.rand(1, 3, 96, 96, dtype=torch.float64, requires_grad=True)
    described = network(image)
    assert described.shape == (1, 4, 24, 24)
    (gradient,) = torch.autograd.grad(described[0, :, 12, 12].sum(), image)
    rows = np.flatnonzero(gradient.abs().amax(dim=(0, 1, 3)).numpy())
    assert rows[-1] - rows[0] + 1 == 33


def test_what_the_teacher_is_to_say_has_mean_nought_and_deviation_one_on_normal_images():
    torch.manual_seed(0)
    described = Described(ToyEncoder().build_pyramid(RUN, (4, 8)), 6)
    described.standardise(NORMAL, RUN)
    rows = described(tensor(NORMAL), (8, 8)).permute(0, 2, 3, 1).flatten(0, 2)
    varying = rows.std(dim=0) > 0.5
    assert varying.any()
    torch.testing.assert_close(rows.mean(dim=0), torch.zeros(6), rtol=0, atol=1e-3)
    torch.testing.assert_close(rows.std(dim=0)[varying], torch.ones(int(varying.sum())), rtol=0.01, atol=0)


def test_only_the_hardest_errors_are_learned_from():
    errors = torch.arange(1000.0).view(10, 100)
    assert float(hardest(errors, 0.002)) == pytest.approx(998.5)
    assert float(hardest(errors, 1e-9)) == 999
    assert float(hardest(errors, 1)) == pytest.approx(499.5)


def test_relit_images_keep_their_shape_and_range_and_differ():
    image = tensor(TEST)
    lit = [relit(image, torch.Generator().manual_seed(seed)) for seed in range(8)]
    assert all(0 <= one.min() <= one.max() <= 1 for one in lit)
    assert all(0.001 < (one - image).abs().max() <= 0.2 for one in lit)


def test_both_maps_of_efficient_ad_come_to_their_quantiles_on_normal_images():
    network = fitted(EFFICIENT)._network
    with torch.no_grad():
        for maps, (low, high) in zip(network.maps(tensor(NORMAL)), network.quantiles, strict=True):
            assert float((maps > low).float().mean()) == pytest.approx(0.1, abs=0.01)
            assert float((maps > high).float().mean()) == pytest.approx(0.005, abs=0.002)


@pytest.mark.parametrize(("epochs", "told"), [(1, [1, 1]), (3, [1, 2, 3]), (7, [1, 2, 3, 4, 5, 6, 7])])
def test_efficient_ad_counts_the_teacher_s_epochs_and_the_student_s_together(epochs, told):
    reports = []
    fitted(EFFICIENT, epochs=epochs, report=reports.append)
    assert [report.epoch for report in reports if report.epoch_done] == told
    assert {report.epochs for report in reports} == {epochs}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: StudentTeacher(reductions=()), r"reductions are \(\)"),
        (lambda: StudentTeacher(reductions=(4, 4)), r"reductions are \(4, 4\)"),
        (lambda: ReverseDistillation(width=0), "width is 0"),
        (lambda: ReverseDistillation(smoothing=-1), "smoothing is -1"),
        (lambda: EfficientAD(reductions=(0,)), r"reductions are \(0,\)"),
        (lambda: EfficientAD(channels=0), "channels is 0"),
        (lambda: EfficientAD(hard=0), "hard is 0"),
    ],
)
def test_an_impossible_option_is_refused_with_its_value(make, said):
    with pytest.raises(ValueError, match=said):
        make()
