"""`harness run`."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.api import Encoder, Loss, Model, Threshold
from harness.commands._following import HERE, end_log, observers, open_log
from harness.commands._options import (
    config_option,
    format_option,
    plugin_option,
    some_of,
    store_option,
    whole_numbers,
)
from harness.commands._stopping import stoppable
from harness.errors import ModelError, UsageError
from harness.metrics.pools import POOLS
from harness.plugin.registry import Registry
from harness.plugin.spec import spell
from harness.printable import printable
from harness.report.cells import cells_document
from harness.report.formats import OF_ROWS, render
from harness.report.leaderboard import leaderboard_document
from harness.report.progress import describe
from harness.trials import hardware
from harness.trials.executors import Executor
from harness.trials.executors.processes import Processes
from harness.trials.executors.ray_cluster import Cluster
from harness.trials.executors.serial import Serial
from harness.trials.grid import Axes, Cell, plan
from harness.trials.observers import Observers
from harness.trials.saved_model import ModelFolder, read
from harness.trials.schedule import RunSummary, carry_out, run_start
from harness.trials.store import Store
from harness.trials.worker import Worker, WorkerConfig, open_dataset
from harness.verdicts.judge import judge

SETTINGS: dict[str, Any] = {"image_size": 256, "epochs": 50, "batch_size": 32, "lr": 1e-4, "weights": "pretrained"}
"""What is taken where neither the person nor the data set says."""


class BatchSize(click.IntRange):
    """A number of images, or auto."""

    name = "integer|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "auto" else super().convert(value, param, ctx)


@click.command()
@click.option("--models", default="dae,cae", show_default=True, help="Comma list of models, or all.")
@click.option("--encoders", default="conv", show_default=True, help="Comma list of encoders, or all.")
@click.option("--losses", default="mse,ssim", show_default=True, help="Comma list of losses, or all.")
@click.option("--thresholds", default="mean", show_default=True, help="Comma list of thresholds, or all.")
@click.option("--pools", default=None, help="Comma list of mean, max, topk, or all.  [default: what each model suits]")
@click.option("--dataset", default=None, help="A data set.  [default: mvtec_ad with --data-root, else synthetic]")
@click.option("--data-root", type=click.Path(path_type=Path), help="Folder that holds the data set.")
@click.option("--categories", default="all", show_default=True, help="Comma list of categories, or all.")
@click.option("--seeds", default="0", show_default=True, help="Comma list of whole numbers.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the normal images.  [default: 50; 2 for the demo]")
@click.option(
    "--image-size", type=click.IntRange(1), help="Height and width in pixels.  [default: 256; 64 for the demo]"
)
@click.option(
    "--batch-size",
    type=BatchSize(1),
    help="Images a training step; auto starts at the default and halves it while memory is short.  "
    "[default: 32; 8 for the demo]",
)
@click.option("--lr", type=click.FloatRange(0, min_open=True), help="Of Adam.  [default: 1e-4; 1e-3 for the demo]")
@click.option(
    "--holdout",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of normal images kept from fitting, to set thresholds on.",
)
@click.option(
    "--weights",
    type=click.Choice(["pretrained", "random"]),
    help="Where pretrained encoders start.  [default: pretrained; random for the demo]",
)
@click.option("--weights-dir", type=click.Path(path_type=Path), help="Folder of <timm name>.safetensors files.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="Of training; auto is bf16 where the device multiplies it.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Trials side by side, sharing the cores.  [default: up to 4 on a CPU, else 1]",
)
@click.option(
    "--executor",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where trials run: processes of this machine, or tasks of a Ray cluster.",
)
@click.option(
    "--ray-address",
    metavar="ADDRESS",
    envvar="RAY_ADDRESS",
    help="auto or host:port of a Ray cluster to join.  [default: one on this machine, for this run]",
)
@click.option(
    "--cpus-per-trial",
    type=click.FloatRange(0, min_open=True),
    help="That Ray keeps for a trial; may be a fraction.  [default: the threads of a fit]",
)
@click.option(
    "--gpus-per-trial",
    type=click.FloatRange(0),
    help="That Ray keeps for a trial; may be a fraction.  [default: 1 with --device cuda, else 0]",
)
@click.option(
    "--keep-models",
    is_flag=True,
    help="Keep each trial's model in STORE/models, for `harness predict`; a trial that is stored without it is fitted "
    "again. Its limit is of the first threshold and pool, and can be set otherwise later.",
)
@click.option("--dry-run", is_flag=True, help="Show the cells; fit nothing.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option(
    "--log-json",
    metavar="[FILE|-]",
    is_flag=False,
    flag_value=HERE,
    help="Append each event to FILE as a line of JSON; - writes them to stderr, in place of all that is said there.",
)
@click.option("--mlflow", metavar="URI", help="Log each trial to this MLflow server, database or folder, too.")
@store_option
@format_option
@plugin_option
@config_option
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Cross models, encoders, losses, categories and seeds; fit what is missing; show the leaderboard."""
    log = open_log(ctx, given["log_json"])
    registry = Registry.discover(given["plugin_files"])
    for plugin in registry.broken:
        for problem in plugin.problems:
            click.echo(printable(f"harness: plugin {plugin} {problem}"), err=True)
    thresholds = registry.choose(Threshold, given["thresholds"])
    pools = None if given["pools"] is None else some_of(given["pools"], list(POOLS), "pool")
    device = _device(given)
    axes = _axes(registry, given, device)
    cells = list(plan(axes))
    _refuse_if_nothing_fits(cells)
    if given["dry_run"]:
        click.echo(render(cells_document(cells, thresholds, pools), given["style"]), nl=False)
        return
    cluster = _cluster(ctx, given, device)
    if axes.dataset.defaults and given["dataset"] is None and given["data_root"] is None:
        click.echo(
            f"No --data-root: running the demo on the built-in {axes.dataset.name!r} data set "
            f"({axes.image_size} px, {axes.epochs} epochs, {axes.weights} weights). These are not results.",
            err=True,
        )
    if cluster:
        jobs = max(1, int(hardware.cores() / cluster.cpus))
    else:
        jobs = given["jobs"] or min(hardware.jobs(device), len(cells))
    workplace = WorkerConfig(
        device,
        given["data_root"],
        given["weights_dir"],
        tuple(given["plugin_files"]),
        threads=hardware.threads(device, axes.precision, jobs),
        smaller_batches=given["batch_size"] == "auto",
        keep=_keep(given["store"], thresholds, pools) if given["keep_models"] else None,
    )
    with Store(given["store"], write=True) as store:
        told, events = observers(
            dataset=axes.dataset,
            store=store,
            judged=lambda outcome: list(judge(outcome, thresholds, pools)),
            log=log,
            quiet=given["quiet"] or given["log_json"] == HERE,
            tracker=given["mlflow"],
        )
        start = run_start(cells, axes.dataset, store, refits=workplace.keep is not None)
        end = partial(end_log, log, events)
        tally = _fit(ctx, cells, store, Worker(workplace, registry), cluster or jobs, told.following(start), end)
        outcomes = list(store.outcomes(tally.ids))
        verdicts = [verdict for outcome in outcomes for verdict in judge(outcome, thresholds, pools)]
    code = 3 if tally.unfinished or tally.unkept else 0
    click.echo(render(leaderboard_document(verdicts), given["style"]), nl=False)
    _summarise(tally, given["store"], say_reasons=given["style"] in OF_ROWS)
    if workplace.keep:
        _tell_of_models(tally, workplace.keep, given["plugin_files"])
    end(code)
    ctx.exit(code)


