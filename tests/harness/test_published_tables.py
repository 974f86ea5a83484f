import csv
import re
from pathlib import Path

import pytest

from harness.published import check, folder, load, official_counts, shipped

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
README = (ROOT / "leaderboards" / "README.md").read_text(encoding="utf-8")

with_facts = pytest.mark.skipif(not (SHARED / "facts").is_dir(), reason="../shared/facts is not here")
with_paper = pytest.mark.skipif(not (SHARED / "paper").is_dir(), reason="../shared/paper is not here")


def facts(name):
    with (SHARED / "facts" / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def printed(row, *metrics):
    return (row.category, *(row.values[metric].text for metric in metrics))


def test_the_tables_that_are_found_are_those_of_the_checkout_wherever_they_were_installed():
    checkout = {file.name: file.read_bytes() for file in (ROOT / "leaderboards" / "published").glob("*.toml")}
    assert {file.name: file.read_bytes() for file in folder().glob("*.toml")} == checkout
    assert shipped() == sorted(Path(name).stem for name in checkout)


def test_every_row_that_ships_has_the_counts_of_its_split():
    for name in shipped():
        table = load(name)
        official = official_counts(table.dataset)
        assert all(row.counts == table.splits[row.category] == official[row.category] for row in table.rows)
        assert all(split.train for split in table.splits.values())


@with_facts
def test_splits_are_those_that_the_data_sets_authors_count():
    rows = facts("mvtec_ad_counts.csv")
    assert {
        category: (counts.train, counts.normal, counts.abnormal)
        for category, counts in official_counts("mvtec_ad").items()
    } == {r["category"]: (int(r["train_good"]), int(r["test_good"]), int(r["test_defective"])) for r in rows}


METRICS = ("normal_rate", "abnormal_rate", "accuracy")


@with_facts
def test_all_60_rows_of_the_paper_are_as_they_were_typed_from_it():
    expected = [
        (r["model"], r["encoder"], r["loss"], r["category"], r["normal_rate"], r["abnormal_rate"], r["overall"])
        for r in facts("kumar_tables_1_2.csv")
    ]
    rows = load("kumar_2025").rows
    assert len(rows) == 60
    assert [(row.model, row.encoder, row.loss, *printed(row, *METRICS)) for row in rows] == expected


@with_paper
def test_all_60_rows_of_the_paper_are_as_its_text_prints_them():
    text = (SHARED / "paper" / "paper.txt").read_text(encoding="utf-8")
    lines = [
        [cell.strip() for cell in line.strip("| \n").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    heads = [i for i, cells in enumerate(lines) if cells[0] == "Category"]
    assert len(heads) == 2
    read = {}
    for head in heads:
        methods = [
            tuple(re.fullmatch(r"(DAE|CAE)(?:-(VGG16|ResNet))?\((MSE|SSIM)\)", cell).groups("conv"))
            for cell in lines[head][1:]
        ]
        body = lines[head + 2 : head + 17]
        for normal, abnormal, overall in zip(body[::3], body[1::3], body[2::3], strict=True):
            assert overall[0] == "Overall"
            # the second line of a category has an empty first cell, which stripping the outer bars has taken
            for method, *numbers in zip(methods, normal[1:], abnormal[-6:], overall[1:], strict=True):
                model, encoder, loss = (part.lower().replace("resnet", "resnet50") for part in method)
                read[model, encoder, loss, normal[0].lower()] = tuple(numbers)
    assert len(read) == 60
    table = {
        (row.model, row.encoder, row.loss, row.category): printed(row, *METRICS)[1:] for row in load("kumar_2025").rows
    }
    assert table == read


@with_facts
def test_bergmanns_tables_are_as_they_were_read():
    table_2 = {
        (r["category"], r["normal_rate"], r["abnormal_rate"]) for r in facts("bergmann_2019_table_2_textures.csv")
    }
    textures = load("bergmann_2019_textures").rows
    assert len(textures) == 25
    assert {printed(row, "normal_rate", "abnormal_rate") for row in textures} == table_2
    table_3 = [
        (r["category"], *method, r[column])
        for r in facts("bergmann_2019_table_3_pixel_auroc.csv")
        for column, method in (("ae_ssim", ("ae", "ssim")), ("ae_l2", ("ae", "mse")), ("anogan", ("anogan", "-")))
    ]
    assert [
        (row.category, row.model, row.loss, row.values["pixel_auroc"].text)
        for row in load("bergmann_2019_pixel_auroc").rows
    ] == table_3


@with_facts
def test_image_aurocs_and_their_means_are_as_they_were_read():
    expected = [
        (r["method"], r["setting"].replace(" ", "-"), category, r["mean_of_15" if category == "mean" else category])
        for r in facts("image_auroc_percent.csv")
        for category in ("hazelnut", "bottle", "pill", "screw", "tile", "mean")
    ]
    table = load("image_auroc")
    found = [(row.model, row.setting, row.category, row.values["auroc"].text) for row in (*table.rows, *table.means)]
    assert sorted(found) == sorted(expected)
    assert {mean.over for mean in table.means} == {15}


def test_the_readme_lists_every_table_as_its_file_describes_it():
    for name in shipped():
        table = load(name)
        cells = [
            name,
            table.title,
            str(len(table.rows)),
            ", ".join(table.metrics),
            table.track,
            table.setting,
            table.image_size,
            table.read,
        ]
        assert f"| {' | '.join(cells)} |\n" in README
    listed = re.findall(r"^\| (\w+) \| .* hand \|$", README, flags=re.MULTILINE)
    assert listed == shipped()


def findings(name, **wanted):
    return [f for f in check(load(name)) if all(getattr(f, field) == value for field, value in wanted.items())]


def test_the_8_accuracies_of_the_paper_that_do_not_follow_from_its_rates_are_found():
    assert {finding.about for finding in findings("kumar_2025", kind="derived", severity="impossible")} == {
        "dae + conv + ssim, hazelnut",
        "dae + vgg16 + mse, hazelnut",
        "dae + vgg16 + mse, pill",
        "dae + vgg16 + mse, screw",
        "dae + conv + ssim, tile",
        "dae + vgg16 + mse, tile",
        "cae + vgg16 + mse, pill",
        "cae + resnet50 + mse, tile",
    }


def test_the_papers_smaller_misfits_are_remarked_as_rounding():
    (finding,) = findings("kumar_2025", kind="derived", severity="remark")
    assert finding.about == "dae + resnet50 + ssim, bottle"
    assert "(rounding)" in finding.text


def test_on_pill_and_tile_no_row_of_the_paper_beats_all_anomalous_by_half_a_point():
    hard = findings("kumar_2025", kind="floor", place="")
    assert [finding.about for finding in hard] == ["pill", "tile"]
    assert all("none of 12 rows beats all anomalous" in finding.text for finding in hard)


def test_what_the_readme_says_of_the_findings_is_so():
    def count(kind, severity):
        return sum(bool(f.place) for f in findings("kumar_2025", kind=kind, severity=severity))

    impossible = findings("kumar_2025", severity="impossible")
    assert f"{len(impossible)} impossible numbers in {len({f.place for f in impossible})} of the 60 rows" in README
    assert f"in {count('derived', 'impossible')} rows the overall accuracy" in README
    assert f"{count('rate', 'impossible')} rates of normal images" in README
    assert f"{count('floor', 'remark')} rows do no better" in README
    for name in ("bergmann_2019_textures", "bergmann_2019_pixel_auroc", "image_auroc"):
        assert findings(name, severity="impossible") == []
