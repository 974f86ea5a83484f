"""What the harness relies on in a pool: one number for each map, from that map alone, higher for larger errors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.api import FloatArray, Model, Pool
from harness.testing.parts import Check, fresh, registry_of

TOLERANCE = 1e-4
"""How far scores may differ, as a share of the largest: float32 adds up differently in another order."""


def pool_of(model: Model) -> Pool:
    """A model's default pool, from an installed plugin or from the module that the model is defined in.

    Raises UsageError where neither offers it.
    """
    return registry_of(model).make(Pool, model.default_pool)


def checks(pool: Pool) -> Iterator[Check]:
    """The checks that apply to this pool."""
    yield check_gives_one_finite_score_a_map
    yield check_score_does_not_depend_on_other_maps
    yield check_defects_score_above_normal
    yield check_larger_errors_do_not_score_lower
    yield check_same_maps_give_same_scores
    yield check_leaves_maps_unchanged
    yield check_copes_with_any_map
    if type(pool).tensor is not Pool.tensor:
        yield check_torch_form_scores_alike


def check_gives_one_finite_score_a_map(pool: Pool) -> None:
    """(N, H, W) gives (N,), finite, for float32 and float64."""
    for kind in (np.float32, np.float64):
        maps: FloatArray = _maps().astype(kind)
        scores = pool.score(maps)
        assert np.shape(scores) == (len(maps),), f"maps of shape {maps.shape} gave scores of shape {np.shape(scores)}"
        assert np.isfinite(scores).all(), f"finite maps gave the scores {scores}"


def check_score_does_not_depend_on_other_maps(pool: Pool) -> None:
    """A map scores the same alone, among others, and in another order."""
    maps = _maps()
    together = pool.score(maps)
    _assert_close(together, np.concatenate([pool.score(maps[i : i + 1]) for i in range(len(maps))]), "map by map")
    _assert_close(together, pool.score(np.ascontiguousarray(maps[::-1]))[::-1], "in the opposite order")


def check_defects_score_above_normal(pool: Pool) -> None:
    """A map with a square of large errors scores above the same map without it."""
    normal = _maps()
    with_defect = normal.copy()
    with_defect[:, 8:16, 8:16] += 1
    without, found = pool.score(normal), pool.score(with_defect)
    assert (found > without).all(), f"maps score {without}, and with a square of larger errors {found}: expected more"


def check_larger_errors_do_not_score_lower(pool: Pool) -> None:
    """Where every error doubles, no score falls."""
    maps = _maps()
    before, after = pool.score(maps), pool.score(2 * maps)
    assert (after >= before).all(), f"maps score {before}, and with every error doubled {after}: expected no less"


def check_same_maps_give_same_scores(pool: Pool) -> None:
    """Scores depend neither on chance nor on maps that were seen before."""
    maps = _maps()
    first = fresh(pool).score(maps)
    pool.score(3 * maps + 1)
    again = pool.score(maps)
    assert np.array_equal(first, again), f"the same maps score {first}, then {again}"


def check_leaves_maps_unchanged(pool: Pool) -> None:
    """A pool does not write into the maps, because all pools are given the same array."""
    maps = _maps()
    pool.score(maps)
    assert np.array_equal(maps, _maps()), "scoring wrote into the maps"


def check_copes_with_any_map(pool: Pool) -> None:
    """One pixel, a map wider than high, and maps of zeros give finite scores."""
    for maps in (np.ones((2, 1, 1), np.float32), np.ones((1, 3, 17), np.float32), np.zeros((2, 8, 8), np.float32)):
        scores = pool.score(maps)
        assert np.isfinite(scores).all(), f"maps of shape {maps.shape}, all {maps.flat[0]:g}, gave {scores}"


def check_torch_form_scores_alike(pool: Pool) -> None:
    """`tensor` gives what `score` gives, for packed models and `predict --watch`."""
    import torch

    for maps in (_maps(), _maps()[:1], np.ones((2, 1, 1), np.float32)):
        found = pool.tensor(torch.tensor(maps)).numpy()
        _assert_close(pool.score(maps), found, "by tensor()")


def _maps() -> FloatArray:
    """(4, 24, 32), errors from 0 to 1."""
    return np.random.default_rng(0).random((4, 24, 32)).astype(np.float32) ** 4


def _assert_close(expected: FloatArray, found: FloatArray, how: str) -> None:
    close = np.shape(expected) == np.shape(found) and np.allclose(
        expected, found, rtol=0, atol=TOLERANCE * float(np.abs(expected).max())
    )
    assert close, f"maps score {expected}, and {how} {found}"
