import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.commands import main

ROOT = Path(__file__).parents[2]


def harness(*arguments):
    return CliRunner().invoke(main, list(arguments), prog_name="harness")


def test_what_validate_says_of_the_paper_is_on_file(golden):
    done = harness("validate", "kumar_2025", "--format", "md")
    golden("validate_kumar_2025.md", done.stdout)
    assert done.exit_code == 1


def test_validate_exits_with_0_when_there_are_only_remarks():
    done = harness("validate", "bergmann_2019_textures", "image_auroc", "--format", "md")
    assert done.exit_code == 0
    assert "### bergmann_2019_textures: 25 rows, 0 impossible, 21 remarks" in done.stdout
    assert "### image_auroc: 95 rows, 0 impossible, 8 remarks" in done.stdout


def test_one_impossible_table_among_several_is_enough_for_exit_1():
    assert harness("validate", "image_auroc", "kumar_2025", "image_auroc").exit_code == 1


def test_a_table_without_findings_says_so(tmp_path):
    (tmp_path / "good.csv").write_text("category,model,n_normal,n_abnormal,accuracy\nbolt,dae,10,10,0.90\n")
    done = harness("validate", str(tmp_path / "good.csv"), "--format", "md")
    assert done.exit_code == 0
    assert "good: 1 row, 0 impossible, 0 remarks" in done.stdout


def test_json_is_a_list_of_findings_and_nothing_else():
    rows = json.loads(harness("validate", "kumar_2025", "--format", "json").stdout)
    assert sum(row["severity"] == "impossible" for row in rows) == 14
    assert rows[0] == {
        "table": "kumar_2025",
        "place": "row 2",
        "about": "dae + conv + ssim, hazelnut",
        "metric": "accuracy",
        "severity": "impossible",
        "kind": "derived",
        "text": "(0.50 x 40 + 0.88 x 70)/110 = 0.742, not 0.76: 1.8 points off; 20/40 and 62/70 give 0.745",
    }


def test_csv_has_the_same_rows_as_json():
    as_json = json.loads(harness("validate", "kumar_2025", "--format", "json").stdout)
    as_csv = list(csv.DictReader(io.StringIO(harness("validate", "kumar_2025", "--format", "csv").stdout)))
    assert as_csv == as_json


def test_the_terminal_shows_each_finding_with_its_arithmetic():
    done = harness("validate", "kumar_2025")
    assert "60 rows, 14 impossible" in done.stdout
    assert "no k/26" in re.sub(r"\s+", " ", done.stdout)


def test_names_in_a_strangers_table_are_shown_as_they_are(tmp_path):
    file = tmp_path / "[red]x.csv"
    file.write_text("category,model,auroc\n[bold]bolt|nut,=dae[/],0.41\n")
    assert "[red]x: 1 row" in harness("validate", str(file)).stdout
    assert "=dae[/], [bold]bolt\\|nut" in harness("validate", str(file), "--format", "md").stdout
    assert '"\'=dae[/], [bold]bolt|nut"' in harness("validate", str(file), "--format", "csv").stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no file"),
        ("category,model,auroc\nbolt,dae,41\n", "line 2: auroc is '41', expected a number from 0 to 1"),
        ("category,model,auroc,n_normal,n_abnormal\nbolt,dae,.4,0,1\n", "line 2: n_normal is '0'"),
        ("category,model,auroc\nbolt,dae,.4\nbolt,dae,.5\n", "line 3: dae on bolt is there already, in line 2"),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_exit_2(tmp_path, content, said):
    file = tmp_path / "table.csv"
    if content is not None:
        file.write_text(content)
    done = harness("validate", str(file))
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unknown_source_is_met_with_a_suggestion():
    done = harness("validate", "kumar2025")
    assert done.exit_code == 2
    assert "no published source 'kumar2025'. Did you mean 'kumar_2025'?" in done.stderr


def test_validate_works_where_only_the_package_is(tmp_path):
    package = tmp_path / "site" / "harness"
    shutil.copytree(ROOT / "harness", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "leaderboards" / "published", package / "published_tables")  # as the wheel has it
    code = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r}); import harness.published as p; print(p.folder());"
        "from harness.commands import main; main(['validate', 'kumar_2025'], standalone_mode=False);"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.startswith(f"{package / 'published_tables'}\n")
    assert "14 impossible" in done.stdout


def test_validate_imports_no_torch():
    code = (
        "import sys; from harness.commands import main; main(['validate', 'kumar_2025'], standalone_mode=False);"
        "print('loaded:', {'torch', 'scipy', 'sklearn', 'timm'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded: set()\n")


def test_the_commands_and_the_table_in_the_readme_work(tmp_path, monkeypatch):
    readme = (ROOT / "leaderboards" / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    harness (validate .*)$", readme, flags=re.MULTILINE)
    assert len(commands) == 2
    monkeypatch.chdir(tmp_path)
    assert [harness(*command.split()).exit_code for command in commands] == [1, 0]
    (example,) = re.findall(r"^    (category,.*)\n    (.*)$", readme, flags=re.MULTILINE)
    Path("mine.csv").write_text("\n".join(example))
    assert harness("validate", "mine.csv").exit_code == 0
