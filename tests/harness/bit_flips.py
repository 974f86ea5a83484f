"""Files with one bit changed, and what becomes of a command that reads them; `python bit_flips.py 1000` asks more often.

Each flip has to leave the same output, or a line that names what was left out (exit code 3); never a traceback, and never
other numbers in silence. Where nothing can be read of a file, as with a bit of SQLite's first page or of the one model
that was to judge, there is no item to leave out: then the file itself is named as refused, with exit code 2.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from click.testing import CliRunner, Result

from harness.commands import main

DOTS = Path(__file__).parents[1] / "plugin_files" / "dots.py"
PLUGIN = ("--plugin", str(DOTS))


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def filled(folder: Path) -> Path:
    """A store with four trials and their models, and an export of it."""
    words = ["run", *PLUGIN, "--dataset", "dots", "--categories", "large", "--models", "mean_image,trained"]
    words += ["--encoders", "plain", "--losses", "absolute", "--seeds", "0,1", "--keep-models", "--device", "cpu"]
    assert call(*words, "--jobs", "1", "--store", folder / "runs").exit_code == 0
    assert call("export", *PLUGIN, "--store", folder / "runs", "--out", folder / "results.jsonl").exit_code == 0
    images = folder / "images"
    images.mkdir()
    from PIL import Image

    Image.new("RGB", (16, 16), "gray").save(images / "a.png")
    return folder


def commands(folder: Path) -> dict[str, tuple[Path, list[object]]]:
    """What is damaged, and the command that then reads it."""
    model = next((folder / "runs" / "models").iterdir())
    board = ["leaderboard", *PLUGIN, "--format", "json", "--pools", "all"]
    predict = ["predict", model, folder / "images", *PLUGIN, "--format", "json"]
    return {
        "store": (folder / "runs" / "store.sqlite", [*board, "--metrics", "pixel_f1", "--store", folder / "runs"]),
        "export": (
            folder / "results.jsonl",
            ["leaderboard", *PLUGIN, "--format", "json", "--store", folder / "results.jsonl"],
        ),
        "model": (model / "model.json", predict),
        "weights": (model / "weights.safetensors", predict),
    }


def flips(file: Path, words: Sequence[object], count: int, seed: int) -> Counter[str]:
    """How many flips came to what. Raises AssertionError for one that came to nothing allowed."""
    whole, found = file.read_bytes(), Counter[str]()
    before = call(*words)
    assert before.exit_code == 0, before.output
    drawn = random.Random(seed)
    try:
        for _ in range(count):
            at, bit = drawn.randrange(len(whole)), drawn.randrange(8)
            damaged = bytearray(whole)
            damaged[at] ^= 1 << bit
            file.write_bytes(damaged)
            found[_outcome(before, call(*words), file, f"bit {bit} of byte {at} of {file.name}")] += 1
    finally:
        file.write_bytes(whole)
    return found


def _outcome(before: Result, after: Result, file: Path, where: str) -> str:
    assert after.exception is None or isinstance(after.exception, SystemExit), f"{where}: {after.exception!r}"
    if after.exit_code == 0:
        assert after.stdout == before.stdout, f"{where}: other numbers in silence"
        return "same"
    assert after.exit_code in (2, 3), f"{where}: exit code {after.exit_code}"
    assert after.stderr.strip(), f"{where}: nothing is said"
    if after.exit_code == 2:
        said = after.stderr.splitlines()[-1]
        assert str(file.parent) in said, f"{where}: what is refused is not named: {said}"
    return "named, exit 3" if after.exit_code == 3 else "refused, exit 2"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for what, (file, words) in commands(filled(Path(place))).items():
            print(what, dict(flips(file, words, int(sys.argv[1]), seed=0)), flush=True)
