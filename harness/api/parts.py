"""The kinds of part: what a plugin subclasses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness.api.pixels import PixelCounts
from harness.api.scored import Counts, Interval, Ranking
from harness.api.values import BoolArray, FloatArray, Images, Run, Scores, Split
from harness.errors import PackingError, UnavailableError
from harness.images.decoding import read_image

if TYPE_CHECKING:
    from torch import Tensor, nn


class Part(ABC):
    """One choice on an axis. Subclasses are dataclasses whose fields, all with defaults, are their options."""

    name: ClassVar[str]
    """How it is spelt on the command line: lower case, digits, underscores."""
    kind: ClassVar[Literal["dataset", "encoder", "executor", "loss", "metric", "model", "pool", "threshold", "tracker"]]
    licence: ClassVar[str] = ""
    """SPDX identifier of the code, or of the images of a data set."""
    source: ClassVar[str] = ""
    """The publication or page that it follows."""
    needs_options: ClassVar[bool] = False
    """Whether it means nothing until an option is given; `all` leaves it out."""
    version: ClassVar[int] = 1
    """Raise it when equal options come to other numbers: old and new results are then never taken for one another."""


class Model(Part):
    """Is fitted to normal images, then scores any image."""

    kind = "model"
    uses: ClassVar[frozenset[str]] = frozenset()
    """Which of encoder, loss, pool and training (epochs, batch size, learning rate) it takes; others show as `-`."""
    floor: ClassVar[bool] = False
    """Whether it looks at next to nothing, so that others have to beat it: fitted beside each run, never ranked."""
    default_pool: ClassVar[str] = "mean"
    """The pool, as it is spelt, that turns its maps into image scores when none is asked for."""

    def resolved(self, encoder: Encoder | None) -> Mapping[str, str]:
        """What its options come to with this encoder where they leave that open, for the record."""
        return {}

    @abstractmethod
    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        """Learn from normal images alone, forgetting any earlier fit. Raises TrainingError, UnavailableError."""

    @abstractmethod
    def score(self, images: Images) -> Scores:
        """Score each image on its own: neither its neighbours nor its label may matter."""

    def score_left_out(self, images: Images, without: Sequence[NDArray[np.intp]]) -> Scores:
        """Score images that it was fitted on, each as if those at these indices among the fitted had not been there.

        For models that can do so without another fit; of others, whose method this is, cross-fitting fits five.
        """
        raise UnavailableError(f"model {self.name!r} cannot leave images out of what it has learned")

    def network(self) -> nn.Module:
        """The fitted model as one module, from images (N, 3, H, W) in [0, 1] to maps (N, H, W), or to scores (N,).

        What else its forward takes may be left out, and `side_inputs` gives it. Raises UnavailableError, by default.
        """
        raise UnavailableError(
            f"model {self.name!r} cannot be packed, for it has no network(): see harness.Model.network"
        )

    def side_inputs(self, pixels: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        """What `network` takes beside images, by name, drawn from pixels (N, H, W, 3): by default nothing."""
        return {}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """What fitting learned, as named arrays; by default every attribute that is an array or a number."""
        options = getattr(self, "__dataclass_fields__", {})
        return {
            name: np.asarray(value)
            for name, value in vars(self).items()
            if name not in options and isinstance(value, np.ndarray | np.generic | int | float)
        }

    def restore(
        self, state: Mapping[str, NDArray[Any]], *, encoder: Encoder | None, loss: Loss | None, run: Run
    ) -> None:
        """Become the fitted model whose `state()` this was; scores are then equal."""
        for name, value in state.items():
            setattr(self, name, value)


class Encoder(Part):
    """Turns images into feature maps. Normalisation belongs to it."""

    kind = "encoder"
    pretrained: ClassVar[bool] = False
    """Whether it starts from published weights unless random ones are asked for."""
    reduction: int | None = None
    """How many times smaller features are than images; None where it is only known once built."""
    bottleneck: ClassVar[bool] = False
    """Whether autoencoders put a dense bottleneck after it unless told otherwise."""

    @abstractmethod
    def build(self, run: Run) -> nn.Module:
        """A module from (N, 3, H, W) in [0, 1] to (N, channels, H/reduction, W/reduction), having both numbers.

        Raises UnavailableError when its weights are out of reach; it never falls back to random ones.
        """

    def build_pyramid(self, run: Run, reductions: tuple[int, ...]) -> nn.Module:
        """A module from (N, 3, H, W) in [0, 1] to a list of maps (N, any channels, H/r, W/r), one for each reduction r.

        An encoder with an option that chooses the maps gives those instead, and its module says their `reductions`.

        Raises UnavailableError as `build` does, and when it has no such maps; by default it has none.
        """
        asked = " and ".join(map(str, reductions))
        raise UnavailableError(
            f"encoder {self.name!r} gives one feature map, not maps of reductions {asked}: choose another encoder"
        )


class Loss(Part):
    """Says how far an output is from its target; trains models and makes the maps that score images."""

    kind = "loss"
    mean_of_map: ClassVar[bool] = True
    """Whether calling it gives the mean of its error map."""
    pretrained: ClassVar[bool] = False
    """Whether it starts from published weights unless random ones are asked for."""

    def prepare(self, run: Run) -> None:
        """Called by models before they use it; a loss with a network builds it here. Raises UnavailableError."""

    @abstractmethod
    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        """(N, 3, H, W) twice, in [0, 1], to (N, H, W): 0 where equal, differentiable in `output`."""

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """The scalar to minimise."""
        return self.error_map(output, target).mean()


class Pool(Part):
    """Turns the error map of an image into one score, higher where the image is more anomalous."""

    kind = "pool"

    @abstractmethod
    def score(self, maps: FloatArray) -> FloatArray:
        """Error maps (N, H, W) to scores (N,), each from its own map alone."""

    def tensor(self, maps: Tensor) -> Tensor:
        """The same in torch, so that models can be packed with this pool. Raises PackingError, by default."""
        raise PackingError(f"pool {self.name!r} cannot be packed, for it has no torch form: see harness.Pool.tensor")


class Threshold(Part):
    """Turns the scores of normal images into a limit; an image that scores above it is called anomalous."""

    kind = "threshold"
    oracle: ClassVar[bool] = False
    """Whether it sees test labels; such rows are marked in every table and ranked apart."""

    @abstractmethod
    def fit(self, normal: FloatArray) -> float:
        """The limit, from the scores (N,) of normal images, in any order."""


class OracleThreshold(Threshold):
    """A limit that no production line could have set: it is chosen with the test labels in hand."""

    oracle = True

    def fit(self, normal: FloatArray) -> float:
        """Not possible without labels. Raises TypeError."""
        raise TypeError(f"{self.name} needs test labels: call fit_oracle")

    @abstractmethod
    def fit_oracle(self, scores: FloatArray, labels: BoolArray) -> float:
        """The limit, from test scores (N,) and labels (N,), True for anomalous."""


class Metric(Part):
    """Says in one number how good a detector is. Subclass CountMetric, ScoreMetric or PixelMetric."""

    kind = "metric"
    title: ClassVar[str] = ""
    """Its heading in tables; by default its spelling."""
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """The lowest and the highest value that it can have; a value outside is refused."""
    higher_is_better: ClassVar[bool] = True
    needs_limit: ClassVar[bool] = False
    """Whether it depends on the threshold."""
    version: ClassVar[int] = 1
    """To be raised when its definition changes: values of different versions are never compared."""


class CountMetric(Metric):
    """A metric of the decisions at a limit."""

    needs_limit = True

    @abstractmethod
    def value(self, counts: Counts) -> float:
        """The number, from how many images of each class are called what they are; nan where it is not defined."""

    def interval(self, counts: Counts) -> Interval | None:
        """Where it lies at 95 %, given so many images; by default nobody knows."""
        return None


class ScoreMetric(Metric):
    """A metric of image scores and labels, whatever the limit."""

    @abstractmethod
    def value(self, ranking: Ranking) -> float:
        """The number, from `ranking.scores` (N,) and `ranking.labels` (N,); nan where it is not defined."""

    def interval(self, ranking: Ranking) -> Interval | None:
        """Where it lies at 95 %, given so many images; by default nobody knows."""
        return None


class PixelMetric(Metric):
    """A metric of error maps against masks; it needs neither pool nor threshold."""

    defect: str = ""
    """The defect kind of the images that count, beside the good ones; empty for all. To be an option, as a field."""

    @abstractmethod
    def value(self, pixels: PixelCounts) -> float:
        """The number, from how many pixels score how high, as `harness.pixel_curves` reads them, or nan."""


class Dataset(Part):
    """Loads the categories of one source of images."""

    kind = "dataset"
    root: Path | None = None
    """The folder of `--data-root`, set by the harness."""
    read_depth: int = 16
    """Bits in use in 16-bit grey images that `read` is given, set by the harness as in Split.depth."""
    needs_root: ClassVar[bool] = True
    """Whether it reads files from `root`."""
    homepage: ClassVar[str] = ""
    """Where to get it."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Settings that suit it where none are asked for: image_size, epochs, batch_size, learning_rate, weights."""
    layout: ClassVar[str] = ""
    """One line that shows how its files lie under `root`."""
    official: ClassVar[tuple[str, ...]] = ()
    """All categories of a published data set, of which some may not be here; empty where there is no such list."""

    @abstractmethod
    def categories(self) -> tuple[str, ...]:
        """What can be loaded, sorted. Raises DataError when `root` holds nothing of this layout."""

    def train_count(self, category: str) -> int | None:
        """How many images a category has to fit on, where that is known without loading it; it foretells times."""
        return None

    @abstractmethod
    def load(self, category: str, image_size: int) -> Split:
        """Every image resized to (image_size, image_size), in an order that never changes. Raises DataError."""

    def read(self, file: Path, image_size: int) -> NDArray[np.uint8]:
        """(image_size, image_size, 3), one image file as `load` has it, so that new ones can be judged like those.

        By default it is turned upright, made RGB and resized as a whole. Raises DataError.
        """
        return read_image(file, image_size, self.read_depth).pixels
