"""Each protocol asked by itself: what a run crosses, what a category cannot be shown as, and what becomes of images."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.api import GOOD, Dataset, Images, Split
from harness.errors import DataError, UsageError
from harness.trials.protocols import augmentation, axes
from harness.trials.protocols.axes import calibrated, crossed, presented, refuse_faults, remark_on
from harness.trials.protocols.contamination import Contamination, defective
from harness.trials.protocols.cutting import Cutting
from harness.trials.protocols.joint import Joint
from harness.trials.protocols.protocol import Category, Protocol
from harness.trials.protocols.shots import Shots
from harness.trials.settings import Settings
from harness.trials.together import fingerprint_of, fit_of, joined, merged, names_of, of_one_fit, parted
from harness.trials.trial import PROTOCOL, Trial, as_options, named, spelt

USUAL = Trial("dots", "large", "mean_image", "-", "-", 0, 16, 0, 0, 0.0, 0.0, "fp32", "-")


def some(count: int, folder: str, kinds: tuple[str, ...] = (), side: int = 2) -> Images:
    pixels = np.arange(count, dtype=np.uint8)[:, None, None, None] + np.zeros((1, side, side, 3), np.uint8)
    return Images(pixels, tuple(f"{folder}/{at}" for at in range(count)), kinds)


def category(train: int = 6, bad: int = 4, **more: Any) -> Any:
    test = some(3 + bad, "test", (GOOD,) * 3 + ("crack",) * bad)
    told = {
        "name": "large", "dataset": "dots", "train_count": train, "split": Split(some(train, "train"), test),
        "image_size": 16, "among": ("large", "small"), "known": ("large", "small"), "resizes": ("stretch", "pad", "tiles"),
        "smaller_than": lambda side: "",
    }  # fmt: skip
    return SimpleNamespace(**{**told, **more})


def refused(ask: Any) -> str:
    with pytest.raises((UsageError, DataError)) as error:
        ask()
    return str(error.value)


def fault(protocol: Protocol, where: Any = None, **asked: Any) -> str:
    return protocol.fault(Settings.of(asked), where or category())


# Shots.


@pytest.mark.parametrize(
    ("asked", "train", "said"),
    [
        ({"shots": "2,7"}, 6, "shots 7: large has 6 training images; ask for at most 6, or all"),
        ({"shots": "6"}, 6, ""),
        ({"shots": "all"}, 0, ""),
        (
            {"shots": "6", "calibrate": "rest"},
            6,
            "shots 6: large has 6 training images, one of which must be left to set limits on; ask for at most 5",
        ),
        ({"shots": "5", "calibrate": "rest"}, 6, ""),
    ],
)
def test_no_more_shots_are_taken_than_a_category_has(asked: dict[str, Any], train: int, said: str) -> None:
    assert fault(Shots(), category(train), **asked) == said


def test_shots_are_crossed_and_leave_something_where_the_rest_sets_limits() -> None:
    assert Shots().asked(Settings.of({"shots": "all,4"})) == [{}, {"shots": 4}]
    assert refused(lambda: Shots().asked(Settings.of({"shots": "4,all", "calibrate": "rest"}))) == (
        "calibrate rest sets limits on the training images that shots leaves out, and shots all leaves none out: give "
        "numbers, such as shots 4,8"
    )
    assert Shots().asked(Settings.of({"shots": "all", "calibrate": "crossfit"})) == [{}]


def test_shots_keep_the_order_of_the_images_and_the_rest_is_what_is_left() -> None:
    split = category(train=9).split
    few = presented(split, USUAL._replace(shots=3))
    assert list(few.train.paths) == sorted(few.train.paths)
    assert len(few.train) == 3
    assert few.calibration is None
    assert few.test is split.test
    rest = presented(split, USUAL._replace(shots=3, calibrate="rest"))
    assert rest.train.paths == few.train.paths
    assert rest.calibration is not None
    assert list(rest.calibration.paths) == sorted(set(split.train.paths) - set(few.train.paths))
    assert len(presented(split, USUAL._replace(shots=9)).train) == 9
    assert refused(lambda: presented(split, USUAL._replace(shots=10))) == (
        "10 shots of 9 training images: ask for fewer"
    )


# Contamination.


@pytest.mark.parametrize(
    ("share", "normal", "found"), [(0.5, 10, 10), (0.2, 40, 10), (0.1, 9, 1), (0.0, 9, 0), (0.05, 9, 0), (0.75, 2, 6)]
)
def test_so_many_defective_images_make_a_share_of_all(share: float, normal: int, found: int) -> None:
    assert defective(share, normal) == found


@pytest.mark.parametrize(
    ("asked", "where", "said"),
    [
        ({}, {}, ""),
        ({"contaminate": "0"}, {"bad": 0}, ""),
        ({"contaminate": "0.3"}, {}, ""),
        (
            {"contaminate": "0.4"},
            {},
            "contaminate 0.4: large would need 4 defective images among its 6 training images, and has 4, of which some "
            "must stay in the test set; ask for at most 0.33",
        ),
        (
            {"contaminate": "0.1", "reserve": "0.4"},
            {},
            "contaminate 0.4: large would need 4 defective images among its 6 training images, and has 4, of which some "
            "must stay in the test set; ask for at most 0.33",
        ),
        (
            {"contaminate": "0.4"},
            {"bad": 1},
            "contaminate 0.4: large would need 4 defective images among its 6 training images, and has 1, of which some "
            "must stay in the test set; ask for at most 0",
        ),
        (
            {"contaminate": "0.05"},
            {},
            "contaminate 0.05: beside 6 training images of large that is not one defective image; ask for at least 0.08",
        ),
        (
            {"contaminate": "0,0.3", "shots": "all,1"},
            {"bad": 9},
            "contaminate 0.3: beside 1 training image of large that is not one defective image; ask for at least 0.34",
        ),
        (
            {"contaminate": "0.1,0.3", "shots": "2,all"},
            {"bad": 9},
            "contaminate 0.1: beside 2 training images of large that is not one defective image; ask for at least 0.2",
        ),
        ({"reserve": "0.3"}, {}, ""),
        (
            {"reserve": "0.5"},
            {},
            "contaminate 0.5: large would need 6 defective images among its 6 training images, and has 4, of which some "
            "must stay in the test set; ask for at most 0.33",
        ),
    ],
)  # fmt: skip
def test_a_share_that_a_category_cannot_have_is_told_with_one_that_it_can(
    asked: dict[str, Any], where: dict[str, Any], said: str
) -> None:
    assert fault(Contamination(), category(**where), **asked) == said


def test_shares_are_crossed_with_the_reserve_of_the_largest() -> None:
    def asked(**given: Any) -> Sequence[Any]:
        return Contamination().asked(Settings.of(given))

    assert asked(contaminate="0,0.1,0.05") == [{"contaminate": share, "reserve": 0.1} for share in (0.0, 0.1, 0.05)]
    assert asked(contaminate="0.1", reserve="0.2") == [{"contaminate": 0.1, "reserve": 0.2}]
    assert asked(contaminate="0.1", reserve="0.1") == [{"contaminate": 0.1, "reserve": 0.1}]
    assert asked(reserve="0.2") == [{"contaminate": 0.0, "reserve": 0.2}]
    assert refused(lambda: asked(contaminate="0.3", reserve="0.2")) == (
        "reserve 0.2 is less than contaminate 0.3: give at least that"
    )


def test_what_is_reserved_is_taken_from_each_kind_in_proportion_whatever_the_seed() -> None:
    kinds = (GOOD,) * 5 + ("crack",) * 12 + ("hole",) * 6
    split = Split(some(18, "train"), some(23, "test", kinds))
    gone: set[tuple[str, ...]] = set()
    for seed in range(3):
        kept = presented(split, USUAL._replace(reserve=0.33, seed=seed)).test
        gone.add(tuple(sorted({*split.test.paths} - {*kept.paths})))
        assert [kept.defects.count(kind) for kind in (GOOD, "crack", "hole")] == [5, 6, 3]
        assert list(kept.paths) == [path for path in split.test.paths if path in kept.paths]
    assert len(gone) == 1
    dirty = presented(split, USUAL._replace(contaminate=0.14, reserve=0.33)).train
    names = [path for path in dirty.paths if path.startswith("test")]
    assert len(names) == 3
    assert set(names) <= set(*gone)
    found = sorted(kinds[split.test.paths.index(name)] for name in names)
    assert found == ["crack", "crack", "hole"], "as they are among all"
    assert refused(lambda: presented(split, USUAL._replace(reserve=0.5))) == (
        "a reserve of 0.5 takes 18 of 18 defective images: ask for less"
    )


# Cutting.


@pytest.mark.parametrize(
    ("asked", "ways"),
    [
        ({}, [{}]),
        ({"tiles": 256}, [{"resize": "tiles", "tiles": 256, "overlap": 64}]),
        ({"tiles": 10}, [{"resize": "tiles", "tiles": 10, "overlap": 2}]),
        ({"tiles": "none,256", "image_size": 512, "overlap": 0}, [{}, {"tiles": 256}]),
        ({"tiles": 256, "image_size": 512, "overlap": 3}, [{"tiles": 256, "overlap": 3}]),
        ({"resize": "tiles"}, [{"resize": "tiles", "tiles": 256, "overlap": 64}]),
        ({"resize": "tiles", "image_size": 64}, [{"resize": "tiles", "tiles": 64, "overlap": 16}]),
        ({"resize": "tiles", "tiles": 64, "image_size": 64}, [{"resize": "tiles", "tiles": 64, "overlap": 16}]),
        ({"resize": "stretch,pad"}, [{}, {"resize": "pad"}]),
        ({"resize": "stretch", "tiles": 64}, [{"tiles": 64, "overlap": 16}]),
        (
            {"resize": "tiles,stretch", "tiles": 64, "image_size": 128},
            [{"resize": "tiles", "tiles": 64, "overlap": 16}, {"tiles": 64, "overlap": 16}],
        ),
    ],
)
def test_images_are_cut_stretched_or_padded_as_asked(asked: dict[str, Any], ways: list[dict[str, Any]]) -> None:
    assert [named(protocol) for protocol in crossed(Settings.of(asked))] == ways


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"overlap": 8}, "overlap is of tiles: give tiles too, such as 256"),
        ({"overlap": 0}, "overlap is of tiles: give tiles too, such as 256"),
        ({"tiles": 64, "resize": "pad"}, "resize pad with tiles 64: tiles need no padding, so give resize tiles"),
        (
            {"tiles": 64, "resize": "tiles", "image_size": 128},
            "image_size 128: with resize tiles images keep their own size, and tiles say what models are given; leave "
            "it out",
        ),
    ],
)
def test_ways_of_cutting_that_contradict_each_other_are_refused(asked: dict[str, Any], said: str) -> None:
    assert refused(lambda: Cutting().asked(Settings.of(asked))) == said


@pytest.mark.parametrize(
    ("asked", "where", "said"),
    [
        ({}, {}, ""),
        ({"resize": "pad"}, {"resizes": ("stretch",)}, "resize pad: data set 'dots' knows stretch only"),
        (
            {"tiles": 64},
            {"resizes": ("stretch", "pad")},
            "resize tiles: data set 'dots' knows stretch or pad only; give image_size too, which tiles are cut from",
        ),
        (
            {"tiles": 64, "resize": "tiles", "image_size": 64},
            {"resizes": ("stretch",)},
            "resize tiles: data set 'dots' knows stretch only",
        ),
        ({"tiles": 17, "resize": "stretch"}, {}, "tiles 17: images are resized to 16x16, which is smaller; give a larger "
         "image_size"),
        ({"tiles": 16, "resize": "stretch"}, {}, ""),
        (
            {"tiles": 64},
            {"smaller_than": lambda side: "90x40" if side == 64 else ""},
            "tiles 64: large has images of 90x40, which are smaller; take tiles of at most 40",
        ),
        ({"tiles": 64}, {}, ""),
        ({"tiles": 16, "resize": "stretch"}, {"smaller_than": lambda side: "9x9"}, ""),
    ],
)  # fmt: skip
def test_tiles_that_a_category_has_no_room_for_are_told(asked: dict[str, Any], where: Any, said: str) -> None:
    assert fault(Cutting(), category(**where), **asked) == said


# Joint models.


@pytest.mark.parametrize(
    ("asked", "where", "said"),
    [
        ({}, {"among": ("large",)}, ""),
        ({"setting": "one-class,joint"}, {}, ""),
        (
            {"setting": "joint-one-limit"},
            {"among": ("large",)},
            "setting joint-one-limit: one model for several categories takes two or more, and there is only large; give "
            "setting one-class, or more together",
        ),
        (
            {"setting": "joint", "together": "large,smal"},
            {},
            "together: no category 'smal'. Did you mean 'small'? Available: large, small.",
        ),
        (
            {"setting": "joint", "together": 'small,"a, b"'},
            {"known": ("large", "small", "a, b")},
            'together small,"a, b" lacks large, which is to be judged: add it, or leave it out of categories',
        ),
        ({"setting": "joint", "together": "small,large"}, {"among": ("large",)}, ""),
    ],
)
def test_a_joint_model_takes_several_categories_and_the_one_that_is_judged(
    asked: dict[str, Any], where: Any, said: str
) -> None:
    assert fault(Joint(), category(**where), **asked) == said


def test_settings_are_crossed_with_the_categories_that_are_learned_together() -> None:
    one, joint, limit = "one-class", "joint", "joint-one-limit"
    asked = Settings.of({"setting": f"{one},{joint},{limit}"})
    found = [named(protocol) for protocol in crossed(asked, categories=("b", "a, c"))]
    together = {"together": 'b,"a, c"'}
    assert found == [{}, {"setting": joint, **together}, {"setting": limit, **together}]
    assert [names_of(USUAL._replace(together=one)) for one in together.values()] == [["b", "a, c"]]
    asked = Settings.of({"setting": joint, "together": 'b,"a, c"'})
    assert [named(protocol) for protocol in crossed(asked)] == [{"setting": joint, **together}]
    asked = Settings.of({"setting": joint, "together": "x,y"})
    assert [named(protocol) for protocol in crossed(asked, categories=("b",))] == [
        {"setting": joint, "together": "x,y"}
    ]


JOINT = USUAL._replace(setting="joint", together="large,small", category="small")


def test_trials_of_one_fit_and_their_names() -> None:
    assert names_of(USUAL) == ["large"]
    assert names_of(JOINT) == ["large", "small"]
    assert of_one_fit(USUAL) == [USUAL]
    assert [(one.category, one.setting) for one in of_one_fit(JOINT)] == [
        ("small", "joint"), ("large", "joint"), ("large", "joint-one-limit"), ("small", "joint-one-limit"),
    ]  # fmt: skip
    assert len({fit_of(one) for one in of_one_fit(JOINT)}) == 1
    assert fit_of(JOINT) != fit_of(JOINT._replace(seed=1))


def test_images_of_several_sizes_lie_in_the_upper_left_of_the_largest() -> None:
    wide, high = np.full((1, 2, 5, 3), 7, np.uint8), np.full((2, 4, 3, 3), 9, np.uint8)
    found = joined({"a": Images(wide, ("x",)), "b": Images(high, ("x", "y"))})
    assert found.paths == ("a/x", "b/x", "b/y")
    assert found.pixels.shape == (3, 4, 5, 3)
    assert found.boxes is not None
    assert found.boxes.tolist() == [[0, 0, 2, 5], [0, 0, 4, 3], [0, 0, 4, 3]]
    assert [int(one.sum()) for one in found.pixels] == [7 * 30, 9 * 36, 9 * 36]
    assert (found.pixels[0, :2, :5] == 7).all()
    assert (found.pixels[1, :4, :3] == 9).all()
    alone = Images(wide, ("x",))
    assert joined({"a": alone}) is alone
    same = joined({"a": alone, "b": Images(wide, ("z",))})
    assert (same.boxes, same.paths) == (None, ("a/x", "b/z"))
    boxed = joined({"a": alone, "b": Images(wide, ("z",), boxes=np.array([[0, 1, 2, 4]]))})
    assert boxed.boxes is not None
    assert boxed.boxes.tolist() == [[0, 0, 2, 5], [0, 1, 2, 4]]


def test_joint_scores_come_apart_in_order_and_together_without_faults() -> None:
    from harness.trials.scoring import Calibration

    both = Calibration({"mean": np.arange(5.0), "max": np.arange(5.0) * 2}, {"p": "odd"})
    apart = parted(both, {"a": 2, "b": 3})
    assert {name: part.scores["max"].tolist() for name, part in apart.items()} == {"a": [0, 2], "b": [4, 6, 8]}
    assert apart["b"].faults == {"p": "odd"}
    again = merged([apart["a"], Calibration(apart["b"].scores, {"max": "failed"})])
    assert {name: scores.tolist() for name, scores in again.scores.items()} == {"mean": [0, 1, 2, 3, 4]}
    assert again.faults == {"p": "odd", "max": "failed"}


def test_a_fingerprint_of_several_categories_depends_on_each_and_on_the_one_that_is_judged() -> None:
    a, b = category().split, category(train=7).split
    told = {
        fingerprint_of(*asked) for asked in (("a", {"a": a, "b": b}), ("b", {"a": a, "b": b}), ("a", {"a": a, "b": a}))
    }
    assert len(told) == 3
    assert {len(one) for one in told} == {16}
    assert fingerprint_of("a", {"a": a, "b": b}) == fingerprint_of("a", {"b": b, "a": a})


# All of them.


def test_a_cross_fit_is_dropped_for_a_single_image_and_this_is_said() -> None:
    def protocol(**values: Any) -> tuple[Any, ...]:
        return tuple({**PROTOCOL, **values}.values())

    assert calibrated(protocol(shots=1), "crossfit") == ""
    assert calibrated(protocol(shots=2), "crossfit") == "crossfit"
    assert calibrated((), "crossfit") == "crossfit"
    assert calibrated(protocol(shots=1), "rest") == "rest"
    assert remark_on(Settings.of({"shots": "1,4", "calibrate": "crossfit"}, "command line")) == (
        "--shots 1: limits are set on the fitted image, for --calibrate crossfit needs two"
    )
    for quiet in ({"shots": "2", "calibrate": "crossfit"}, {"shots": "1"}, {"calibrate": "crossfit"}):
        assert remark_on(Settings.of(quiet)) == ""


def test_values_of_a_protocol_are_named_where_they_are_not_as_usual() -> None:
    values = (4, 0.05, 0.1, "stretch", 0, 0, "flip,shift[severity=2]", "one-class", "")
    assert named(values) == {"shots": 4, "contaminate": 0.05, "reserve": 0.1, "augment": "flip,shift[severity=2]"}
    assert as_options(values) == {
        "shots": "4", "contaminate": "0.05", "reserve": "0.1", "augment": "flip+shift[severity=2]",
    }  # fmt: skip
    assert spelt(values) == "shots 4, contaminate 0.05, reserve 0.1, augment flip+shift[severity=2]"
    assert (named(()), spelt(())) == ({}, "")


class _Data(Dataset):
    name = "given"
    resizes = ("stretch",)

    def __init__(self, count: int | None = None, error: bool = False) -> None:
        self.count, self.error, self.asked = count, error, list[tuple[str, int, str]]()

    def categories(self) -> tuple[str, ...]:
        return ("large", "small")

    def load(self, category: str, image_size: int) -> Split:
        self.asked.append((category, image_size, self.resize))
        if self.error or category == "broken":
            raise DataError("it is broken")
        test = some(4, "test", (GOOD, "x", "x", "x"))
        return Split(some(5, "train"), test, sizes=("90x30", "20x50", "40x40"))

    def train_count(self, category: str) -> int | None:
        return self.count


def test_a_category_is_read_once_and_only_where_somebody_asks() -> None:
    data = _Data()
    found = Category(data, "large", 16, ["large"])
    assert (found.dataset, found.known, found.resizes) == ("given", ("large", "small"), ("stretch",))
    assert data.asked == []
    assert found.train_count == 5
    assert len(found.split.train) == 5
    assert data.asked == [("large", 16, "stretch")]
    assert Category(_Data(count=9), "large", 16, []).train_count == 9
    assert Category(_Data(count=0), "large", 16, []).train_count == 0


def test_images_smaller_than_a_tile_are_looked_for_in_their_own_size() -> None:
    data = _Data()
    data.resize = "pad"
    found = Category(data, "large", 16, [])
    assert [found.smaller_than(side) for side in (20, 21, 31)] == ["", "20x50", "90x30"]
    assert {resize for _, _, resize in data.asked} == {"tiles"}
    assert data.resize == "pad"
    data.error = True
    assert refused(lambda: found.smaller_than(8)) == "it is broken"
    assert data.resize == "pad", "also after an error"


def test_every_category_is_asked_before_anything_is_fitted_and_one_that_cannot_be_read_is_left_to_the_run() -> None:
    settings = Settings.of({"contaminate": "0.3", "shots": "4"})
    refuse_faults(settings, _Data(), ["broken"], 16)
    few = Settings.of({"contaminate": "0.4", "shots": "4"})
    assert refused(lambda: refuse_faults(few, _Data(), ["broken", "small"], 16)) == (
        "contaminate 0.4: small would need 3 defective images among its 5 training images, and has 3, of which some must "
        "stay in the test set; ask for at most 0.28"
    )
    with pytest.raises(UsageError, match="^shots 6: large has 5 training images"):
        refuse_faults(Settings.of({"shots": "6"}), _Data(), ["large"], 16)
    refuse_faults(Settings.of({"shots": "5"}), _Data(), ["large"], 16)
    one: Any = Settings.of({"setting": "joint"})
    refuse_faults(one, _Data(), ["large", "small"], 16)
    with pytest.raises(UsageError, match="there is only large"):
        refuse_faults(one, _Data(), ["large"], 16)


def test_a_protocol_that_changes_no_test_image_leaves_the_fingerprint_and_another_one_does_not() -> None:
    split = category(train=8).split
    assert presented(split, USUAL) is split
    assert presented(split, USUAL._replace(tiles=8, resize="tiles")) is split
    few = presented(split, USUAL._replace(shots=4))
    assert few is not split
    assert few.fingerprint == split.fingerprint
    fewer = presented(split, USUAL._replace(reserve=0.2))
    assert fewer.fingerprint != split.fingerprint
    assert len(fewer.fingerprint) == 16
    assert fewer.fingerprint == presented(split, USUAL._replace(reserve=0.2, shots=4)).fingerprint
    assert fewer.fingerprint != presented(split, USUAL._replace(reserve=0.3)).fingerprint
    assert axes.PROTOCOLS


# Augmentation.


class _Registry:
    def __init__(self, *names: str) -> None:
        self.names = names

    def offers(self, kind: Any) -> Any:
        return dict.fromkeys(self.names)

    def make(self, kind: Any, text: str) -> Any:
        return _Brighter()


class _Brighter:
    severity = 2


@pytest.mark.parametrize(
    ("asked", "ways"),
    [
        ("none", [{}]),
        ("none,flip", [{}, {"augment": "flip"}]),
        ("flip+flip_up_down+flip", [{"augment": "flip,flip_up_down"}]),
        ("none+none", [{}]),
    ],
)
def test_ways_to_augment_are_joined_by_plus_and_none_stands_alone(asked: str, ways: list[Any]) -> None:
    registry: Any = _Registry()
    assert [named(one) for one in crossed(Settings.of({"augment": asked}), registry)] == ways


def test_ways_to_augment_that_are_none_are_refused() -> None:
    registry: Any = _Registry("blur")

    def said(text: str) -> str:
        return refused(lambda: augmentation.spelt_in_full(Settings.of({"augment": text}), registry))

    assert (
        said("none+flip+blur")
        == "augment none+flip+blur: none cannot be joined with others; give none,flip+blur for both"
    )
    assert said("flop") == (
        "augment: no augmentation 'flop'. Did you mean 'flip'? Available: blur, flip, flip_up_down, none."
    )


def test_copies_are_flipped_named_and_drawn_by_the_seed() -> None:
    pixels = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    images = Images(pixels, ("a", "b"))
    registry: Any = _Registry()
    found = augmentation.augmented(images, USUAL._replace(augment="flip,flip_up_down"), registry)
    assert found.paths == ("a", "b", "a flip", "b flip", "a flip_up_down", "b flip_up_down")
    assert np.array_equal(found.pixels[:2], pixels)
    assert np.array_equal(found.pixels[2:4], pixels[:, :, ::-1])
    assert np.array_equal(found.pixels[4:], pixels[:, ::-1])
    assert found.boxes is None
    assert augmentation.augmented(images, USUAL, registry) is images


def test_the_severity_of_a_changed_copy_is_drawn_up_to_that_of_its_part() -> None:
    from dataclasses import dataclass

    drawn: list[int] = []

    @dataclass
    class Part:
        severity: int = 3

        def apply(self, photo: Any, random: Any) -> Any:
            drawn.append(self.severity)
            return photo + 1

    registry: Any = SimpleNamespace(make=lambda kind, text: Part())
    images = some(40, "train")
    found = augmentation.augmented(images, USUAL._replace(augment="brighter"), registry)
    assert set(drawn) == {1, 2, 3}
    assert np.array_equal(found.pixels[40:], images.pixels + 1)
    first = list(drawn)
    drawn.clear()
    augmentation.augmented(images, USUAL._replace(augment="brighter"), registry)
    assert drawn == first
    drawn.clear()
    augmentation.augmented(images, USUAL._replace(augment="brighter", seed=1), registry)
    assert drawn != first
