"""The kinds of part. A plugin subclasses one of these classes for each part that it offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from harness.api.pixels import PixelCounts
from harness.api.scored import Counts, Interval, Ranking, Rankings
from harness.api.values import Archive, BoolArray, FloatArray, Images, Region, Run, Scores, Split
from harness.errors import PackingError, UnavailableError
from harness.images.decoding import read_image

if TYPE_CHECKING:
    from torch import Tensor, nn


class Part(ABC):
    """One choice on an axis. A subclass may be a dataclass; its fields are its options, and all need defaults."""

    name: ClassVar[str]
    """Its name on the command line: lower case letters, digits and underscores."""
    kind: ClassVar[
        Literal[
            "corruption",
            "dataset",
            "defect",
            "encoder",
            "executor",
            "loss",
            "metric",
            "model",
            "pool",
            "threshold",
            "tracker",
        ]
    ]
    licence: ClassVar[str] = ""
    """SPDX identifier of the code, or of the images of a data set."""
    source: ClassVar[str] = ""
    """The publication or web page that it follows."""
    needs_options: ClassVar[bool] = False
    """Whether it is to be asked for by name, for want of options or for its size: `all` then leaves it out."""
    version: ClassVar[int] = 1
    """Increase it when the same options give other numbers. Results of different versions are never mixed."""
    imports: ClassVar[tuple[str, ...]] = ()
    """Modules that take a second to import, which its first use does: a worker imports them while images are read."""


class Model(Part):
    """A detector: it is fitted to normal images and then scores any image."""

    kind = "model"
    uses: ClassVar[frozenset[str]] = frozenset()
    """Which of encoder, loss, pool and training (epochs, batch size, learning rate) it uses; others show as `-`."""
    floor: ClassVar[bool] = False
    """Whether it looks at next to nothing, so that others have to beat it: fitted beside each run, never ranked."""
    default_pool: ClassVar[str] = "mean"
    """The spelling of the pool that turns its maps into image scores if no other pool is asked for."""

    def resolved(self, encoder: Encoder | None) -> Mapping[str, str]:
        """What options that leave something open (`auto`) come to with this encoder. This is kept in the record."""
        return {}

    @abstractmethod
    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        """Learn from normal images only, and forget any earlier fit. Raises TrainingError, UnavailableError."""

    @abstractmethod
    def score(self, images: Images) -> Scores:
        """Score each image on its own. The score may depend neither on other images nor on a label."""

    def score_left_out(self, images: Images, without: Sequence[NDArray[np.intp]]) -> Scores:
        """Score images that it was fitted on, each as if those at these indices among the fitted had not been there.

        For models that can do so without another fit; of others, whose method this is, cross-fitting fits five.
        """
        raise UnavailableError(f"model {self.name!r} cannot leave images out of what it has learned")

    def network(self) -> nn.Module:
        """The fitted model as one torch module, from images (N, 3, H, W) in [0, 1] to maps (N, H, W) or scores (N,).

        `forward` may have further inputs, all optional, whose values `side_inputs` gives. By default it raises
        UnavailableError, and the model cannot be packed.
        """
        raise UnavailableError(
            f"model {self.name!r} cannot be packed, for it has no network(): see harness.Model.network"
        )

    def side_inputs(self, pixels: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        """The further inputs of `network` by name, computed from pixels (N, H, W, 3); none by default."""
        return {}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """What was learned by fitting, as named arrays. By default, every attribute that is an array or a number."""
        options = getattr(self, "__dataclass_fields__", {})
        return {
            name: np.asarray(value)
            for name, value in vars(self).items()
            if name not in options and isinstance(value, np.ndarray | np.generic | int | float)
        }

    def restore(
        self, state: Mapping[str, NDArray[Any]], *, encoder: Encoder | None, loss: Loss | None, run: Run
    ) -> None:
        """Become the fitted model that gave this `state()`. Its scores must then be the same."""
        for name, value in state.items():
            setattr(self, name, value)


class Encoder(Part):
    """Turns images into feature maps. It normalises the images itself."""

    kind = "encoder"
    pretrained: ClassVar[bool] = False
    """Whether it starts from published weights, unless random ones are asked for."""
    reduction: int | None = None
    """How many times smaller the feature maps are than the images; None if that is known only after `build`."""
    bottleneck: ClassVar[bool] = False
    """Whether autoencoders add a dense bottleneck behind it by default."""

    @abstractmethod
    def build(self, run: Run) -> nn.Module:
        """A module from (N, 3, H, W) in [0, 1] to (N, channels, H/reduction, W/reduction), with both as attributes.

        Raises UnavailableError if its weights are out of reach. It must never use random weights instead.
        """

    def build_pyramid(self, run: Run, reductions: tuple[int, ...]) -> nn.Module:
        """A module from (N, 3, H, W) in [0, 1] to a list of maps (N, channels, H/r, W/r), one for each reduction r.

        An encoder whose options choose the maps gives those instead; its module then has the attribute `reductions`.
        Raises UnavailableError as `build` does, and if there are no such maps, which is the default.
        """
        asked = " and ".join(map(str, reductions))
        raise UnavailableError(
            f"encoder {self.name!r} gives one feature map, not maps of reductions {asked}: choose another encoder"
        )


class Loss(Part):
    """Measures how far an output is from its target. It trains models and makes the error maps that score images."""

    kind = "loss"
    mean_of_map: ClassVar[bool] = True
    """Whether calling the loss gives the mean of its error map."""
    pretrained: ClassVar[bool] = False
    """Whether it starts from published weights, unless random ones are asked for."""

    def prepare(self, run: Run) -> None:
        """Models call this before they use the loss. A loss with a network builds it here. Raises UnavailableError."""

    @abstractmethod
    def error_map(self, output: Tensor, target: Tensor) -> Tensor:
        """Errors (N, H, W) between images (N, 3, H, W) in [0, 1]: 0 where equal, differentiable in `output`."""

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """The scalar that training minimises."""
        return self.error_map(output, target).mean()


class Pool(Part):
    """Turns the error map of an image into one score, higher where the image is more anomalous."""

    kind = "pool"

    @abstractmethod
    def score(self, maps: FloatArray) -> FloatArray:
        """Scores (N,) of error maps (N, H, W). Each score depends on its own map only."""

    def tensor(self, maps: Tensor) -> Tensor:
        """The same in torch, which packing a model needs. By default it raises PackingError."""
        raise PackingError(f"pool {self.name!r} cannot be packed, for it has no torch form: see harness.Pool.tensor")


class Threshold(Part):
    """Turns the scores of normal images into a limit. An image with a score above the limit is called anomalous."""

    kind = "threshold"
    oracle: ClassVar[bool] = False
    """Whether it sees test labels. Its rows are then marked in every table and ranked apart."""

    @abstractmethod
    def fit(self, normal: FloatArray) -> float:
        """The limit for these scores (N,) of normal images, which are in no particular order."""

    def fit_many(self, normal: FloatArray) -> FloatArray:
        """The limits (T,) for the scores (T, N) of T trials, each what `fit` gives for its row, to the last bit.

        It only saves time, where a store has many trials; a threshold need not have a form of its own.
        """
        return np.array([self.fit(row) for row in normal], dtype=np.float64)


class OracleThreshold(Threshold):
    """A limit that no production line could have set, since it is chosen with the help of test labels."""

    oracle = True

    def fit(self, normal: FloatArray) -> float:
        """Raises TypeError, since labels are needed."""
        raise TypeError(f"{self.name} needs test labels: call fit_oracle")

    @abstractmethod
    def fit_oracle(self, scores: FloatArray, labels: BoolArray) -> float:
        """The limit for these test scores (N,) and labels (N,), which are True for anomalous."""

    def fit_oracle_many(self, rankings: Rankings) -> FloatArray:
        """The limits (T,) for the test scores of T trials, each what `fit_oracle` gives; see `fit_many`."""
        raise NotImplementedError


class Metric(Part):
    """One number that says how good a detector is. Subclass CountMetric, ScoreMetric or PixelMetric."""

    kind = "metric"
    title: ClassVar[str] = ""
    """The heading of its column in tables; by default its spelling."""
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Its lowest and highest possible value. A value outside this range is refused."""
    higher_is_better: ClassVar[bool] = True
    needs_limit: ClassVar[bool] = False
    """Whether it depends on the threshold."""
    version: ClassVar[int] = 1
    """Increase it when the definition changes. Values of different versions are never compared."""