def _device(given: dict[str, Any]) -> str:
    """Where fits compute, as torch spells it. Raises UsageError.

    With Ray a trial that is given a GPU computes on it; which one that is, and on which machine, Ray says.
    """
    wanted, gpus = given["device"], given["gpus_per_trial"]
    if given["executor"] == "local":
        return hardware.device(wanted)
    if wanted == "auto" and gpus is not None:
        wanted = "cuda" if gpus else "cpu"
    if wanted.startswith("cuda:"):
        raise UsageError(f"--device is {wanted!r}: expected auto, cpu or cuda, for Ray says which GPU a trial has")
    if gpus is not None and (wanted == "cuda") != (gpus > 0):
        raise UsageError(f"--gpus-per-trial is {gpus:g} and --device {wanted!r}: give one of the two")
    return wanted if wanted == "cuda" else hardware.device(wanted)


def _cluster(ctx: click.Context, given: dict[str, Any], device: str) -> Cluster | None:
    """The Ray cluster that is asked for, if one is. Raises UsageError."""
    if given["executor"] == "local":
        for name in ("ray_address", "cpus_per_trial", "gpus_per_trial"):
            said = ctx.get_parameter_source(name) is not ParameterSource.ENVIRONMENT
            if said and given[name] is not None:
                raise UsageError(f"--{name.replace('_', '-')} is for --executor ray, and this one is local")
        return None
    if given["jobs"]:
        raise UsageError(
            f"--jobs {given['jobs']} is for --executor local: with ray, --cpus-per-trial and --gpus-per-trial say how "
            "many trials a machine fits side by side"
        )
    cpus = given["cpus_per_trial"] or hardware.threads(device, "fp32", hardware.jobs(device)) or 1
    gpus = given["gpus_per_trial"]
    return Cluster(given["ray_address"], cpus, float(device.startswith("cuda")) if gpus is None else gpus)


