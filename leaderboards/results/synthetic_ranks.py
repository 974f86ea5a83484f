"""Do painted defects rank detectors as real ones do? One fit a detector, scored on both.

    python synthetic_ranks.py score /data/mvtec_ad weights bottle,pill,screw synthetic_ranks.ndjson 64 8
    python synthetic_ranks.py rank synthetic_ranks.ndjson > synthetic_ranks.md

Each detector is fitted to a category's training images. Its normal images are the test set's, its real defects those of
the test set, and its painted ones are put onto copies of the normal test images. The two numbers are the image size,
and the epochs of those that train in epochs. `score` may be stopped: it goes on where it was.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

import harness
from harness import Defect, Images, Run, Split, foreground
from harness.plugin.registry import Registry
from harness.trials.datasets import load, open_dataset

LITE = "timm[name=tf_efficientnet_lite0.in1k]"
FAMILY = (
    *("gaussian", "padim", "knn", "knn[features=pooled]", "subspace", "subspace[measure=likelihood]", "patchcore"),
    *("random_memory", "feature_ae", "outlier", "outlier[detector=local_outlier_factor]"),
)
DETECTORS = (
    ("global_statistics", "-"),
    *((model, LITE) for model in FAMILY),
    *((model, "conv") for model in ("gaussian", "padim", "knn", "subspace", "patchcore", "outlier")),
    *((f"{model}[reductions=4-8]", LITE) for model in ("gaussian", "padim", "subspace", "patchcore")),
    *((model, "vgg16") for model in FAMILY),
)
TRAINED = (
    *(("student_teacher", LITE, "-"), ("reverse_distillation", LITE, "-"), ("dae", "conv", "ssim")),
    *(("cae", "conv", "ssim"), ("dae", "conv", "mse"), ("cae", "conv", "mse"), ("vae", "conv", "mse")),
    *(("ganomaly", "conv", "mse"), ("inpainting", "conv", "ssim"), ("discriminative", "conv", "ssim")),
    ("efficient_ad", LITE, "-"),
)
"""Those that train in epochs, with their losses."""
SETS = {
    "painted": {"size": (0.1, 0.1), "contrast": (0.5, 0.5)},
    "subtle": {"size": (0.03, 0.08), "contrast": (0.15, 0.4)},
}
"""How large and plain painted defects are: all alike as `harness recommend` paints them, or drawn from a range."""
COPIES = 90
DRAWS = 1000


def painted(good: Images, registry: Registry, size: tuple[float, float], contrast: tuple[float, float]) -> Images:
    """Copies of good images with one defect each, of every kind in turn."""
    kinds, pixels = list(registry.offers(Defect)), []
    for at in range(COPIES):
        random = np.random.default_rng([17, at])
        drawn = f"size={random.uniform(*size):.4f},contrast={random.uniform(*contrast):.4f}"
        defect = registry.make(Defect, f"{kinds[at % len(kinds)]}[{drawn}]")
        image = np.asarray(good.pixels[(at // len(kinds) + at) % len(good)])
        pixels.append(defect.paint(image, foreground(image), random)[0])
    return Images(np.stack(pixels), tuple(f"painted/{at}" for at in range(COPIES)))


def scores(model: Any, registry: Registry, images: Images) -> list[float]:
    """One for each image, by the pool that the model suits, to 6 digits."""
    found = model.score(images)
    if "pool" not in model.uses:
        values = np.asarray(found.images, dtype=float)
    else:
        values = registry.make(harness.Pool, model.default_pool).score(found.maps).astype(float)
    return [float(f"{one:.6g}") for one in values]


def score(root: str, weights: str, categories: str, out: str, size: str, epochs: str) -> None:
    """Fit and score every detector on every category, a line each."""
    file, registry = Path(out), Registry.discover()
    done = {_called(one) for one in _lines(file)} if file.is_file() else set()
    for model, encoder, loss in (*((*one, "-") for one in DETECTORS), *TRAINED):
        random = "random" if encoder == "conv" else "pretrained"
        run = Run(seed=0, image_size=int(size), weights_dir=Path(weights), weights=random, epochs=int(epochs))
        for category in categories.split(","):
            row: dict[str, Any] = {"category": category, "size": run.image_size, "model": model, "encoder": encoder}
            row |= {} if loss == "-" else {"loss": loss, "epochs": run.epochs}
            if _called(row) in done:
                continue
            started = time.monotonic()
            row |= scored(
                row, registry, load(open_dataset(registry, "folder", Path(root)), category, run.image_size), run
            )
            with file.open("a", encoding="utf-8") as lines:
                lines.write(f"{json.dumps(row)}\n")
            print(f"{' '.join(_called(row))} {time.monotonic() - started:.0f} s", file=sys.stderr)


def scored(row: Mapping[str, Any], registry: Registry, split: Split, run: Run) -> dict[str, list[float]]:
    """The scores of one detector, fitted to the training images: of good, real and painted images."""
    good, bad = (split.test.take(np.flatnonzero(split.test.labels == label)) for label in (False, True))
    model = registry.make(harness.Model, row["model"])
    encoder = None if row["encoder"] == "-" else registry.make(harness.Encoder, row["encoder"])
    model.fit(
        split.train, encoder=encoder, loss=registry.make(harness.Loss, row["loss"]) if "loss" in row else None, run=run
    )
    found = {"good": scores(model, registry, good), "real": scores(model, registry, bad)}
    return found | {name: scores(model, registry, painted(good, registry, **how)) for name, how in SETS.items()}


def auroc(good: NDArray[Any], bad: NDArray[Any]) -> NDArray[Any]:
    """(D, N) and (D, M) to (D,)."""
    n, m = good.shape[1], bad.shape[1]
    ranks = rankdata(np.concatenate([good, bad], axis=1), axis=1)
    return (ranks[:, n:].sum(axis=1) - m * (m + 1) / 2) / (n * m)


def spearman(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The correlation of ranks, equal ones shared; nan where all of one are equal."""
    x, y = rankdata(a), rankdata(b)
    return float(np.corrcoef(x, y)[0, 1]) if x.std() and y.std() else float("nan")


