"""What each detector costs on one category: seconds of CPU, memory, and what it keeps.

    python detector_costs.py DATA_ROOT WEIGHTS_DIR CATEGORY > detector_costs.md
    python detector_costs.py DATA_ROOT WEIGHTS_DIR CATEGORY --all --size 64 --epochs 1 > all_detectors_costs.md

Each is fitted and scores the test images in a process of its own, by one thread. Seconds are of the processor, not of
the clock, so that they mean something on a busy machine. Features lie in the cache, whose extraction is the first row.
With `--all` trained detectors and anomalib's come first, the latter where anomalib is installed, and VGG16 follows.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

LITE0, VGG16 = "timm[name=tf_efficientnet_lite0.in1k]", "vgg16"
FROZEN = (
    "knn[features=pooled]", "outlier", "outlier[detector=one_class_svm]", "outlier[detector=local_outlier_factor]",
    "outlier[detector=elliptic_envelope]", "outlier[detector=gaussian_mixture]", "outlier[detector=kernel_density]",
    "outlier[detector=pyod_ecod]", "gaussian", "subspace", "subspace[measure=likelihood]", "padim", "knn",
    "random_memory", "patchcore",
)  # fmt: skip
TRAINED = (
    "feature_ae", "reverse_distillation", "student_teacher", "efficient_ad", "dae", "dae[adversarial=0.1]", "cae",
    "vae", "inpainting", "ganomaly", "discriminative",
)  # fmt: skip
STAGES = {"layers": ["blocks.2", "blocks.4"]}
ANOMALIB = {
    "padim": {**STAGES, "n_features": 100},
    "patchcore": {**STAGES, "coreset_sampling_ratio": 0.1},
    "dfm": {"layer": "blocks.4"},
    "dfkde": {"layers": ["blocks.4"]},
    "fre": {"layer": "blocks.4", "input_dim": 448, "latent_dim": 64},
    "mh_patchcore": STAGES,
    "stfpm": {"layers": ["blocks.1", "blocks.2", "blocks.4"]},
    "patchflow": {},
    "supersimplenet": {"layers": ["blocks.1", "blocks.2"]},
    "glass": {**STAGES, "pretrain_embed_dim": 152, "target_embed_dim": 152},
    "cflow": STAGES,
    "ganomaly": None,
}
"""Those of anomalib whose encoder may be EfficientNet-Lite0, with the arguments that this takes at 64x64."""


def one(asked: argparse.Namespace, encoder: str, spelling: str) -> None:
    """Print the figures of one detector as JSON: those of the features alone where it is `features`."""
    from harness import Dataset, Encoder, Loss, Model, Run
    from harness.plugin.registry import Registry

    registry = Registry.discover(environ={"HARNESS_PLUGINS": ""})
    dataset = registry.make(Dataset, "mvtec_ad")
    dataset.root = asked.root
    split = dataset.load(asked.category, asked.size)
    model = registry.make(Model, "knn[features=pooled]" if spelling == "features" else spelling)
    run = Run(weights_dir=asked.weights, image_size=asked.size, epochs=asked.epochs, precision="bf16")
    before, start = _kilobytes(), time.process_time()
    model.fit(split.train, encoder=registry.make(Encoder, encoder), loss=registry.make(Loss, "mse"), run=run)
    fitted = time.process_time()
    model.score(split.test)
    scored = time.process_time()
    learned = [array.nbytes for name, array in model.state().items() if not name.startswith("encoder.")]
    memory = (_kilobytes() - before) / 1024
    print(json.dumps([fitted - start, 1000 * (scored - fitted) / len(split.test), memory, sum(learned) / 1e6]))


def _kilobytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def of_anomalib() -> list[str]:
    """How they are spelt; none where anomalib is not installed."""
    from harness import spell
    from harness_anomalib import Anomalib

    if find_spec("anomalib") is None:
        return []
    return [
        spell(Anomalib(name, "tf_efficientnet_lite0", json.dumps(given) if given else ""))
        if given is not None
        else f"anomalib[model={name}]"
        for name, given in ANOMALIB.items()
    ]


def table(asked: argparse.Namespace, encoder: str, detectors: list[str], words: list[str]) -> None:
    """Print the figures of these detectors, each as it is measured."""
    print(f"{asked.title} on {asked.category}, with {encoder}, {asked.size}x{asked.size}, by one thread.\n")
    print("| detector | fit, s of CPU | score, ms of CPU an image | memory, MB more at the peak | kept, MB |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as cache:
        environ = {**os.environ, "HARNESS_CACHE": cache, "OMP_NUM_THREADS": "1"}
        for spelling in ("features", *detectors):
            command = [sys.executable, __file__, *words, "--one", encoder, spelling]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode:
                print(f"| {spelling} | {done.stderr.strip().splitlines()[-1]} | | | |", flush=True)
                continue
            fit, score, memory, kept = json.loads(done.stdout.strip().splitlines()[-1])
            name = "extracting the features, once for all" if spelling == "features" else f"`{spelling}`"
            print(f"| {name} | {fit:.1f} | {score:.1f} | {memory:.0f} | {kept:.1f} |", flush=True)


def main(words: list[str]) -> None:
    """Print one table, or one for each encoder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("category")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--one", nargs=2)
    asked = parser.parse_args(words)
    asked.title = (
        f"Detectors, the trained ones for {asked.epochs} epoch{'s' * (asked.epochs > 1)},"
        if asked.all
        else "Detectors of frozen features"
    )
    if asked.one:
        one(asked, *asked.one)
        return
    table(asked, LITE0, [*TRAINED, *of_anomalib(), *FROZEN] if asked.all else [*FROZEN], words)
    if asked.all:
        print()
        table(asked, VGG16, [*FROZEN], words)


if __name__ == "__main__":
    main(sys.argv[1:])
