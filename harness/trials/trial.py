"""Trials, which are fitted once; their evidence, from which verdicts are derived; and their outcomes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from harness.api import GOOD, BoolArray, FloatArray, Run
from harness.metrics.pixel import PixelEvidence
from harness.plugin.grammar import split_list
from harness.printable import printable
from harness.trials.pictures import Maps
from harness.trials.record import UNRECORDED, Record
from harness.trials.typed import hints, read

UNUSED = "-"
"""Stands for the part on an axis that a model does not use."""

Status = Literal["done", "skipped", "error"]

Protocol = tuple[Any, ...]
"""How images are presented: the values of all fields in PROTOCOL, or empty where all of them are as usual."""
CROSSFIT, REST = "crossfit", "rest"
"""What `calibrate` of a trial may be."""

KEPT_NAMES = {"learning_rate": "lr"}
"""Fields whose name in keys and files differs, since a new name there would change the id of every trial."""


_NO_DEFAULT = object()


class Trial(NamedTuple):
    """One fit: parts as they are spelt, and every setting that changes what is learned.

    A new setting is one new line at the end, with the default under which everything before was fitted. At its default
    it is left out of the key, so that no id changes; so the default stays for good.
    """

    dataset: str
    category: str
    model: str
    encoder: str
    loss: str
    seed: int
    image_size: int
    epochs: int
    """0 for a model that does not train in epochs; the same holds for the next two."""
    batch_size: int
    learning_rate: float
    holdout: float
    """Share of the normal images kept from fitting, to calibrate thresholds on; 0 calibrates on the fitted ones."""
    precision: str
    weights: str
    """pretrained, random, or `-` where no part starts from published weights."""
    versions: str = ""
    """The parts whose version is above 1, as `dae 2`, joined by commas."""
    calibrate: str = ""
    """`crossfit` where limits are set on all normal images, each scored by a model that was fitted without it, or
    `rest` where they are set on the training images that `shots` leaves out."""
    shots: int = 0
    """How many training images it is fitted to, drawn by the seed; 0 for all. From here on fields are its protocol."""
    contaminate: float = 0.0
    """Share of the training images that are defective."""
    reserve: float = 0.0
    """The largest share that the test set is spared defective images for."""
    resize: str = "stretch"
    """How images that are not square become square: one of `harness.images.framing.RESIZES`."""
    tiles: int = 0
    """Height and width of the tiles that images are cut into; 0 where they are not."""
    overlap: int = 0
    """How many pixels neighbouring tiles share at least."""
    augment: str = ""
    """By what changed copies of the training images are made that it is fitted to as well, as `flip,shift`."""
    setting: str = "one-class"
    """Whether its model is of its category alone, or one of several categories, with a limit each or one for all."""
    together: str = ""
    """The categories that its model is fitted to, as a comma list; empty for its own alone."""

    @property
    def protocol(self) -> Protocol:
        """How its images are presented; empty where that is as usual."""
        return () if self[_FIRST:] == _USUAL else self[_FIRST:]

    @property
    def title(self) -> str:
        """A name for people: `bottle · dae + conv + mse · shots 4 · seed 0`."""
        return printable(
            " · ".join(filter(None, (self.category, self.method, spelt(self.protocol), f"seed {self.seed}")))
        )

    @property
    def key(self) -> str:
        """The canonical text from which the id is made."""
        return _compact(self.written())

    def written(self) -> dict[str, Any]:
        """The settings as they are kept in the key and in models: those with a default only where they differ."""
        return {name: value for name, usual, value in zip(*_WRITTEN, self, strict=True) if value != usual}

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Trial:
        """The trial with these settings, by their names here or as they are kept; those that are lacking have defaults.

        Raises ValueError for a setting that is unknown, missing or of a wrong type.
        """
        if not isinstance(settings, Mapping):
            raise ValueError(f"its settings are {settings!r:.60}, expected names with values")
        given = {_NAMES.get(name, name): value for name, value in settings.items()}
        kinds = hints(cls)
        for name, value in given.items():
            if name not in kinds:
                raise ValueError(
                    f"it has the setting {name!r:.60} ({value!r:.60}), which this harness does not know: "
                    "use the harness that wrote it, or a newer one"
                )
            if type(value) is not kinds[name]:  # as it nearly always is
                read(value, kinds[name], name)
        for name in cls._fields:
            if name not in given and name not in cls._field_defaults:
                raise ValueError(f"it lacks {name!r}")
        return cls(**given)

    @property
    def method(self) -> str:
        """Model, encoder and loss, as in `dae + vgg16 + mse`."""
        return " + ".join(part for part in (self.model, self.encoder, self.loss) if part != UNUSED)

    @property
    def random_features(self) -> bool:
        """Whether it looks at images through an encoder that nobody trained: no loss trains it, nor was it published.

        A model with an encoder and no loss takes the encoder as it is.
        """
        return self.encoder != UNUSED and self.loss == UNUSED and self.weights != "pretrained"

    def run(self, device: str = "cpu", weights_dir: Path | None = None) -> Run:
        """The settings of its fit on this device."""
        return Run(
            seed=self.seed,
            image_size=self.tiles or self.image_size,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            precision=cast("Any", self.precision),
            device=device,
            weights=cast("Any", "pretrained" if self.weights == UNUSED else self.weights),
            weights_dir=weights_dir,
        )

    def identity(self, fingerprint: str) -> str:
        """16 hexadecimal digits for this trial on the data of this fingerprint."""
        return hashlib.sha256(f"{self.key}\n{fingerprint}".encode()).hexdigest()[:16]


_compact = json.JSONEncoder(separators=(",", ":")).encode
_WRITTEN = (
    [KEPT_NAMES.get(name, name) for name in Trial._fields],
    [Trial._field_defaults.get(name, _NO_DEFAULT) for name in Trial._fields],
)
"""Names of settings as they are kept, and their defaults."""
_NAMES = {kept: name for name, kept in KEPT_NAMES.items()}
_FIRST = Trial._fields.index("shots")
PROTOCOL: Mapping[str, Any] = {name: Trial._field_defaults[name] for name in Trial._fields[_FIRST:]}
"""The fields of a trial that say how images are presented to it, with what is usual; see harness/trials/protocols."""
_USUAL = tuple(PROTOCOL.values())


def named(protocol: Protocol) -> dict[str, Any]:
    """The values of a protocol that are not the usual ones, by name, as options and columns have them."""
    return {name: value for (name, usual), value in zip(PROTOCOL.items(), protocol, strict=False) if value != usual}


def spelt(protocol: Protocol) -> str:
    """A protocol in the words of its options, as `shots 4` or `contaminate 0.05, reserve 0.1`; empty for the usual."""
    return ", ".join(f"{name} {said}" for name, said in as_options(protocol).items())


def as_options(protocol: Protocol) -> dict[str, str]:
    """The values of a protocol that are not the usual ones as its options take them, where commas part values."""
    words = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in named(protocol).items()}
    return words | {name: "+".join(split_list(said)) for name, said in words.items() if name == "augment"}


@dataclass(frozen=True)
class Evidence:
    """The scores of a trial by pool, with the names and defect kinds of its test images."""

    normal: Mapping[str, FloatArray]
    """Pool to the scores (M,) of the normal images that thresholds are calibrated on."""
    test: Mapping[str, FloatArray]
    """Pool to the scores (N,) of the test images."""
    defects: tuple[str, ...]
    """N defect kinds; `good` for normal images."""
    paths: tuple[str, ...]
    """N names of images."""
    maps: Maps | None = field(default=None, compare=False, repr=False)
    """Small error maps of the test images, for people; None without maps, and from a store, which keeps them apart."""
    pixels: PixelEvidence | None = field(default=None, compare=False, repr=False)
    """The counts behind pixel metrics. None without maps or masks, and from a store unless they are asked for."""
    corrupted: Mapping[str, Mapping[str, FloatArray]] = field(default_factory=dict, compare=False, repr=False)
    """Corruption to pool to the scores (S, N) of the test images at each of S severities, where that was asked for."""

    def hash_of(self, pool: str) -> str:
        """16 hexadecimal digits of the scores of one pool, equal only where every score is."""
        digest = hashlib.sha256()
        for scores in (self.normal[pool], self.test[pool]):
            digest.update(np.ascontiguousarray(scores, dtype="<f8").data)
        return digest.hexdigest()[:16]

    def hash_of_corrupted(self, pool: str) -> str:
        """The same of the scores of changed images, whatever the order of corruptions; empty where there are none."""
        changed = {name: by_pool[pool] for name, by_pool in sorted(self.corrupted.items()) if pool in by_pool}
        digest = hashlib.sha256(json.dumps(list(changed)).encode())
        for scores in changed.values():
            digest.update(np.ascontiguousarray(scores, dtype="<f8").data)
        return digest.hexdigest()[:16] if changed else ""

    @property
    def labels(self) -> BoolArray:
        """(N,), True for anomalous. It cannot be written to, for all trials on the same test images share it."""
        return labels_of(tuple(self.defects))


@lru_cache(maxsize=64)
def labels_of(defects: tuple[str, ...]) -> BoolArray:
    """(N,), True for anomalous, of N defect kinds."""
    labels = np.array([kind != GOOD for kind in defects], dtype=bool)
    labels.flags.writeable = False
    return labels


@lru_cache(maxsize=64)
def images_of_kinds(defects: tuple[str, ...]) -> Mapping[str, NDArray[np.intp]]:
    """Each kind of defect, in the order of names, to the places of its images among these N."""
    return {kind: np.flatnonzero([one == kind for one in defects]) for kind in sorted({*defects} - {GOOD})}


@dataclass(frozen=True)
class Outcome:
    """How a trial ended. It has evidence only if it is `done`."""

    trial: Trial
    status: Status
    reason: str = ""
    fingerprint: str = ""
    """The fingerprint of the data; empty if the data could not be loaded."""
    evidence: Evidence | None = None
    record: Record = UNRECORDED
    """How it came about: times, losses, machine, versions."""
    unkept: str = field(default="", compare=False)
    """Why its model could not be kept. Only the run that fitted it sees this; it is not stored."""
    changed: tuple[str, ...] = field(default=(), compare=False)
    """What its plugins changed for the whole process, and the worker restored. It is not stored."""
    rescored: bool = field(default=False, compare=False)
    """Whether its kept model was scored once more, and nothing was fitted. It is not stored, as the next is not."""
    kept_fault: str = field(default="", compare=False)
    """Why its kept model could not be used, so that it was fitted again."""
    parts: tuple[Outcome, ...] = field(default=(), compare=False, repr=False)
    """The outcomes of other trials that came of the same fit. They are stored by themselves."""
    out_of_memory: bool = field(default=False, compare=False)
    """Whether it failed for want of memory. It is not stored."""
    alone: bool = field(default=False, compare=False)
    """Whether it had run out of memory beside others, and was then fitted alone. It is not stored."""

    @cached_property
    def id(self) -> str:
        """The identity of the trial on its data."""
        return self.trial.identity(self.fingerprint)
