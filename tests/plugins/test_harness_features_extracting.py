"""Two workers that need the same features: the second waits for those of the first."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from harness_features import shared_maps as shared
from harness_features.extracting import waited_for
from harness_features.shared_maps import SharedMaps

fcntl = pytest.importorskip("fcntl", reason="this system has no such locks")
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
HOLDS = """
import sys, time
from pathlib import Path
from harness_features.extracting import waited_for
with waited_for(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_takes_what_the_first_has_extracted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_layouts", {})
    maps, seen, waits = SharedMaps(tmp_path / "kept", 2), [], threading.Event()

    def extract(pixels: np.ndarray) -> list[torch.Tensor]:
        seen.append(len(pixels))
        if len(seen) == 2:  # of the first to come, after the batch that says the shapes
            second.start()
            time.sleep(0.3)
        return [torch.tensor(pixels).permute(0, 3, 1, 2).float()]

    def again() -> None:
        found.extend(value[0].clone() for _, value in maps.of(PIXELS, extract))
        waits.set()

    found: list[torch.Tensor] = []
    second = threading.Thread(target=again)
    first = [value[0].clone() for _, value in maps.of(PIXELS, extract)]
    second.join(20)
    assert waits.is_set()
    assert seen == [2, 2, 2], "six images pass once"
    assert all(torch.equal(a, b) for a, b in zip(first, found, strict=True))


def test_who_is_killed_while_he_extracts_is_not_waited_for(tmp_path: Path) -> None:
    files = [Path("a"), Path("b")]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path), *map(str, files)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with waited_for(tmp_path, [Path("other")]):
            pass  # other images are nobody's
        start = time.monotonic()
        with waited_for(tmp_path, files, at_most=0.3):
            assert time.monotonic() - start >= 0.3, "he is waited for, but not for ever"
        owner.kill()
        owner.wait()
        with waited_for(tmp_path, files, at_most=60):
            assert time.monotonic() - start < 30


def test_nobody_waits_where_nothing_can_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with waited_for(tmp_path / "file" / "folder", [Path("a")]):
        pass

    def refuses(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", refuses)
    with waited_for(tmp_path, [Path("a")]):
        pass
