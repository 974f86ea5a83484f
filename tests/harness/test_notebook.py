"""A notebook, executed by a kernel as a person would: what its cells show, and that it gets in nobody's way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

CELLS = {
    "run": """
import harness, numpy as np
from dataclasses import dataclass

@dataclass
class Darker(harness.Model):
    name = "darker"
    uses = frozenset({{"pool"}})
    gain: float = 1.0

    def fit(self, normal, **how):
        self.mean = normal.pixels.mean(axis=0)

    def score(self, images):
        return harness.Scores(maps=self.gain * np.abs(images.pixels - self.mean).mean(axis=3))

asked = dict(plugins={plugin!r}, dataset="dots", thresholds="highest", categories="large", device="cpu")
results = harness.run(models=[Darker(gain=2), Darker], keep_models=True, **asked)
""",
    "shown": "results",
    "frame": "results.leaderboard(rank_by='auroc').to_pandas()[['rank', 'model', 'auroc']]",
    "quiet": "again = harness.run(models=Darker, quiet=True, **asked)",
    "wrong": "harness.run(models=Darker, jobs=2, **asked)",
    "judged": """
model = f"runs/models/{{results.rows[0]['trial'][:8]}}"
harness.load(model, plugins=[{plugin!r}, Darker]).predict(np.full((16, 16, 3), 250, np.uint8)).decision
""",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What each cell shows, by the name of the cell."""
    plugin = Path(__file__).parents[1] / "plugin_files" / "dots.py"
    cells = [nbformat.v4.new_code_cell(source.format(plugin=str(plugin)).strip()) for source in CELLS.values()]
    folder = tmp_path_factory.mktemp("notebook")
    client = nbclient.NotebookClient(
        nbformat.v4.new_notebook(cells=cells),
        timeout=120,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return {name: cell.outputs for name, cell in zip(CELLS, cells, strict=True)}


def kinds(outputs: list[Any]) -> list[str]:
    return [one.get("name", one.output_type) for one in outputs]


def test_a_run_shows_one_line_of_progress_without_widgets_and_says_where_it_stored(outputs: dict[str, Any]) -> None:
    assert sorted(set(kinds(outputs["run"]))) == ["display_data", "stderr"]
    (line,) = [one for one in outputs["run"] if one.output_type == "display_data"]
    assert dict(line.data) == {"text/plain": "2 of 2 done"}
    said = "".join(one.text for one in outputs["run"] if one.output_type == "stream")
    assert "harness: 2 fitted, 0 already there. Stored in runs" in said


def test_results_and_frames_show_themselves_as_html_and_leave_no_empty_output(outputs: dict[str, Any]) -> None:
    for name in ("shown", "frame"):
        assert kinds(outputs[name]) == ["execute_result"], outputs[name]
        assert "darker[gain=2]" in outputs[name][0].data["text/html"]


def test_a_quiet_run_shows_nothing_and_a_wrong_one_ends_in_an_error_of_one_line(outputs: dict[str, Any]) -> None:
    assert outputs["quiet"] == []
    (error,) = [one for one in outputs["wrong"] if one.output_type == "error"]
    assert error.ename == "UsageError"
    assert "model 'darker' was defined in this process, and jobs other than 1 run in others" in error.evalue
    assert "\n" not in error.evalue


def test_a_model_of_the_notebook_is_kept_and_judges_images_there(outputs: dict[str, Any]) -> None:
    assert outputs["judged"][-1].data["text/plain"] == "'anomalous'"
