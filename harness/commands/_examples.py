"""Examples at the end of each command's help. A test runs every one of them past the command's own options."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "certify": (
        "harness certify runs/models/recommended --images more_parts",
        "harness certify --check certificate.json",
    ),
    "check": ("harness check glow --plugin glow.py", "harness check dae[level=0.2]"),
    "compare": ("harness compare --against kumar_2025", "harness compare --against my_table.csv --format md"),
    "conventions": ("harness conventions --store runs",),
    "data": ("harness data --data-root my_parts", "harness data --data-root my_parts --strict --format json"),
    "doctor": ("harness doctor --format md",),
    "export": ("harness export --out mine.jsonl", "harness export --thresholds all --pools all --out everything.jsonl"),
    "latency": ("harness latency my_parts-dae",),
    "leaderboard": (
        "harness leaderboard --thresholds all --pools all",
        "harness leaderboard --rank-by auroc --significance",
        "harness leaderboard --store theirs.jsonl --format csv",
    ),
    "list": ("harness list models", "harness list plugins --plugin glow.py"),
    "merge": ("harness merge runs others --into all", "harness merge mine.jsonl theirs.jsonl --into both.jsonl"),
    "new-plugin": ("harness new-plugin my_model",),
    "pack": ("harness pack my_parts-dae --data-root my_parts --format onnx --out line.onnx",),
    "predict": (
        "harness predict my_parts-dae photos --heat-maps heat_maps",
        "harness predict my_parts-dae --watch from_camera --format json",
    ),
    "recommend": ("harness recommend parts", "harness recommend parts --minutes 2 --defect-rate 0.2%"),
    "report": ("harness report --out report.html", "harness report --against kumar_2025 --format md"),
    "reproduce": ("harness reproduce 1143c4e8 --data-root /data/mvtec_ad",),
    "run": (
        "harness run --data-root my_parts --models patchcore,padim --encoders conv --keep-models",
        "harness run --data-root /data/mvtec_ad --models dae,cae --encoders all --seeds 0,1,2",
        "harness run --plugin glow.py --models glow,dae --dry-run",
    ),
    "site": ("harness site leaderboards/results --out site",),
    "submit-maps": ("harness submit-maps can fabric --data-root /data/mvtec_ad_2 --out submission",),
    "validate": ("harness validate kumar_2025", "harness validate my_table.csv"),
    "verify": (
        "harness verify theirs.jsonl",
        "harness verify theirs.jsonl --sample 3 --seed 20261128 --data-root /data/mvtec_ad --key ~/verify.pem",
    ),
}


def epilog(command: str) -> str | None:
    """The paragraph below a command's options, as click lays it out; None where it has no example."""
    lines = EXAMPLES.get(command)
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)]) if lines else None
