from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import warm_python


def harness(*words: str) -> subprocess.CompletedProcess[str]:
    return warm_python.run(
        [sys.executable, "-m", "harness", *words], capture_output=True, text=True, check=False, timeout=500
    )


@pytest.mark.slow
def test_real_bottles_are_judged_and_what_lacks_its_weights_is_skipped_with_the_reason(
    shared: Path, tmp_path: Path
) -> None:
    done = harness(
        "run", "--data-root", str(shared / "data" / "mvtec_ad_256"), "--weights-dir", str(shared / "weights"),
        "--categories", "bottle", "--models", "dae", "--encoders", "all", "--losses", "mse", "--image-size", "64",
        "--shots", "16", "--epochs", "1", "--store", str(tmp_path / "runs"), "--format", "json",
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    rows = {row["encoder"]: row for row in json.loads(done.stdout)}
    assert rows["resnet50"]["status"] == "skipped"
    assert "resnet50.tv_in1k.safetensors" in rows["resnet50"]["reason"]
    assert "--weights random" in rows["resnet50"]["reason"]
    for encoder, weights in (("conv", "-"), ("vgg16", "pretrained")):
        row = rows[encoder]
        assert (row["status"], row["weights"], row["incomplete"]) == ("done", weights, "")
        assert (row["n_normal"], row["n_abnormal"]) == (20, 63)
        assert row["normal_rate"] == row["right_normal"] / 20
        assert row["abnormal_rate"] == row["right_abnormal"] / 63
        assert 0 <= row["aupro_0.30"] <= 1
        assert sum(n for _, n in row["detection"].values()) == 63
    assert "Traceback" not in done.stderr


def test_the_small_hazelnut_set_loads_as_a_folder_with_its_masks(shared: Path) -> None:
    done = harness(
        "data", "--dataset", "folder", "--data-root", str(shared / "data" / "hazelnut_toy"), "--format", "json"
    )
    (row,) = json.loads(done.stdout)
    assert (row["train"], row["test_good"], row["test_defective"], row["masks"]) == (28, 6, 17, 17)
    assert row["sizes"] == "512x512, 512x522"
