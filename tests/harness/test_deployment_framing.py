"""A graph that takes squares judges whole images: cut or padded, joined, pooled and decided without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.api import Pool
from harness.deployment.engines import ANOMALOUS, MAP, PIXELS, SCORE
from harness.deployment.framing import WholeImages, _OfGraph, described, is_framed, pieces
from harness.errors import UnavailableError
from harness.trials.trial import Trial

TRIAL = Trial("dots", "tile", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")
TILES, PADDED = TRIAL._replace(tiles=8, overlap=2, resize="tiles"), TRIAL._replace(resize="pad")


class Largest(Pool):
    name = "largest"

    def score(self, maps: np.ndarray) -> np.ndarray:
        return maps.max(axis=(1, 2))


def graph(seen: list[tuple[int, ...]], maps: bool = True) -> Any:
    """Gives grey levels, or their largest; notes the shapes that it was given."""

    def run(inputs: Any) -> Any:
        pixels = inputs[PIXELS]
        assert pixels.flags["C_CONTIGUOUS"]
        seen.append(pixels.shape)
        grey = pixels.mean(axis=3).astype(np.float32)
        return {MAP: grey} if maps else {SCORE: grey.max(axis=(1, 2))}

    return run


def photo(height: int, width: int) -> np.ndarray:
    pixels = np.full((1, height, width, 3), 10, np.uint8)
    pixels[0, height - 3, width - 3] = 200
    return pixels


@pytest.mark.parametrize(("most", "batches"), [(1, [1] * 4), (3, [3, 1]), (16, [4])])
def test_tiles_are_given_so_many_at_once_and_their_maps_are_those_of_the_whole_image(
    most: int, batches: list[int]
) -> None:
    seen: list[tuple[int, ...]] = []
    found = WholeImages(TILES, Largest(), 100.0, most).of(graph(seen))({PIXELS: photo(14, 14)})
    assert [shape[0] for shape in seen] == batches
    assert {shape[1:] for shape in seen} == {(8, 8, 3)}
    assert found[MAP].shape == (1, 14, 14)
    assert np.allclose(found[MAP], photo(14, 14).mean(axis=3), atol=1e-3)
    assert found[SCORE] == pytest.approx([200.0])
    assert found[ANOMALOUS].tolist() == [True]


def test_without_maps_the_largest_score_of_a_tile_counts_and_one_at_the_limit_is_no_alarm() -> None:
    whole = WholeImages(TILES, None, 200.0, 16)
    found = whole.opened(lambda: graph([], maps=False))({PIXELS: photo(14, 20)})
    assert set(found) == {SCORE, ANOMALOUS}
    assert found[SCORE] == pytest.approx([200.0])
    assert found[ANOMALOUS].tolist() == [False]


def test_a_graph_learns_nothing() -> None:
    with pytest.raises(UnavailableError, match="a graph learns nothing"):
        _OfGraph(graph([]), 1).fit(None, encoder=None, loss=None, run=None)  # type: ignore[arg-type]


def test_what_a_program_has_to_do_around_a_graph_is_said_with_its_numbers() -> None:
    assert (is_framed(TILES), is_framed(PADDED), is_framed(TRIAL)) == (True, True, False)
    assert described(TRIAL) == {}
    cut = described(TILES)["tiles"]
    assert (cut["size"], cut["overlap"], list(cut)) == (8, 2, ["size", "overlap", "starts", "weights", "score"])
    assert "above limit" in cut["score"]
    padded = described(PADDED)["padding"]
    assert (padded["size"], list(padded)) == (16, ["size", "how", "score"])
    assert "above limit" in padded["score"]


def test_two_example_squares_are_cut_from_an_image_and_filled_up_where_it_is_smaller() -> None:
    found = pieces(photo(5, 14)[0], TILES)
    assert (found.shape, found.dtype) == ((2, 8, 8, 3), np.uint8)
    assert (found[:, :5] == 10).all()
    assert not found[:, 5:].any()
    assert pieces(photo(20, 20)[0], PADDED).shape == (2, 16, 16, 3)
