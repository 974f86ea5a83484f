"""The numbers that pools make of maps, by hand, and the same in torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness import Pool
from harness.plugin.registry import Registry
from harness_pools import Largest, Mean, TopK, harness_pools

MAPS = np.array([[[1, 2], [3, 6]], [[4, 0], [0, 0]]], dtype=np.float32)


@pytest.mark.parametrize(
    ("pool", "scores"),
    [
        (Mean(), [3, 1]), (Largest(), [6, 4]), (TopK(), [6, 4]), (TopK(share=0.5), [4.5, 2]), (TopK(share=1.0), [3, 1]),
        (TopK(share=0.6), [4.5, 2]), (TopK(share=0.65), [11 / 3, 4 / 3]),
    ],
)  # fmt: skip
def test_a_score_is_the_mean_the_worst_pixel_or_the_mean_of_the_worst_share(pool: Pool, scores: list[float]) -> None:
    found = pool.score(MAPS)
    assert found.dtype == np.float64
    assert found.tolist() == pytest.approx(scores, rel=1e-6)
    assert pool.tensor(torch.from_numpy(MAPS)).tolist() == pytest.approx(scores, rel=1e-6)


def test_sums_of_large_maps_are_made_in_double_precision() -> None:
    maps = np.full((1, 3000, 3000), 0.1, dtype=np.float32)
    exact = float(np.float32(0.1))
    assert Mean().score(maps)[0] == pytest.approx(exact, rel=1e-12)
    assert TopK(share=0.9).score(maps)[0] == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(("share", "said"), [(0, "0"), (-0.1, "-0.1"), (1.5, "1.5")])
def test_a_share_is_above_nothing_and_at_most_all(share: float, said: str) -> None:
    with pytest.raises(ValueError, match=f"^share is {said}, expected more than 0 and at most 1$"):
        TopK(share=share)


def test_the_usual_share_of_an_image_of_256_is_655_pixels() -> None:
    assert TopK()._count(65_536) == 655
    assert TopK()._count(10) == 1


def test_the_three_are_offered_under_their_names() -> None:
    assert list(harness_pools()) == [Mean, Largest, TopK]
    offers = Registry.discover().offers(Pool)
    assert {name for name in offers if offers[name].plugin.builtin} == {"mean", "max", "topk"}
