import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.published import load, official_counts, read, shipped

TOML = """
title = "A table"
source = "Somebody, 2024"
read = "first hand"
read_in = "the paper"
dataset = "my_parts"
metrics = ["accuracy"]
track = "normal-only"
protocol.setting = "one-class"
protocol.image_size = 128
protocol.backbone = "none"
splits.bolt = { train = 30, normal = 10, abnormal = 20 }
rows = [
  { category = "bolt", model = "dae", accuracy = "0.80" },
  { category = "bolt", model = "cae", accuracy = 0.90 },
]
"""


def toml(tmp_path, text):
    file = tmp_path / "table.toml"
    file.write_text(text, encoding="utf-8")
    return file


def table_csv(tmp_path, text, encoding="utf-8"):
    file = tmp_path / "table.csv"
    file.write_bytes(text.encode(encoding))
    return file


def refusal(file):
    with pytest.raises(UsageError) as caught:
        read(file)
    message = str(caught.value)
    assert str(file) in message
    assert message.isprintable(), "one line, without control characters"
    assert len(message) < 1000
    return message


def test_a_toml_table_keeps_its_digits_whether_quoted_or_not(tmp_path):
    table = read(toml(tmp_path, TOML))
    assert [row.values["accuracy"].text for row in table.rows] == ["0.80", "0.90"]
    assert (table.name, table.track, table.image_size) == ("table", "normal-only", "128")
    row = table.rows[0]
    assert (row.setting, row.image_size, row.encoder, row.place) == ("one-class", 128, "-", "row 1")
    assert (row.counts.train, row.counts.normal, row.counts.abnormal) == (30, 10, 20)


def test_a_row_says_what_its_protocol_leaves_to_it(tmp_path):
    text = TOML.replace("image_size = 128", 'image_size = "by row"')
    assert "row 1: 'image_size' is missing" in refusal(toml(tmp_path, text))
    text = text.replace('model = "dae"', 'model = "dae", image_size = 64').replace(
        'model = "cae"', 'model = "cae", image_size = "not stated"'
    )
    assert [row.image_size for row in read(toml(tmp_path, text)).rows] == [64, None]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("read_in =", "reed_in =", "no field 'reed_in'. Did you mean 'read_in'?"),
        ("accuracy = 0.90", "accuracyy = 0.90", "row 2: no field 'accuracyy'. Did you mean 'accuracy'?"),
        ('title = "A table"\n', "", "'title' is missing"),
        (', accuracy = "0.80"', "", "row 1: 'accuracy' is missing"),
        ("protocol.backbone = ", "note = ", "protocol: 'backbone' is missing"),
        ('"first hand"', '"hearsay"', "read is 'hearsay', expected one of first hand, second hand, not stated"),
        ('"normal-only"', '"test-set"', "track is 'test-set', expected one of normal-only, oracle, none"),
        ('["accuracy"]', '["acuracy"]', "no metric 'acuracy'. Did you mean 'accuracy'?"),
        ('["accuracy"]', "[]", "metrics is [], expected a list"),
        ('"0.80"', '"1.20"', "row 1: accuracy is '1.20', expected a number from 0 to 1 (a table in percent"),
        ('"0.80"', '"-0.1"', "row 1: accuracy is '-0.1', expected a number from 0 to 1"),
        ("0.90", "nan", "row 2: accuracy is 'nan', expected digits such as 0.83"),
        ("0.90", "true", "row 2: accuracy is True, expected a number"),
        ("normal = 10", "normal = 0", "splits.bolt: normal is 0, expected a whole number from 1"),
        ("abnormal = 20", "abnormal = -1", "splits.bolt: abnormal is -1, expected a whole number from 1"),
        ("train = 30", "train = 2.5", "splits.bolt: train is '2.5', expected a whole number from 1"),
        ("abnormal = 20", f"abnormal = {10**12}", "expected a whole number from 1"),
        ('"cae"', '"dae"', "row 2: dae on bolt is there already, in row 1"),
        ('"cae"', '""', "row 2: model is '', expected one line of text"),
        ('"cae"', '"\\u001b[31m"', "row 2: model is '\\x1b[31m', expected one line of text"),
        ('"cae"', f'"{"x" * 9000}"', "expected one line of text"),
        ('{ category = "bolt", model = "cae", accuracy = 0.90 }', '"cae"', "row 2 holds 'cae', expected fields"),
        ("splits.bolt = { train = 30, normal = 10, abnormal = 20 }", "splits.bolt = 30", "splits.bolt holds 30"),
        ("splits.bolt = { train = 30, normal = 10, abnormal = 20 }", "splits = 30", "splits is 30, expected a table"),
        ('model = "cae"', 'model = "cae", n_normal = 3', "row 2: n_normal and n_abnormal come together"),
        ('"bolt", model = "cae"', '"mean", model = "cae"', "row 2: mean of cae, of which there is no row"),
        ('"bolt", model = "cae"', '"mean", over = 0, model = "dae"', "row 2: over is 0"),
    ],
)
def test_a_fault_in_a_toml_table_is_one_line_that_names_the_row_and_field(tmp_path, old, new, said):
    assert old in TOML
    assert said in refusal(toml(tmp_path, TOML.replace(old, new)))