def correlations(table: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """By set of painted defects, the rank correlation of detectors (D, images) with what real defects say of them."""
    real = auroc(table["good"], table["real"])
    return {name: spearman(auroc(table["good"], table[name]), real) for name in SETS}


def bounds(table: Mapping[str, NDArray[Any]], *, detectors: bool) -> dict[str, tuple[float, float]]:
    """95 %, by the bootstrap over images of each kind and, if asked, over detectors too."""
    random, found = np.random.default_rng(0), []
    for _ in range(DRAWS):
        some = random.integers(len(table["good"]), size=len(table["good"]))
        chosen = {key: one[some] for key, one in table.items()} if detectors else table
        found.append(
            correlations({key: one[:, random.integers(one.shape[1], size=one.shape[1])] for key, one in chosen.items()})
        )
    drawn = {name: [one[name] for one in found] for name in SETS}
    return {name: tuple(np.nanpercentile(values, [2.5, 97.5]).tolist()) for name, values in drawn.items()}


def tables_of(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], tuple[list[str], dict[str, NDArray[Any]]]]:
    """By category and image size the detectors (D), and their scores (D, images) of each set."""
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["category"], row.get("size", 128)), []).append(row)
    return {
        key: (
            [" + ".join(_called(row)[2:]) for row in some],
            {name: np.array([row[name] for row in some]) for name in ("good", "real", *SETS)},
        )
        for key, some in found.items()
    }


def rank(file: str) -> None:
    """Print the correlations, and the AUROC of every detector."""
    tables = tables_of(_lines(Path(file)))
    heading = ("category", "painted defects", "detectors", "rank correlation", "95 % over images", "and over detectors")
    print(f"| {' | '.join(heading)} |\n|{'---|' * len(heading)}")
    for category, (names, table) in tables.items():
        found, images, both = correlations(table), bounds(table, detectors=False), bounds(table, detectors=True)
        for name in SETS:
            said = [" to ".join(f"{one:.2f}" for one in held[name]) for held in (images, both)]
            print(f"| {category} | {name} | {len(names)} | {found[name]:.2f} | {said[0]} | {said[1]} |")
    for category, (names, table) in tables.items():
        print(f"\n### {category}: AUROC\n\n| detector | real | {' | '.join(SETS)} |\n|---|---:{'|---:' * len(SETS)}|")
        values = [auroc(table["good"], table[name]) for name in ("real", *SETS)]
        for at in np.argsort(-values[0], kind="stable"):
            print(f"| {names[at]} | {' | '.join(f'{one[at]:.3f}' for one in values)} |")


def _called(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Category, image size, model and encoder, and the loss of those that have one."""
    parts = (row["category"], str(row.get("size", 128)), row["model"], row["encoder"])
    return (*parts, row["loss"]) if "loss" in row else parts


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, file.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    {"score": score, "rank": rank}[sys.argv[1]](*sys.argv[2:])
