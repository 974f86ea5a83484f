"""The outlier detectors of scikit-learn and PyOD, on one vector of features for each image, or for each patch."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness import Encoder, FloatArray, Images, Loss, Model, Run, Scores, TrainingError, UnavailableError, unknown_name

if TYPE_CHECKING:
    from harness_features.patches import Patches

SKLEARN: Mapping[str, tuple[str, str]] = {
    "isolation_forest": ("sklearn.ensemble", "IsolationForest"),
    "one_class_svm": ("sklearn.svm", "OneClassSVM"),
    "local_outlier_factor": ("sklearn.neighbors", "LocalOutlierFactor"),
    "elliptic_envelope": ("sklearn.covariance", "EllipticEnvelope"),
    "gaussian_mixture": ("sklearn.mixture", "GaussianMixture"),
    "kernel_density": ("sklearn.neighbors", "KernelDensity"),
}
"""Name to module and class. All of them score normal features higher."""
COVARIANCE = frozenset({"elliptic_envelope", "gaussian_mixture"})
"""These estimate a covariance, for which there must be more images than numbers."""


@dataclass
class Outlier(Model):
    """A general outlier detector, given the mean patch of each image, or some patches of normal images."""

    name = "outlier"
    uses = frozenset({"encoder"})
    default_pool = "max"
    licence = "MIT"
    source = (
        "https://scikit-learn.org/stable/modules/outlier_detection.html; pyod_...: https://github.com/yzhao062/pyod"
    )

    detector: str = "isolation_forest"
    """One of scikit-learn's, or pyod_ and the name of a module of PyOD, as in pyod_ecod."""
    reductions: tuple[int, ...] = (8, 16)
    """Reductions of the feature maps that are joined."""
    components: int | None = None
    """Principal components that the detector sees; by default all features, or a third as many as there are images
    where it estimates a covariance."""

    features: Literal["pooled", "patch"] = "pooled"
    """Whether it judges the mean patch of each image, which gives one score, or each patch, which gives maps."""
    memory: int = 5_000
    """How many patches it learns from, at most, drawn at random; most detectors compare each with all."""
    smoothing: float = 4.0
    """Standard deviation in pixels of the Gaussian that smooths maps; 0 leaves it out."""

    def __post_init__(self) -> None:
        if self.features == "patch":
            self.uses = frozenset({"encoder", "pool"})  # type: ignore[misc]  # maps are to be pooled
        if self.memory < 1 or self.smoothing < 0:
            raise ValueError(f"memory is {self.memory} and smoothing {self.smoothing:g}, expected at least 1 and 0")
        if self.detector not in SKLEARN and not re.fullmatch(r"pyod_[a-z0-9_]+", self.detector):
            raise ValueError(unknown_name("detector", self.detector, [*SKLEARN, "pyod_ecod (or another of PyOD's)"]))
        if not self.reductions or min(self.reductions) < 1:
            raise ValueError(f"reductions are {self.reductions}, expected positive numbers such as 8-16")
        if self.components is not None and self.components < 1:
            raise ValueError(f"components is {self.components}, expected at least 1, or none")

    def fit(self, normal: Images, *, encoder: Encoder | None, loss: Loss | None, run: Run) -> None:
        """Learn from the mean patches of normal images. Raises UnavailableError, TrainingError."""
        from harness_autoencoders import seeded
        from harness_features.patches import Patches

        assert encoder is not None, "the harness gives an encoder to models that use one"
        with seeded(run):
            self._patches = Patches.shared(encoder, self.reductions, 1, run)
        pooled = self.features == "pooled"
        learned = self._patches.means(normal) if pooled else self._patches.sample(normal, self.memory, run.seed)
        self._learn(learned.cpu().numpy(), run.seed)

    def score(self, images: Images) -> Scores:
        """Scores (N,), or maps (N, H, W) of patches; higher where the image is less normal."""
        if self.features == "patch":
            return Scores(maps=self._maps(images))
        found = self._abnormality(self._reduced(self._patches.means(images).cpu().numpy()))
        return Scores(images=np.asarray(found, dtype=np.float64).reshape(len(images)))

    def _maps(self, images: Images) -> FloatArray:
        import torch

        from harness_features.maps import AnomalyMap

        size = images.pixels.shape[1]
        maps = np.empty(images.pixels.shape[:3], dtype=np.float32)
        for start, patches in self._patches.filled(images):
            found = np.asarray(self._abnormality(self._reduced(patches.flatten(0, 2).cpu().numpy())))
            distances = torch.from_numpy(found.astype(np.float32).reshape(patches.shape[:3]))
            whole = AnomalyMap(
                self._patches.network, torch.nn.Identity(), size, size // patches.shape[1], self.smoothing
            )
            maps[start : start + len(patches)] = whole.of_patches(distances)[: len(images) - start].numpy()
        return maps

    def state(self) -> Mapping[str, NDArray[Any]]:
        """The encoder's weights and the normal features: the detector is learned from them again, never unpickled."""
        weights = self._patches.pyramid.state_dict()
        arrays = {f"encoder.{name}": values.detach().cpu().contiguous().numpy() for name, values in weights.items()}
        return {**arrays, "normal": self._normal, "seed": np.asarray(self._seed, dtype=np.int64)}

    def restore(
        self, state: Mapping[str, NDArray[Any]], *, encoder: Encoder | None, loss: Loss | None, run: Run
    ) -> None:
        """Become the fitted model whose `state()` this was. Raises UnavailableError where PyOD is not installed."""
        import torch

        self._patches = self._describe(encoder, replace(run, weights="random"))
        weights = {name: torch.tensor(values) for name, values in state.items() if name.startswith("encoder.")}
        self._patches.pyramid.load_state_dict({name.removeprefix("encoder."): w for name, w in weights.items()})
        self._learn(np.asarray(state["normal"]), int(state["seed"]))

    def _describe(self, encoder: Encoder | None, run: Run) -> Patches:
        from harness_features.patches import Patches

        assert encoder is not None, "the harness gives an encoder to models that use one"
        return Patches(encoder.build_pyramid(run, self.reductions), 1, run.device)

    def _learn(self, features: NDArray[np.float32], seed: int) -> None:
        """Fit the detector to features (N, C) in units of their standard deviations."""
        from sklearn.decomposition import PCA

        self._normal, self._seed = features, seed
        wide = features.astype(np.float64)
        self._mean, self._scale = wide.mean(axis=0), wide.std(axis=0)
        self._scale = np.maximum(self._scale, 0.01 * self._scale.mean() + 1e-12)
        self._axes = None
        if (kept := self._kept(*features.shape)) < features.shape[1] or self.detector in COVARIANCE:
            # The full solver draws no random numbers.
            found = PCA(kept, svd_solver="full").fit(self._reduced(wide))
            # Directions in which normal images do not vary have no covariance that could be inverted.
            varying = found.explained_variance_ > 1e-6 * max(found.explained_variance_[0], 1e-6)
            varying[0] = True
            self._axes = found.components_[varying].T
        self._abnormality = _fitted(self.detector, self._reduced(wide), seed)

    def _kept(self, images: int, channels: int) -> int:
        """How many principal components the detector sees. Raises UnavailableError where there are too few images."""
        if images < 3:
            raise UnavailableError(f"outlier[detector={self.detector}] needs 3 or more normal images, not {images}")
        if self.components is None:
            return min(channels, max(1, images // 3)) if self.detector in COVARIANCE else channels
        most = min(channels, images - 1)
        if self.components > most:
            raise UnavailableError(
                f"{images} normal images with {channels} features have at most {most} components, "
                f"not components={self.components}"
            )
        return self.components

    def _reduced(self, features: FloatArray) -> FloatArray:
        standard = (features.astype(np.float64) - self._mean) / self._scale
        return standard if self._axes is None else np.asarray(standard @ self._axes)


def _fitted(name: str, features: FloatArray, seed: int) -> Callable[[FloatArray], FloatArray]:
    """A function from features (N, C) to how abnormal they are (N,), higher where more."""
    cls = _sklearn_class(name) if name in SKLEARN else _pyod_class(name.removeprefix("pyod_"))
    asked: dict[str, Any] = {"random_state": seed, "novelty": True}
    if name == "local_outlier_factor":
        asked["n_neighbors"] = min(20, len(features) - 1)
    if name == "kernel_density":
        asked["bandwidth"] = "scott"
    known = inspect.signature(cls).parameters
    detector = cls(**{option: value for option, value in asked.items() if option in known})
    try:
        detector.fit(features)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise TrainingError(f"{name} cannot be fitted to {len(features)} images: {error}") from error
    if name not in SKLEARN:
        return lambda seen: np.asarray(detector.decision_function(seen))
    return lambda seen: -np.asarray(detector.score_samples(seen))


def _sklearn_class(name: str) -> Any:
    module, cls = SKLEARN[name]
    return getattr(importlib.import_module(module), cls)


def _pyod_class(name: str) -> Any:
    """The detector that a module of PyOD defines. Raises UnavailableError where it or PyOD is not there."""
    try:
        base = importlib.import_module("pyod.models.base").BaseDetector
    except ImportError as error:
        raise UnavailableError(
            f"outlier[detector=pyod_{name}] needs PyOD ({error}): pip install 'anomaly-harness[pyod]'"
        ) from None
    try:
        module = importlib.import_module(f"pyod.models.{name}")
    except ImportError as error:  # some of PyOD's need packages of their own
        raise UnavailableError(f"PyOD's {name!r} cannot be imported: {error}") from None
    own = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__]
    found = [one for one in own if issubclass(one, base)]
    named = [one for one in found if one.__name__.lower() == name.replace("_", "")] or found
    if not named:
        raise UnavailableError(
            f"PyOD's module {name!r} has no detector: see https://pyod.readthedocs.io for those it has"
        )
    return named[0]