@pytest.mark.parametrize("rows", ["[]", '"bolt"', "{ category = 'bolt' }", "7"])
def test_rows_that_are_no_list_of_at_least_one_are_refused(tmp_path, rows):
    text = TOML[: TOML.index("rows = [")] + f"rows = {rows}\n"
    assert "expected a list with at least one row" in refusal(toml(tmp_path, text))


def test_a_mean_over_fewer_categories_than_there_are_rows_is_refused(tmp_path):
    row = '{ category = "bolt", model = "dae", accuracy = "0.80" },'
    rows = row + row.replace("bolt", "nut") + row.replace('"bolt"', '"mean", over = 1')
    text = re.sub(r"rows = \[.*\]", f"rows = [{rows}]", TOML, flags=re.DOTALL)
    assert "row 3: over is 1, but dae has 2 rows" in refusal(toml(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('title = "a\n', 1),
        ('title = "a"\nsource =\n', 2),
        ('title = "a"\n\nrows = [\n', 3),
        ("a = 1\na = 2\n", 2),
        (f"a = {'9' * 5000}", None),
        ("a = " + "[" * 100_000, None),
    ],
)
def test_malformed_toml_is_refused_with_file_and_line(tmp_path, text, line):
    message = refusal(toml(tmp_path, text))
    assert line is None or f"line {line}" in message


def test_a_csv_needs_no_more_than_category_model_and_a_metric(tmp_path):
    table = read(table_csv(tmp_path, "category,model,auroc\nbolt,dae,0.91\n"))
    assert table.rows[0].values["auroc"].text == "0.91"
    assert table.rows[0].counts is None
    assert (table.name, table.track, table.metrics) == ("table", "not stated", ("auroc",))


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffcategory,model,accuracy,n_normal,n_abnormal\r\nbolt,dae,0.80,10,20\r\n",
        "category;model;accuracy;n_normal;n_abnormal\nbolt;dae;0,80;10;20\n",
        "category\tmodel\taccuracy\tn_normal\tn_abnormal\nbolt\tdae\t0.80\t10\t20",
        'Category , MODEL,"accuracy",n_normal,n_abnormal\n\n"bolt", dae ,0.80, 10,20\n,,,,\n',
        "category,model,accuracy,n_normal,n_abnormal\rbolt,dae,0.80,10,20\r",
    ],
    ids=["BOM and CRLF", "semicolons and decimal comma", "tabs", "quotes, spaces, blank lines", "old Mac line ends"],
)
def test_a_csv_reads_the_same_however_a_spreadsheet_wrote_it(tmp_path, text):
    (row,) = read(table_csv(tmp_path, text)).rows
    assert (row.category, row.model, row.values["accuracy"].text) == ("bolt", "dae", "0.80")
    assert (row.counts.normal, row.counts.abnormal) == (10, 20)


def test_a_csv_takes_its_counts_from_a_data_set_that_is_known(tmp_path):
    text = "dataset,category,model,accuracy\nmvtec_ad,bottle,dae,0.80\n,pill,dae,0.81\nmvtec_ad,bolt,dae,0.9\n"
    rows = read(table_csv(tmp_path, text)).rows
    assert [(row.counts.normal, row.counts.abnormal) for row in rows[:2]] == [(20, 63), (26, 141)]
    assert rows[2].counts is None


def test_a_csv_can_be_in_percent_and_drop_zeros(tmp_path):
    table = read(table_csv(tmp_path, "category,model,accuracy,scale,digits\nbolt,dae,80,100,1\nnut,dae,80.5,,\n"))
    assert [(float(p.value), float(p.unit)) for p in (row.values["accuracy"] for row in table.rows)] == [
        (0.8, 0.001),
        (0.805, 0.001),
    ]


