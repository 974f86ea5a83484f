"""The settings of a run, each said once: name, type, default and help.

From here come the options of `harness run`, the names in `--config`, the keywords of `harness.run`, and README's table.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

from harness.api import Dataset, Encoder, Executor, Loss, Model, Part, Pool, Run, Threshold, Tracker
from harness.errors import UsageError, unknown
from harness.trials.setting_kinds import (
    Flag,
    Kind,
    Names,
    Number,
    OneOf,
    Parts,
    Place,
    Plugins,
    Text,
    Whole,
    Wholes,
)

F = TypeVar("F", bound=Callable[..., Any])
Door = Literal["python", "command line"]
Chosen = tuple[str | Part | type[Part], ...]
"""Parts as they were asked for: spelt, or given as instances or classes."""


@dataclass(frozen=True)
class Setting:
    """One thing that can be asked of a run."""

    name: str
    kind: Kind
    default: Any
    """None where it is worked out, or comes from the data set."""
    help: str
    usual: Any = None
    """What is taken where nobody asks for anything and the data set has no default of its own."""
    in_words: str = ""
    """The default in words, where it is worked out."""
    option: str = ""
    """Its name on the command line, where that is not its own."""
    aliases: tuple[str, ...] = ()
    """Other names that are understood on the command line, in `--config` and in Python."""
    bare: Any = None
    """On the command line, the value where the option is given without one."""
    several_options: bool = False
    """Whether it may be given several times on the command line, one value each time."""

    @property
    def options(self) -> tuple[str, ...]:
        """`--learning-rate`, and what else it is called on the command line."""
        return tuple(f"--{(name).replace('_', '-')}" for name in (self.option or self.name, *self.aliases))

    @property
    def of_data(self) -> bool:
        """Whether a data set may have a default of its own for it."""
        return self.usual is not None

    @property
    def default_in_words(self) -> str:
        """Its default as help and README show it; empty for a flag, and for what is left out by default."""
        if self.in_words:
            return self.in_words
        value = self.usual if self.of_data else self.default
        if value is None or isinstance(value, bool):
            return ""
        said = f"{value:g}" if isinstance(value, float) else str(value)
        return f"{said}, or what suits the data set" if self.of_data else said

    def read(self, value: Any, where: str) -> Any:
        """The value in its type. Raises UsageError that says where it stands."""
        try:
            return self.kind.read(value)
        except ValueError as error:
            raise UsageError(f"{where} is {_quoted(value)}: {error}") from error


def _setting(kind: Kind, default: Any, help: str, **more: Any) -> Any:  # noqa: A002  it is what click calls it
    return dataclasses.field(default=default, metadata={"kind": kind, "default": default, "help": help, **more})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is asked of one run, every value in its type. Raises UsageError for one that is wrong."""

    models: Chosen = _setting(Parts(Model), "dae,cae", "Models to cross, or all.")
    encoders: Chosen = _setting(Parts(Encoder), "conv", "Encoders to cross, or all.")
    losses: Chosen = _setting(Parts(Loss), "mse,ssim", "Losses to cross, or all.")
    thresholds: Chosen = _setting(Parts(Threshold), "mean", "Thresholds that decide, or all. They cost no fit.")
    pools: Chosen | None = _setting(
        Parts(Pool),
        None,
        "What makes a score of an error map, or all. The built-in ones cost no fit.",
        in_words="what each model suits",
    )
    dataset: Chosen | None = _setting(
        Parts(Dataset, several=False, metavar="NAME"),
        None,
        "The data set.",
        in_words="mvtec_ad or folder, as the data root is laid out; synthetic without one",
    )
    data_root: Path | None = _setting(Place("FOLDER"), None, "Folder that holds the data set.")
    categories: tuple[str, ...] = _setting(Names(), "all", "Categories of the data set, or all.")
    seeds: tuple[int, ...] = _setting(Wholes(), "0", "Seeds: whole numbers from 0, one fit for each.")
    epochs: int | None = _setting(Whole(1), None, "Passes over the normal images.", usual=Run.epochs)
    image_size: int | None = _setting(Whole(1), None, "Height and width in pixels.", usual=Run.image_size)
    batch_size: int | str | None = _setting(
        Whole(1, or_word="auto"),
        None,
        "Images in a training step; auto starts at the default and halves it while memory is short.",
        usual=Run.batch_size,
    )
    learning_rate: float | None = _setting(
        Number(0, least_allowed=False), None, "Of Adam.", usual=Run.learning_rate, aliases=("lr",)
    )
    holdout: float = _setting(
        Number(0, below=1), 0.0, "Share of the normal images that is kept from fitting, to set thresholds on."
    )
    weights: str | None = _setting(
        OneOf(("pretrained", "random")), None, "Where pretrained encoders start.", usual=Run.weights
    )
    weights_dir: Path | None = _setting(
        Place("FOLDER"), None, "Folder of <timm name>.safetensors files.", in_words="timm's hub"
    )
    device: str = _setting(Text(), "auto", "Where fits compute: auto, cpu, cuda, cuda:1 or mps.")
    precision: str = _setting(
        OneOf(("auto", "fp32", "bf16")), "auto", "Of training; auto is bf16 where the device multiplies it, else fp32."
    )
    jobs: int | None = _setting(
        Whole(1), None, "Trials side by side, sharing the cores.", in_words="up to 4 on a CPU, else 1"
    )
    trial_minutes: float | None = _setting(
        Number(0, least_allowed=False),
        None,
        "Minutes that a trial may take from when its process has begun; one that is late is ended, and has failed.",
        in_words="as long as it takes",
    )
    isolate: bool = _setting(
        Flag(),
        False,
        "Fit and score in processes that never had labels, one for each trial. Of plugins that do not ship with the "
        "harness only models, encoders and losses are used. It is no sandbox: files can be read.",
    )
    executor: Chosen = _setting(
        Parts(Executor, several=False, metavar="NAME"),
        "local",
        "Where trials run: on this machine, as tasks of a Ray cluster (ray), or where a plugin runs them.",
    )
    ray_address: str | None = _setting(
        Text("ADDRESS"),
        None,
        "auto or host:port of a Ray cluster to join.",
        in_words="$RAY_ADDRESS, else a cluster on this machine, for this run",
    )
    cpus_per_trial: float | None = _setting(
        Number(0, least_allowed=False),
        None,
        "CPUs that Ray keeps for a trial; may be a fraction.",
        in_words="the threads of a fit",
    )
    gpus_per_trial: float | None = _setting(
        Number(0),
        None,
        "GPUs that Ray keeps for a trial; may be a fraction.",
        in_words="1 where the device is cuda, else 0",
    )
    keep_models: bool = _setting(
        Flag(),
        False,
        "Keep each trial's model in STORE/models, for `harness predict`; a trial that is stored without it is fitted "
        "again. Its limit is of the first threshold and pool, and can be set otherwise later.",
    )
    quiet: bool = _setting(Flag(), False, "Show no progress.")
    log_json: str | None = _setting(
        Text("[FILE|-]"),
        None,
        "Append each event to a file as a line of JSON; - writes them to stderr, in place of all that is said there.",
        bare="-",
    )
    trackers: Chosen | None = _setting(
        Parts(Tracker),
        None,
        "Trackers that each trial is told to as well, such as mlflow[uri=...] or tensorboard[folder=...].",
        option="tracker",
        several_options=True,
        in_words="none",
    )
    mlflow: str | None = _setting(
        Text("URI"), None, "An MLflow server, database or folder: short for the tracker mlflow[uri=...]."
    )
    store: Path = _setting(Place("FOLDER"), "runs", "Folder of the store.")
    plugins: tuple[Path | ModuleType | type[Part], ...] = _setting(
        Plugins(),
        (),
        "Python files that are plugins, beside those installed.",
        option="plugin",
        several_options=True,
        in_words="none",
    )
    door: Door = dataclasses.field(default="python", repr=False, compare=False)
    """Where the values come from, so that errors call a setting what it is called there."""

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, setting.read(value, self.called(name)))

    @classmethod
    def of(cls, asked: Mapping[str, Any], door: Door = "python") -> Settings:
        """The settings with these values; None leaves one at its default. Raises UsageError, with a suggestion."""
        values = {}
        for name, value in asked.items():
            setting = find(name)
            if setting is None:
                raise UsageError(unknown("setting", name, SETTINGS))
            if setting.name in values:
                names = " and ".join((setting.name, *setting.aliases))
                raise UsageError(f"{names} are the same setting: give one of them")
            if value is not None:
                values[setting.name] = value
        return cls(**values, door=door)

    @property
    def plugin_files(self) -> tuple[Path, ...]:
        """The plugins that are files, which other processes can load as well."""
        return tuple(plugin for plugin in self.plugins if isinstance(plugin, Path))

    def called(self, name: str) -> str:
        """What a setting is called where it was asked for: `--data-root`, or `data_root`."""
        return SETTINGS[name].options[0] if self.door == "command line" else name

    def of_data(self, dataset: Dataset) -> dict[str, Any]:
        """The settings that a data set may have defaults for: what is asked, else its default, else the usual one.

        Raises UsageError for a default of the data set that is none.
        """
        said: dict[str, Any] = {}
        for name, value in dataset.defaults.items():
            setting, where = find(name), f"data set {dataset.name!r}, in its defaults: {name}"
            if setting is None or not setting.of_data:
                raise UsageError(f"{where} is no setting that it may have: {unknown('setting', name, _of_data())}")
            said[setting.name] = setting.read(value, where)
        for name in _of_data():
            asked = getattr(self, name)
            said[name] = asked if asked not in (None, "auto") else said.get(name, SETTINGS[name].usual)
        return said


