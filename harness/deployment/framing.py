"""Lets a graph that takes tiles or padded squares judge whole images, in any runtime and without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.api import Encoder, Images, Loss, Model, Pool, Run, Scores
from harness.deployment.engines import ANOMALOUS, MAP, PIXELS, SCORE, Arrays, Graph
from harness.errors import UnavailableError
from harness.images.framing import PAD
from harness.trials.framed import framed
from harness.trials.scoring import in_pools
from harness.trials.trial import UNUSED, Trial

_POOLED = "pooled"
"""The name of the one pool."""


class _OfGraph(Model):
    """A model that scores squares by a graph, in batches of the size that the graph takes."""

    name = "graph"
    uses = frozenset({"pool"})

    def __init__(self, graph: Graph, most: int) -> None:
        self._graph, self._most = graph, most

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        raise UnavailableError("a graph learns nothing")

    def score(self, images: Images) -> Scores:
        starts = range(0, len(images), self._most)
        pixels = [np.require(images.pixels[at : at + self._most], requirements=["C", "W"]) for at in starts]
        found = [self._graph({PIXELS: some}) for some in pixels]
        name = MAP if MAP in found[0] else SCORE
        joined = np.concatenate([one[name] for one in found])
        return Scores(maps=joined) if name == MAP else Scores(images=joined)


@dataclass(frozen=True)
class WholeImages:
    """Cuts images, runs a graph on the pieces, joins their maps and decides. It can be pickled."""

    trial: Trial
    pool: Pool | None
    limit: float
    most: int
    """How many squares the graph takes at once."""

    def of(self, graph: Graph) -> Graph:
        """A graph that takes whole images (N, H, W, 3) of any size, and gives the same outputs."""
        model = framed(_OfGraph(graph, self.most), self.trial)
        pools: Mapping[str, Pool] = {} if self.pool is None else {_POOLED: self.pool}

        def judge(inputs: Mapping[str, NDArray[Any]]) -> Arrays:
            images = Images(inputs[PIXELS], tuple(map(str, range(len(inputs[PIXELS])))))
            by_pool, maps = in_pools(model, model.score(images), images, pools)
            scores = by_pool[_POOLED if pools else UNUSED]
            decided: Arrays = {SCORE: scores, ANOMALOUS: scores > self.limit}
            return decided if maps is None else {**decided, MAP: maps}

        return judge

    def opened(self, open_: Callable[[], Graph]) -> Graph:
        """The same for a graph that still has to be opened."""
        return self.of(open_())


def is_framed(trial: Trial) -> bool:
    """Whether the trial's model is given tiles or padded squares instead of whole images."""
    return bool(trial.tiles) or trial.resize == PAD


def described(trial: Trial) -> dict[str, Any]:
    """What a program must do around a packed graph, such as cutting and joining; empty if it need do nothing."""
    if trial.resize == PAD:
        return {
            "padding": {
                "size": trial.image_size,
                "how": "resize the longer side to size, round the other one, put the image in the middle (top and left "
                "margin are rounded down), and mirror it outwards, its border pixels first (numpy's symmetric)",
                "score": "cut the margins off the map; the score of the image is pool over the rest; it is anomalous "
                "above limit",
            }
        }
    if not trial.tiles:
        return {}
    return {
        "tiles": {
            "size": trial.tiles,
            "overlap": trial.overlap,
            "starts": "along a side of L pixels n = 1 + ceil((L - size) / (size - overlap)) tiles, number i of which "
            "begins at floor(i * (L - size) / (n - 1))",
            "weights": "of s pixels that a tile shares with the next one along a side, number k (from 0) counts "
            "cos((k + 0.5) * pi / (2 s)) ** 2 in the first and the sine instead in the second; elsewhere 1; divided by "
            "the sum over the tiles at that pixel; rows times columns",
            "score": "the map of the image is the sum of its tiles' maps times their weights; its score is pool over "
            "that, or without maps the largest score of a tile; it is anomalous above limit",
        }
    }


def pieces(pixels: NDArray[np.uint8], trial: Trial) -> NDArray[np.uint8]:
    """Two example squares (2, S, S, 3) from an image (H, W, 3), to export a graph with."""
    side = trial.tiles or trial.image_size
    found = np.zeros((2, side, side, 3), np.uint8)
    part = pixels[:side, :side]
    found[:, : part.shape[0], : part.shape[1]] = part
    return found