def test_columns_and_rows_that_a_csv_has_too_many_are_kept_in_mind(tmp_path):
    table = read(table_csv(tmp_path, "category,model,accuracy,gpu hours\nbolt,dae,0.8,3\nnut,dae,-,3\nnut,cae,,3\n"))
    assert table.unread == ("gpu hours",)
    assert (len(table.rows), table.without_numbers) == (1, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("category,model,accuracy\n", "rows is [], expected a list with at least one row"),
        ("category,model\nbolt,dae\n", "line 1: no column of a metric"),
        ("category,method,accuracy\nbolt,dae,0.8\n", "line 2: 'model' is missing"),
        ("category,model,acuracy,f1\nbolt,dae,0.8,0.8\n", "line 1: no column 'acuracy'. Did you mean 'accuracy'?"),
        ("category,model,f1,f1\nbolt,dae,0.8,0.8\n", "line 1: two columns are called 'f1'"),
        ("category,model,f1\nbolt,dae\n", "line 2: 2 cells, expected 3"),
        ("category,model,f1\n\nbolt,dae,0,8\n", "line 3: 4 cells, expected 3"),
        ("category,model,f1\nbolt,dae,83\n", "line 2: f1 is '83', expected a number from 0 to 1 (a table in percent"),
        ("category,model,f1\nbolt,dae,83%\n", "line 2: f1 is '83%'"),
        ("category,model,f1,scale\nbolt,dae,83,10\n", "scale is '10', expected 1, or 100"),
        (
            "category,model,f1,scale\nbolt,dae,83,100\nnut,dae,1,1\n",
            "line 3: scale is '1', expected '100' as further up",
        ),
        ("category,model,f1,n_normal,n_abnormal\nbolt,dae,0.8,0,5\n", "line 2: n_normal is '0', expected a whole"),
        ("category,model,f1,n_normal,n_abnormal\nbolt,dae,0.8,٣,5\n", "line 2: n_normal is '٣', expected a whole"),
        ("category,model,f1\nbolt,dae,0.8\nbolt,dae,0.9\n", "line 3: dae on bolt is there already, in line 2"),
        ('category,model,f1\nbolt,"dae,0.8\n', "line 2: not CSV"),
        ('category,model,f1\nbolt,"d\nae",0.8\n', "line 3: model is 'd\\nae', expected one line of text"),
        ("category,model,f1\nbolt,d\0ae,0.8\n", "line 2: "),
        (f"category,model,f1\nbolt,{'x' * 200_000},0.8\n", "line 2: not CSV: field larger than field limit"),
    ],
)
def test_a_fault_in_a_csv_is_one_line_that_names_the_line(tmp_path, text, said):
    assert said in refusal(table_csv(tmp_path, text))


def test_a_csv_that_is_not_utf_8_is_refused_with_the_byte(tmp_path):
    file = table_csv(tmp_path, "category,model,f1\nbolt,d\xe9e,0.8\n", "latin-1")
    assert "is not UTF-8 text: invalid continuation byte at byte 24" in refusal(file)


def test_what_is_no_table_file_is_refused(tmp_path):
    assert "no file" in refusal(tmp_path / "absent.csv")
    (tmp_path / "folder.toml").mkdir()
    assert "no file" in refusal(tmp_path / "folder.toml")
    (tmp_path / "huge.csv").touch()
    with (tmp_path / "huge.csv").open("r+b") as file:
        file.truncate(65 * 2**20)
    assert "larger than 64 MiB" in refusal(tmp_path / "huge.csv")
    (tmp_path / "table.txt").write_text("category,model,f1\n")
    assert "expected a .toml or .csv file, or a .jsonl" in refusal(tmp_path / "table.txt")


@pytest.mark.parametrize("name", ["nul\0.csv", "x" * 5000 + ".csv"])
def test_a_path_that_cannot_be_is_refused(name):
    with pytest.raises(UsageError):
        load(name)


def test_a_table_that_ships_is_found_by_its_name_and_a_misspelt_one_suggested():
    assert load("kumar_2025").name == "kumar_2025"
    with pytest.raises(UsageError, match=r"no published source 'kumar_2024'\. Did you mean 'kumar_2025'"):
        load("kumar_2024")


def test_counts_of_an_unknown_data_set_are_unknown():
    assert official_counts("my_parts") == {}
    assert len(official_counts("mvtec_ad")) == 15


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.text('[]{}="\n.,#a1 ', max_size=60), st.sampled_from([".toml", ".csv"]))
def test_no_text_makes_the_reader_fail_in_another_way(tmp_path_factory, text, suffix):
    file = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    file.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    try:
        read(file)
    except UsageError as error:
        assert str(error).isprintable()


def test_importing_the_published_tables_loads_neither_torch_nor_scipy():
    code = "import sys, harness.published; print({'torch', 'scipy', 'sklearn', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert shipped() == sorted(shipped())
