"""What it costs that exports bring their scores along: size of the file, and time to read it, both sides in one process."""

from __future__ import annotations

import json
import time
from pathlib import Path

from harness.plugin.registry import Registry
from harness.verdicts.exports import read

RESULTS = Path(__file__).parents[2] / "leaderboards" / "results"


def seconds(file: Path, registry: Registry) -> float:
    """The best of three, of the processor."""
    taken = []
    for _ in range(3):
        started = time.process_time()
        read(file, registry)
        taken.append(time.process_time() - started)
    return min(taken)


def test_the_export_of_48_trials_with_and_without_scores(tmp_path: Path) -> None:
    whole, bare = RESULTS / "mvtec_ad_h200.jsonl", tmp_path / "bare.jsonl"
    rows = [json.loads(line) for line in whole.read_text().splitlines()]
    bare.write_text(
        "".join(f"{json.dumps({k: v for k, v in row.items() if k not in ('digest', 'evidence')})}\n" for row in rows)
    )
    registry = Registry.discover()
    size, before = (file.stat().st_size / 1e6 for file in (whole, bare))
    took, earlier = (seconds(file, registry) for file in (whole, bare))
    print(
        f"\n{len(rows)} rows: {size:.2f} MB and {took:.2f} s with scores, {before:.2f} MB and {earlier:.2f} s without"
    )
    assert size < 1.3 * before
    assert took < 4 * earlier
