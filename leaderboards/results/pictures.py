"""Draws the two pictures of the first page anew: `python pictures.py [STORE]`, where STORE has the detectors' images.

The leaderboard is what its command prints in a terminal of 110 columns. The report is that of a store, since an export
has no images; without one only the leaderboard is drawn.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
WORDS = ("harness", "leaderboard", "--store", "mvtec_ad_h200.jsonl")
COLUMNS, WIDTH, HEIGHT = 110, 1440, 2000


def table() -> Text:
    """What the leaderboard's command prints: its first table."""
    environ = {**os.environ, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", *WORDS], cwd=HERE, env=environ, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    titles = [at for at, line in enumerate(lines) if Text.from_ansi(line).plain.startswith("mvtec_ad")]
    return Text.from_ansi("\n".join([f"$ {' '.join(WORDS)}", "", *lines[: titles[1]]]).rstrip())


def draw_leaderboard() -> None:
    """Write leaderboard.svg."""
    console = Console(record=True, width=COLUMNS + 8, file=io.StringIO(), force_terminal=True)
    console.print(table())
    console.save_svg(str(HERE / "leaderboard.svg"), title=" ".join(WORDS[:2]))


def draw_report(store: Path) -> None:
    """Write report.png, the first screens of the report of a store."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        file = Path(folder) / "report.html"
        title = ("--title", "Detectors on frozen features")
        subprocess.run(  # noqa: S603
            [sys.executable, "-m", "harness", "report", "--store", str(store), "--out", str(file), *title], check=True
        )
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce")
        page.goto(file.as_uri())
        page.wait_for_selector(".tile")
        page.wait_for_timeout(1000)
        page.screenshot(path=str(HERE / "report.png"))
        browser.close()


if __name__ == "__main__":
    draw_leaderboard()
    if sys.argv[1:]:
        draw_report(Path(sys.argv[1]))