def _axes(registry: Registry, given: dict[str, Any], device: str) -> Axes:
    """What the options ask for. Raises UsageError."""
    root = given["data_root"]
    if root is not None and not root.is_dir():
        raise UsageError(f"--data-root {str(root)!r} is not a folder: expected the folder that holds the data set")
    name = given["dataset"] or ("mvtec_ad" if root else "synthetic")
    dataset = open_dataset(registry, name, root)
    if dataset.needs_root and root is None:
        raise UsageError(
            f"data set {name!r} needs --data-root, a folder such as {dataset.layout}. Get it from {dataset.homepage}"
        )
    if given["weights_dir"] is not None and not given["weights_dir"].is_dir():
        raise UsageError(f"--weights-dir {str(given['weights_dir'])!r} is not a folder")
    settings = {**SETTINGS, **dataset.defaults, **{k: given[k] for k in SETTINGS if given[k] not in (None, "auto")}}
    settings["learning_rate"] = settings.pop("lr")
    return Axes(
        dataset=dataset,
        categories=some_of(given["categories"], dataset.categories(), "category"),
        models=registry.choose(Model, given["models"]),
        encoders=registry.choose(Encoder, given["encoders"]),
        losses=registry.choose(Loss, given["losses"]),
        seeds=whole_numbers(given["seeds"], "--seeds"),
        holdout=given["holdout"],
        precision=hardware.precision(given["precision"], device),
        **settings,
    )


def _keep(store: Path, thresholds: Sequence[Threshold], pools: Sequence[str] | None) -> ModelFolder:
    """Where models go, made, and the first limit that a production line could set. Raises UsageError, ModelError."""
    blind = next((threshold for threshold in thresholds if not threshold.oracle), None)
    if blind is None:
        raise UsageError(
            "--keep-models needs a threshold that sees normal images only: add one, as in --thresholds mean"
        )
    folder = store / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"folder of models {str(folder)!r} cannot be made: {error.strerror}") from error
    return ModelFolder(folder.absolute(), spell(blind), pools[0] if pools else None)


def _refuse_if_nothing_fits(cells: list[Cell]) -> None:
    reasons = {cell.reason for cell in cells}
    if "" not in reasons:
        raise UsageError("; ".join(sorted(reasons)))


def _fit(
    ctx: click.Context,
    cells: list[Cell],
    store: Store,
    worker: Worker,
    where: Cluster | int,
    following: AbstractContextManager[Observers],
    end: Callable[[int], None],
) -> RunSummary:
    """Fit what is missing, on a cluster or in so many processes; an interrupt ends it and keeps what is finished."""
    farewell = f"Stopped. Finished trials are kept in {store.folder}; the same command goes on from there."
    try:
        with stoppable(farewell), following as told:
            executor: Executor
            if isinstance(where, Cluster):
                from harness.trials.executors.ray import Ray  # which brings asyncio along

                executor = Ray(where)
            elif where == 1:
                executor = Serial()
            else:
                executor = Processes(where)
            return carry_out(cells, store=store, worker=worker, executor=executor, observer=told)
    except KeyboardInterrupt as stop:
        click.echo(f"\n{farewell}", err=True)
        code = 128 + (stop.args[0] if stop.args else signal.SIGINT)
        end(code)
        ctx.exit(code)


def _summarise(tally: RunSummary, store: Path, *, say_reasons: bool) -> None:
    """What was done, which cells were not, and why, each reason once; the tables for people say the reasons too."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for outcome in tally.unfinished:
        by_reason.setdefault((outcome.status, outcome.reason), []).append(describe(outcome.trial))
    for (status, reason), trials in by_reason.items() if say_reasons else ():
        more = f" and {len(trials) - 1} more" if len(trials) > 1 else ""
        click.echo(f"{status}: {trials[0]}{more}: {printable(reason)}", err=True)
    again = f" ({tally.again} of them again, for the model)" if tally.again else ""
    parts = [f"{tally.fitted} fitted{again}", f"{tally.found} already there"]
    parts += [f"{len(tally.unfinished)} skipped or failed"] if tally.unfinished else []
    click.echo(
        f"{', '.join(parts)}. Stored in {store}; "
        f"`harness leaderboard --store {shlex.quote(str(store))}` shows it again.",
        err=True,
    )
    sys.stderr.flush()


def _tell_of_models(tally: RunSummary, keep: ModelFolder, plugin_files: Sequence[Path]) -> None:
    """Where models are, the command that uses one, and which could not be kept."""
    for trial, reason in tally.unkept:
        click.echo(printable(f"no model of {describe(trial)}: {reason}"), err=True)
    doubts = {found: read(found).doubt for trial_id in tally.ids if (found := keep.of(trial_id))}
    for doubt in dict.fromkeys(filter(None, doubts.values())):
        click.echo(printable(f"harness: {doubt}"), err=True)
    if doubts:
        first = min(doubts, key=lambda directory: bool(doubts[directory]))
        shown = first.relative_to(Path.cwd()) if first.is_relative_to(Path.cwd()) else first
        plugins = "".join(f" --plugin {shlex.quote(str(file))}" for file in plugin_files)
        click.echo(
            f"{len(doubts)} model{'s' if len(doubts) > 1 else ''} kept. Judge images with one of them:\n"
            f"  harness predict {shlex.quote(str(shown))} FOLDER_OF_IMAGES{plugins}",
            err=True,
        )
