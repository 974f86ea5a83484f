"""The settings of a run, each said once: name, type, default and help.

From here come the options of `harness run`, the names in `--config`, the keywords of `harness.run`, and README's table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from harness.api import Corruption, Dataset, Encoder, Executor, Loss, Metric, Model, Part, Pool, Run, Threshold, Tracker
from harness.errors import UsageError, unknown_name
from harness.images.framing import RESIZES
from harness.trials.setting import Setting as Setting
from harness.trials.setting import declared
from harness.trials.setting_kinds import (
    ALL,
    NONE,
    Amounts,
    Flag,
    Names,
    Number,
    OneOf,
    Parts,
    Place,
    Plugins,
    Share,
    Shares,
    SomeOf,
    Spellings,
    Text,
    Whole,
    Wholes,
)

KUMAR_2025, OWN_IMAGES = "kumar_2025", "own_images"
"""Presets: the protocol of Kumar, 2025, and what suits one's own images. `harness.trials.presets` has their values."""
Door = Literal["python", "command line"]
Chosen = tuple[str | Part | type[Part], ...]
"""Parts as the user gave them: spellings, instances or classes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one run, each converted to its type. Raises UsageError for a wrong value."""

    preset: str | None = declared(
        OneOf((KUMAR_2025, OWN_IMAGES)),
        None,
        "Models, encoders, losses, thresholds and calibrate where nobody asks for others: those of the paper "
        "(kumar_2025), or frozen features and limits from images that were not fitted (own_images).",
        in_words="own_images for the data sets folder, photos and table unless models, encoders or losses are given; "
        "else kumar_2025",
    )
    models: Chosen = declared(Parts(Model), "dae,cae", "Models to cross, or all.")
    encoders: Chosen = declared(Parts(Encoder), "conv", "Encoders to cross, or all.")
    losses: Chosen = declared(Parts(Loss), "mse,ssim", "Losses to cross, or all.")
    thresholds: Chosen = declared(Parts(Threshold), "mean", "Thresholds that decide, or all. They cost no fit.")
    pools: Chosen | None = declared(
        Parts(Pool),
        None,
        "What makes a score of an error map, or all. The built-in ones cost no fit.",
        in_words="what each model suits",
    )
    dataset: Chosen | None = declared(
        Parts(Dataset, several=False, metavar="NAME"),
        None,
        "The data set.",
        in_words="mvtec_ad or folder, as the data root is laid out; synthetic without one",
    )
    data_root: Path | None = declared(Place("FOLDER"), None, "Folder that holds the data set.")
    categories: tuple[str, ...] = declared(Names(), "all", "Categories of the data set, or all.")
    skip_unreadable: bool = declared(
        Flag(),
        False,
        "Leave out images that cannot be read, and name them, in place of failing the category.",
    )
    seeds: tuple[int, ...] = declared(
        Wholes(), "0", "Seeds, one fit for each: whole numbers from 0, as 0,1,2; in Python range(3) too."
    )
    epochs: int | None = declared(Whole(1), None, "Passes over the normal images.", usual=Run.epochs)
    image_size: int | None = declared(Whole(1), None, "Height and width in pixels.", usual=Run.image_size)
    batch_size: int | str | None = declared(
        Whole(1, or_word="auto"),
        None,
        "Images in a training step; auto starts at the default and halves it while memory is short.",
        usual=Run.batch_size,
    )
    learning_rate: float | None = declared(
        Number(0, least_allowed=False), None, "Of Adam.", usual=Run.learning_rate, aliases=("lr",)
    )
    holdout: float = declared(
        Number(0, below=1), 0.0, "Share of the normal images that is kept from fitting, to set thresholds on."
    )
    calibrate: str | None = declared(
        OneOf(("train", "holdout", "crossfit", "rest")),
        None,
        "Which normal images limits are set on: those that were fitted (train), a share kept from fitting (holdout), "
        "all of them, each scored by a model that was fitted without it (crossfit), or those that shots leaves out "
        "(rest).",
        in_words="train; holdout where a share is held out; the data set's own validation images where it has some",
    )
    shots: tuple[int | str, ...] = declared(
        Amounts(),
        ALL,
        "Numbers of training images to fit to, as 1,2,4,8,16,all: drawn by the seed, those of 2 among those of 4. The "
        "others are not used.",
    )
    contaminate: tuple[float, ...] = declared(
        Shares(),
        "0",
        "Shares of the training images that are defective, as 0,0.02,5%: they are taken out of the test set, the same "
        "ones for all shares.",
    )
    reserve: float | None = declared(
        Share(),
        None,
        "The share that defective images are taken out of the test set for, so that runs with other shares are judged "
        "on the same images.",
        in_words="the largest of contaminate",
    )
    resize: tuple[str, ...] | None = declared(
        SomeOf(RESIZES),
        None,
        "How images become square: stretched, resized in proportion and padded, or cut in their own size into tiles.",
        in_words="stretch; tiles where tiles are asked for and no image size is",
    )
    tiles: tuple[int | str, ...] = declared(
        Amounts(NONE, "256, or none,256"),
        NONE,
        "Sides of tiles in pixels that images are cut into, as 256: models learn and score these; maps are joined.",
    )
    overlap: int | None = declared(
        Whole(0), None, "Pixels that neighbouring tiles share at least.", in_words="a quarter of a tile"
    )
    augment: tuple[str, ...] = declared(
        Spellings(),
        NONE,
        "Fit to changed copies of the training images, too: flip, flip_up_down and corruptions. Each adds one copy of "
        "every image, changed by up to its severity; those of one trial are joined by +, as "
        "none,flip,flip+shift+brightness[severity=2].",
    )
    metrics: Chosen | None = declared(
        Parts(Metric),
        None,
        "More metrics to show, as pixel_f1, or all. Stored trials without what these take are fitted again.",
        in_words="none",
    )
    corrupt: Chosen | None = declared(
        Parts(Corruption),
        None,
        "Corruptions, as brightness,defocus or all: test images are judged at five severities of each, too.",
        in_words="none",
    )
    setting: tuple[str, ...] = declared(
        SomeOf(("one-class", "joint", "joint-one-limit")),
        "one-class",
        "A model for each category, or one for all, fitted once, with a limit for each (joint) or one limit.",
    )
    together: tuple[str, ...] | None = declared(
        Names(), None, "The categories that a joint model is fitted to.", in_words="those of the run"
    )
    max_false_alarms: float | None = declared(
        Share(),
        None,
        "Set limits that call at most this share of new normal images anomalous, with 95 % confidence, such as 1%: "
        "short for the threshold tolerance[alpha=...].",
    )
    defect_rate: float | None = declared(
        Share(),
        None,
        "The share of defective parts on the line, such as 0.2%: shows how many alarms would be right there.",
    )
    weights: str | None = declared(
        OneOf(("pretrained", "random")), None, "Where pretrained encoders start.", usual=Run.weights
    )
    weights_dir: Path | None = declared(
        Place("FOLDER"), None, "Folder of <timm name>.safetensors files.", in_words="timm's hub"
    )
    device: str = declared(Text(), "auto", "Where fits compute: auto, cpu, cuda, cuda:1 or mps.")
    precision: str = declared(
        OneOf(("auto", "fp32", "bf16")), "auto", "Of training; auto is bf16 where the device multiplies it, else fp32."
    )
    jobs: int | None = declared(
        Whole(1),
        None,
        "Trials side by side, sharing the cores.",
        in_words="up to 4, which a GPU must have memory for",
    )
    trial_minutes: float | None = declared(
        Number(0, least_allowed=False),
        None,
        "Minutes that a trial may take from when its process has begun; one that is late is ended, and has failed.",
        in_words="as long as it takes",
    )
    isolate: bool = declared(
        Flag(),
        False,
        "Fit and score in processes that never had labels, one for each trial. Of plugins that do not ship with the "
        "harness only models, encoders and losses are used. It is no sandbox: files can be read.",
    )
    executor: Chosen = declared(
        Parts(Executor, several=False, metavar="NAME"),
        "local",
        "Where trials run: on this machine, as tasks of a Ray cluster (ray), or where a plugin runs them.",
    )
    ray_address: str | None = declared(
        Text("ADDRESS"),
        None,
        "auto or host:port of a Ray cluster to join.",
        in_words="$RAY_ADDRESS, else a cluster on this machine, for this run",
    )
    cpus_per_trial: float | None = declared(
        Number(0, least_allowed=False),
        None,
        "CPUs that Ray keeps for a trial; may be a fraction.",
        in_words="the threads of a fit",
    )
    gpus_per_trial: float | None = declared(
        Number(0),
        None,
        "GPUs that Ray keeps for a trial; may be a fraction.",
        in_words="1 where the device is cuda, else 0",
    )
    keep_models: bool = declared(
        Flag(),
        False,
        "Keep each trial's model in STORE/models, for `harness predict`; a trial that is stored without it is fitted "
        "again. Its limit is of the first threshold and pool, and can be set otherwise later.",
    )
    refit_edited: bool = declared(
        Flag(),
        False,
        "Fit stored trials again, and replace them, whose plugin was edited since; else they are shown as stored.",
    )
    floors: bool = declared(
        Flag(),
        True,
        "Fit the floors too, such as global_statistics, which look at next to nothing: rows that do not beat them are "
        "marked.",
        in_words="on",
    )
    quiet: bool = declared(Flag(), False, "Show no progress.")
    log_json: str | None = declared(
        Text("[FILE|-]"),
        None,
        "Append each event to a file as a line of JSON; - writes them to stderr, in place of all that is said there.",
        bare="-",
    )
    trackers: Chosen | None = declared(
        Parts(Tracker),
        None,
        "Trackers that each trial is told to as well, such as mlflow[uri=...] or tensorboard[folder=...].",
        option="tracker",
        several_options=True,
        in_words="none",
    )
    mlflow: str | None = declared(
        Text("URI"), None, "An MLflow server, database or folder: short for the tracker mlflow[uri=...]."
    )
    store: Path = declared(Place("FOLDER"), "runs", "Folder of the store.")
    plugins: tuple[Path | ModuleType | type[Part], ...] = declared(
        Plugins(),
        (),
        "Python files that are plugins, beside those installed.",
        option="plugin",
        several_options=True,
        in_words="none",
    )
    door: Door = dataclasses.field(default="python", repr=False, compare=False)
    """Where the values come from, so that errors use the names of settings that the user knows."""
    asked: frozenset[str] = dataclasses.field(default=frozenset(), repr=False, compare=False)
    """The names of settings that somebody has asked for; a preset may speak about the others."""

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, setting.read(value, self.called(name)))
        self._settle_calibration()

    def _settle_calibration(self) -> None:
        """Let `calibrate` and `holdout` agree, and `max_false_alarms` be a threshold. Raises UsageError."""
        if self.calibrate not in (None, "holdout") and self.holdout:
            raise UsageError(
                f"{self.called('calibrate')} {self.calibrate} holds nothing out, and {self.called('holdout')} is "
                f"{self.holdout:g}: give one of them"
            )
        if self.calibrate == "holdout" and not self.holdout:
            object.__setattr__(self, "holdout", 0.2)  # where nobody says how much
        if self.max_false_alarms is not None:
            promised = f"tolerance[alpha={self.max_false_alarms!r}]"
            others = () if self.thresholds == ("mean",) else self.thresholds
            object.__setattr__(self, "thresholds", tuple(dict.fromkeys((promised, *others))))

    @property
    def shown_metrics(self) -> Chosen:
        """The metrics that are shown beside those that every verdict has."""
        rate = self.defect_rate
        return (*(self.metrics or ()), *([] if rate is None else [f"precision[defect_rate={rate!r}]"]))

    @classmethod
    def of(cls, asked: Mapping[str, Any], door: Door = "python") -> Settings:
        """Settings from these values; None leaves a setting at its default. Raises UsageError, with a suggestion."""
        values = {}
        for name, value in asked.items():
            setting = find(name)
            if setting is None:
                raise UsageError(unknown_name("setting", name, SETTINGS))
            if setting.name in values:
                names = " and ".join((setting.name, *setting.aliases))
                raise UsageError(f"{names} are the same setting: give one of them")
            if value is not None:
                values[setting.name] = value
        return cls(**values, door=door, asked=frozenset(values))

    @property
    def plugin_files(self) -> tuple[Path, ...]:
        """The plugins that are files, which other processes can load as well."""
        return tuple(plugin for plugin in self.plugins if isinstance(plugin, Path))

    def called(self, name: str) -> str:
        """The name of a setting where the user gave it: `--data-root` or `data_root`."""
        return SETTINGS[name].options[0] if self.door == "command line" else name


SETTINGS: Mapping[str, Setting] = {
    field.name: Setting(field.name, **field.metadata) for field in dataclasses.fields(Settings) if field.metadata
}


def find(name: str) -> Setting | None:
    """The setting of this name or alias, spelt with `_` or `-`; None where there is none."""
    plain = name.replace("-", "_")
    if plain in SETTINGS:
        return SETTINGS[plain]
    return next((one for one in SETTINGS.values() if plain == one.option or plain in one.aliases), None)
