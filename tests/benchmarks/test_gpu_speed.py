"""On a GPU: rates, what keeps it waiting, equal scores, and the time of the paper's tables. Each part runs alone, too."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest
import torch

from tests.benchmarks import gpu
from tests.benchmarks.gpu import Sizes

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device here; tests/benchmarks/README.md has what was counted"
)
METHODS = list(product(("dae", "cae"), ("conv", "vgg16", "resnet50"), ("mse", "ssim")))


def add_rate(figures, what: str, rate: float, at_least: float | None = None) -> None:
    reached = None if at_least is None else rate >= at_least
    target = "" if at_least is None else f"at least {at_least:,.0f} images/s"
    figures.add(what, 1 / rate, figure=f"{rate:,.0f} images/s", target=target, reached=reached)


@pytest.mark.parametrize(("model", "encoder"), [("dae", "conv"), ("cae", "conv"), ("dae", "vgg16"), ("cae", "vgg16")])
def test_gpu_training_rate(figures, model: str, encoder: str) -> None:
    sizes = Sizes()
    seen = sizes.images * sizes.epochs
    rate = gpu.rate(gpu.ours(sizes, model, encoder), seen, sizes.device)
    add_rate(figures, f"training {model} {encoder} mse", rate)
    with gpu.set_to(HARNESS_CUDA_GRAPH="off", HARNESS_FUSED="off"):
        add_rate(
            figures, "the same, nothing recorded or fused", gpu.rate(gpu.ours(sizes, model, encoder), seen, "cuda")
        )


def test_gpu_training_against_the_loop_most_people_write(figures) -> None:
    sizes = Sizes()
    seen = sizes.images * sizes.epochs
    found = gpu.rate(gpu.ours(sizes, "dae", "conv"), seen, sizes.device)
    usual = gpu.rate(gpu.usual_loop(sizes), seen, sizes.device)
    ratio = found / usual
    what = "training dae conv mse, against float32 and a DataLoader with 8 workers"
    figures.add(what, seen / found, seen / usual, f"{ratio:.2g} x as fast", "at least 6 x as fast", ratio >= 6)


@pytest.mark.parametrize("how", ["eager", "graph", "compiled"])
def test_gpu_training_against_a_bare_loop(figures, how: str) -> None:
    sizes = Sizes()
    seen = sizes.images * sizes.epochs
    found = gpu.rate(gpu.ours(sizes, "dae", "conv"), seen, sizes.device)
    bare = gpu.rate(gpu.bare_loop(sizes, how), seen, sizes.device)
    figures.add(
        f"the same, against a bare bf16 loop, {how}", seen / found, seen / bare, f"{found / bare:.2g} x as fast"
    )


@pytest.mark.parametrize("model", ["dae", "cae"])
def test_gpu_scoring_rate(figures, model: str) -> None:
    sizes = Sizes(epochs=1)
    fitted, drawn = gpu.ours(sizes, model, "conv")(), sizes.drawn()
    add_rate(figures, f"scoring {model} conv", gpu.rate(lambda: fitted.score(drawn), sizes.images, "cuda"), 3000)


@pytest.mark.parametrize("model", ["dae", "cae"])
@pytest.mark.parametrize("plain", [False, True])
def test_gpu_busy_share(figures, model: str, plain: bool) -> None:
    sizes = Sizes()
    switches = {"HARNESS_CUDA_GRAPH": "off", "HARNESS_FUSED": "off"} if plain else {}
    with gpu.set_to(**switches):
        fit = gpu.ours(sizes, model, "conv")
        fit()
        found = gpu.profiled(fit, sizes.device)
    what = (
        f"busy while {model} conv trains{', nothing recorded or fused' if plain else ''} ({found.launches:,} kernels)"
    )
    reached = None if plain else found.share >= 0.8
    figures.add(
        what, found.busy, found.wall, f"{found.share:.0%} of the time", "" if plain else "at least 80 %", reached
    )


def test_gpu_scores_are_equal_for_any_number_of_jobs_and_with_and_without_graphs(figures, tmp_path: Path) -> None:
    sizes = Sizes(pixels=64, epochs=6)
    start = time.perf_counter()
    alone, beside = gpu.scores(sizes, tmp_path / "1", 1), gpu.scores(sizes, tmp_path / "3", 3)
    with gpu.set_to(HARNESS_CUDA_GRAPH="off"):
        plain = gpu.scores(sizes, tmp_path / "plain", 1)
    figures.add("4 trials with --jobs 1 and 3, and without graphs", time.perf_counter() - start, figure="equal scores")
    assert alone == beside
    assert alone == plain


def test_gpu_time_of_both_tables_from_short_trials(figures) -> None:
    seconds = gpu.extrapolated(Sizes(), METHODS)
    what = "both tables of the paper, extrapolated, one trial at a time"
    figures.add(what, seconds, target="at most 240 s", reached=seconds <= 240)


@pytest.mark.skipif("WHOLE_GRID" not in os.environ, reason="it takes minutes: WHOLE_GRID=1 asks for it")
def test_gpu_both_tables_whole(figures, tmp_path: Path) -> None:
    """As a person runs it: random images, as many as MVTec AD's, and random weights."""
    plugin = tmp_path / "as_large.py"
    plugin.write_text(
        "from harness import hookimpl\nfrom tests.benchmarks.test_grid_speed import AsLarge\n\n"
        "@hookimpl\ndef harness_datasets():\n    return [AsLarge]\n"
    )
    words = ["run", "--plugin", str(plugin), "--dataset", "as_large", "--models", "dae,cae", "--no-floors", "--quiet"]
    words += ["--encoders", "conv,vgg16,resnet50", "--losses", "mse,ssim", "--image-size", "256", "--epochs", "50"]
    words += ["--weights", "random", "--device", "cuda", "--store", str(tmp_path / "runs")]
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "harness", *words], check=True, cwd=tmp_path)
    seconds = time.perf_counter() - start
    what = f"both tables of the paper, 60 fits, on {torch.cuda.get_device_name()}"
    figures.add(what, seconds, target="at most 240 s", reached=seconds <= 240)