class CountMetric(Metric):
    """A metric of decisions: it depends on how many images lie on which side of the limit."""

    needs_limit = True

    @abstractmethod
    def value(self, counts: Counts) -> float:
        """The metric, computed from how many images of each class are judged rightly; nan if it is not defined."""

    def interval(self, counts: Counts) -> Interval | None:
        """Its 95 % confidence interval for this number of images, the lower bound first; None if there is none."""
        return None


class ScoreMetric(Metric):
    """A metric of image scores and labels. It does not depend on a limit."""

    @abstractmethod
    def value(self, ranking: Ranking) -> float:
        """The metric, computed from `ranking.scores` (N,) and `ranking.labels` (N,); nan if it is not defined."""

    def interval(self, ranking: Ranking) -> Interval | None:
        """Its 95 % confidence interval for this number of images, the lower bound first; None if there is none."""
        return None


class PixelMetric(Metric):
    """A metric that compares error maps with masks. It needs neither a pool nor a threshold."""

    defect: str = ""
    """The only defect kind that counts, beside good images; empty for all. Make it a field to have it as an option."""

    @abstractmethod
    def value(self, pixels: PixelCounts) -> float:
        """The metric of these counts of pixels by score, which `harness.pixel_curves` reads; nan if not defined."""


class Dataset(Part):
    """Loads the images of one source, category by category."""

    kind = "dataset"
    root: Path | None = None
    """The folder given as `--data-root`. The harness sets it."""
    read_depth: int = 16
    """How many bits are used in 16-bit grey images that `read` opens. The harness sets it from Split.depth."""
    skip_unreadable: bool = False
    """Whether a file that cannot be read is left out and named, where that is not an error. The harness sets it."""
    resize: str = "stretch"
    """How images that are not square are read: stretch, pad or tiles, one of `resizes`. The harness sets it."""
    resizes: ClassVar[tuple[str, ...]] = ("stretch",)
    """What its `load` and `read` know. With pad and tiles, `Images.boxes` says what each image fills."""
    needs_root: ClassVar[bool] = True
    """Whether it reads files from `root`."""
    archive: ClassVar[Archive | None] = None
    """What `harness data --download` fetches; None where it takes a form, or nobody publishes it so."""
    homepage: ClassVar[str] = ""
    """The web page where the images can be found."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Its own default settings, by name: image_size, epochs, batch_size, learning_rate, weights."""
    preset: ClassVar[str] = "kumar_2025"
    """The settings that a run takes where nobody asks for others: kumar_2025 or own_images."""
    layout: ClassVar[str] = ""
    """One line that shows how its files lie under `root`."""
    official: ClassVar[tuple[str, ...]] = ()
    """All categories of a published data set, of which some may not be here; empty where there is no such list."""

    @abstractmethod
    def categories(self) -> tuple[str, ...]:
        """The names of all categories, sorted. Raises DataError if `root` has no files in this layout."""

    def train_count(self, category: str) -> int | None:
        """The number of training images if it is known without loading them; used to estimate the time left."""
        return None

    @abstractmethod
    def load(self, category: str, image_size: int) -> Split:
        """All images of a category, resized to (image_size, image_size), always in the same order. Raises DataError.

        Where `resize` is tiles, images keep their own size, and the arrays are as large as the largest of them.
        """

    def unlabelled(self, category: str) -> Mapping[str, Sequence[Path]]:
        """Test images whose labels nobody has, by the name of their folder; a benchmark's server judges maps of them.

        None by default. Raises DataError.
        """
        return {}

    def regions(self, category: str, image_size: int) -> Sequence[Sequence[Region]] | None:
        """The defects of each test image apart, in the order of `load`, where the data set says how much must be found.

        None where it has masks alone. MVTec LOCO's metric sPRO takes them. Raises DataError.
        """
        return None

    def read(self, file: Path, image_size: int) -> NDArray[np.uint8]:
        """Read one new image file as `load` does, as (image_size, image_size, 3), so that a fitted model can judge it.

        By default the image is turned upright, converted to RGB and resized as `resize` says; one that is not stretched
        comes without padding, as (h, w, 3). Raises DataError.
        """
        return read_image(file, image_size, self.read_depth, self.resize).pixels