SETTINGS: Mapping[str, Setting] = {
    field.name: Setting(field.name, **field.metadata) for field in dataclasses.fields(Settings) if field.metadata
}


def find(name: str) -> Setting | None:
    """The setting of this name or alias, spelt with `_` or `-`; None where there is none."""
    plain = name.replace("-", "_")
    if plain in SETTINGS:
        return SETTINGS[plain]
    return next((one for one in SETTINGS.values() if plain == one.option or plain in one.aliases), None)


def table() -> str:
    """All settings as the table of README, in markdown."""
    rows = ["| setting | default | what it is |", "|---|---|---|"]
    for name, setting in SETTINGS.items():
        others = [f"`{option}`" for option in setting.options if option.lstrip("-").replace("-", "_") != name]
        also = f" (on the command line {', '.join(others)})" if setting.option else ""
        also = also or (f" ({', '.join(others)} for short)" if others else "")
        rows.append(f"| `{name}`{also} | {_cell(setting.default_in_words)} | {_cell(setting.help)} |")
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _of_data() -> list[str]:
    return [name for name, setting in SETTINGS.items() if setting.of_data]


def _quoted(value: Any) -> str:
    """A value as a person wrote it, short enough for one line."""
    if isinstance(value, bool | Path):
        return str(value).lower() if isinstance(value, bool) else repr(str(value))
    said = " ".join(repr(value).split())
    return said if len(said) <= 60 else f"{said[:57]}..."


def with_settings(function: F) -> F:
    """Let a function that takes any keyword say in its signature and help which settings those are."""
    keywords = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=setting.default)
        for name, setting in SETTINGS.items()
    ]
    returned = inspect.signature(function).return_annotation
    lines = [
        f"    {name}: {one.help}" + f" [{one.default_in_words}]" * bool(one.default_in_words)
        for name, one in SETTINGS.items()
    ]
    function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nSettings, with their defaults:\n" + "\n".join(
        lines
    )
    vars(function)["__signature__"] = inspect.Signature(keywords, return_annotation=returned)
    return function
