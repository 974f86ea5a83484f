"""What each detector of frozen features costs on one category: seconds of CPU, memory, and what it keeps.

    python detector_costs.py DATA_ROOT WEIGHTS_DIR CATEGORY > detector_costs.md

Each is fitted and scores the test images in a process of its own, by one thread. Seconds are of the processor, not of
the clock, so that they mean something on a busy machine. Features lie in the cache, whose extraction is the first row.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENCODER = "timm[name=tf_efficientnet_lite0.in1k]"
DETECTORS = (
    "knn[features=pooled]", "outlier", "outlier[detector=one_class_svm]", "outlier[detector=local_outlier_factor]",
    "outlier[detector=elliptic_envelope]", "outlier[detector=gaussian_mixture]", "outlier[detector=kernel_density]",
    "outlier[detector=pyod_ecod]", "gaussian", "subspace", "subspace[measure=likelihood]", "padim", "knn",
    "random_memory", "patchcore",
)  # fmt: skip


def one(root: Path, weights: Path, category: str, spelling: str) -> None:
    """Print the figures of one detector as JSON: those of the features alone where it is `features`."""
    from harness import Dataset, Encoder, Model, Run
    from harness.plugin.registry import Registry

    registry = Registry.discover(environ={"HARNESS_PLUGINS": ""})
    dataset = registry.make(Dataset, "mvtec_ad")
    dataset.root = root
    split = dataset.load(category, 256)
    model = registry.make(Model, "knn[features=pooled]" if spelling == "features" else spelling)
    encoder, run = registry.make(Encoder, ENCODER), Run(weights_dir=weights)
    before, start = _kilobytes(), time.process_time()
    model.fit(split.train, encoder=encoder, loss=None, run=run)
    fitted = time.process_time()
    model.score(split.test)
    scored = time.process_time()
    learned = [array.nbytes for name, array in model.state().items() if not name.startswith("encoder.")]
    memory = (_kilobytes() - before) / 1024
    print(json.dumps([fitted - start, 1000 * (scored - fitted) / len(split.test), memory, sum(learned) / 1e6]))


def _kilobytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(root: str, weights: str, category: str) -> None:
    """Print the table."""
    print(f"Detectors of frozen features on {category}, with {ENCODER}, 256x256, by one thread.\n")
    print("| detector | fit, s of CPU | score, ms of CPU an image | memory, MB more at the peak | kept, MB |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as cache:
        environ = {**os.environ, "HARNESS_CACHE": cache, "OMP_NUM_THREADS": "1"}
        for spelling in ("features", *DETECTORS):
            command = [sys.executable, __file__, root, weights, category, spelling]
            done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode:
                print(f"| {spelling} | {done.stderr.strip().splitlines()[-1]} | | | |", flush=True)
                continue
            fit, score, memory, kept = json.loads(done.stdout.strip().splitlines()[-1])
            name = "extracting the features, once for all" if spelling == "features" else f"`{spelling}`"
            print(f"| {name} | {fit:.1f} | {score:.1f} | {memory:.0f} | {kept:.1f} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 5:
        one(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
    else:
        main(*sys.argv[1:])
