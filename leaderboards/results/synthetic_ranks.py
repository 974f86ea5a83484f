"""Do painted defects rank detectors as real ones do? One fit a detector, scored on both.

    python synthetic_ranks.py score /data/mvtec_ad weights bottle,pill,screw synthetic_ranks.ndjson frozen 128 0
    python synthetic_ranks.py score /data/mvtec_ad weights bottle,pill,screw synthetic_ranks.ndjson others 64 3
    python synthetic_ranks.py rank synthetic_ranks.ndjson > synthetic_ranks.md

Each detector is fitted to a category's training images. Its normal images are the test set's, its real defects those of
the test set, and its painted ones are put onto copies of the normal test images. The numbers are the image size and the
epochs of those that train in epochs: small, for want of time. `score` may be stopped: it goes on where it was.
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
FROZEN = (
    ("global_statistics", "-", "-"),
    *((model, LITE, "-") for model in FAMILY),
    *((model, "conv", "-") for model in ("gaussian", "padim", "knn", "subspace", "patchcore", "outlier")),
    *((f"{model}[reductions=4-8]", LITE, "-") for model in ("gaussian", "padim", "subspace", "patchcore")),
)
"""Models, encoders and losses."""
OTHERS = (
    *(("student_teacher", LITE, "-"), ("gaussian", "vgg16", "-"), ("dae", "conv", "mse"), ("vae", "conv", "mse")),
    *(("cae", "conv", "mse"), ("ganomaly", "conv", "mse"), ("discriminative", "conv", "ssim")),
    *(("reverse_distillation", LITE, "-"), ("patchcore", "vgg16", "-"), ("inpainting", "conv", "ssim")),
    *(("efficient_ad", LITE, "-"), ("padim", "vgg16", "-"), ("dae", "conv", "ssim"), ("cae", "conv", "ssim")),
    ("knn", "vgg16", "-"),
)
"""Those that train in epochs, and those on a large network."""
SETS = {
    "painted": {"size": (0.1, 0.1), "contrast": (0.5, 0.5)},
    "subtle": {"size": (0.03, 0.08), "contrast": (0.15, 0.4)},
}
"""How large and plain painted defects are: all alike as `harness recommend` paints them, or drawn from a range."""
COPIES = 90
DRAWS = 1000
PERMUTATIONS = 9999


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


def score(root: str, weights: str, categories: str, out: str, which: str, size: str, epochs: str) -> None:
    """Fit and score every detector on every category, a line each."""
    file, registry = Path(out), Registry.discover()
    done = {_called(one) for one in _lines(file)} if file.is_file() else set()
    for model, encoder, loss in {"frozen": FROZEN, "others": OTHERS}[which]:
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


def tables_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, tuple[list[str], dict[str, NDArray[Any]]]]:
    """By category the detectors (D), and their scores (D, images) of each set."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["category"], []).append(row)
    return {
        category: (
            [_title(row) for row in some],
            {name: np.array([row[name] for row in some]) for name in ("good", "real", *SETS)},
        )
        for category, some in found.items()
    }


def by_chance(table: Mapping[str, NDArray[Any]]) -> dict[str, tuple[float, float]]:
    """The correlation that 95 % of orders by chance stay below, and the share of orders that reach the one found."""
    random, null = np.random.default_rng(0), dict[str, tuple[float, float]]()
    real = _standard(auroc(table["good"], table["real"]))
    for name in SETS:
        painted = _standard(auroc(table["good"], table[name]))
        drawn = random.permuted(np.tile(painted, (PERMUTATIONS, 1)), axis=1) @ real / len(real)
        reached = 1 + int((drawn >= painted @ real / len(real) - 1e-9).sum())
        null[name] = (float(np.percentile(drawn, 95)), reached / (1 + PERMUTATIONS))
    return null


def _standard(values: NDArray[Any]) -> NDArray[Any]:
    """Their ranks, with mean 0 and deviation 1."""
    ranks = rankdata(values)
    return (ranks - ranks.mean()) / ranks.std()


def rank(file: str) -> None:
    """Print the correlations, and the AUROC of every detector."""
    rows = list(_lines(Path(file)))
    heading = (
        *("category", "painted defects", "detectors", "rank correlation", "95 % of orders by chance below", "p"),
        *("95 % over images", "and over detectors"),
    )
    print(f"| {' | '.join(heading)} |\n|{'---|' * len(heading)}")
    for category, (names, table) in tables_of(rows).items():
        images, both = bounds(table, detectors=False), bounds(table, detectors=True)
        for name, cells in _cells(category, names, table):
            said = [" to ".join(f"{one:.2f}" for one in held[name]) for held in (images, both)]
            print(f"| {cells} | {' | '.join(said)} |")
    print(f"\n### Those of frozen features at 128 px alone\n\n| {' | '.join(heading[:6])} |\n|{'---|' * 6}")
    for category, (names, table) in tables_of(row for row in rows if "size" not in row).items():
        for _, cells in _cells(category, names, table):
            print(f"| {cells} |")
    print()
    for category, (names, table) in tables_of(rows).items():
        print(f"### {category}: AUROC\n\n| detector | real | {' | '.join(SETS)} |\n|---|---:{'|---:' * len(SETS)}|")
        values = [auroc(table["good"], table[name]) for name in ("real", *SETS)]
        for at in np.argsort(-values[0], kind="stable"):
            print(f"| {names[at]} | {' | '.join(f'{one[at]:.3f}' for one in values)} |")
        print()


def _cells(category: str, names: list[str], table: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, str]]:
    """For each set of painted defects, what is found of it."""
    found, null = correlations(table), by_chance(table)
    for name in SETS:
        below, p = null[name]
        yield name, f"{category} | {name} | {len(names)} | {found[name]:.2f} | {below:.2f} | {p:.4f}"


def _title(row: Mapping[str, Any]) -> str:
    """`dae + conv + mse, 64 px, 3 epochs`; of frozen features at 128 px only the parts."""
    said = [" + ".join(_called(row)[2:])]
    said += [f"{row['size']} px"] if "size" in row else []
    return ", ".join([*said, *([f"{row['epochs']} epochs"] if "epochs" in row else [])])


def _called(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Category, image size, model and encoder, and the loss of those that have one."""
    parts = (row["category"], str(row.get("size", 128)), row["model"], row["encoder"])
    return (*parts, row["loss"]) if "loss" in row else parts


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, file.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    {"score": score, "rank": rank}[sys.argv[1]](*sys.argv[2:])
