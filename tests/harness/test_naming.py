"""Short names of parts and methods."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.verdicts.naming import short_part, short_parts, short_titles

LITE0 = "timm[name=tf_efficientnet_lite0.in1k]"


def test_a_network_stands_for_the_encoder_that_holds_many() -> None:
    assert short_part(LITE0) == "effnet_lite0"
    assert short_titles([("patchcore", LITE0, "-")]) == {("patchcore", LITE0, "-"): "patchcore · effnet_lite0"}


def test_options_are_said_only_where_they_differ() -> None:
    assert short_parts(["dae[level=0.2,width=8]", "dae[level=0.5,width=8]"]) == {
        "dae[level=0.2,width=8]": "dae (level=0.2)",
        "dae[level=0.5,width=8]": "dae (level=0.5)",
    }
    assert short_parts(["subspace", "subspace[measure=likelihood]"])["subspace[measure=likelihood]"] == "subspace (likelihood)"  # fmt: skip


def test_networks_that_would_be_called_alike_keep_their_full_spelling() -> None:
    other = "timm[name=tf_efficientnet_lite0.ns]"
    assert short_parts([LITE0, other]) == {LITE0: LITE0, other: other}
    assert short_parts(["timm[name=vgg16.tv]", "vgg16"])["vgg16"] == "vgg16"


def test_any_other_text_is_left_as_it_is() -> None:
    for text in ("a b", "<script>", "x[", ""):
        assert short_part(text) == text


SPELLINGS = st.builds(
    lambda name, options: name + (f"[{','.join(f'{k}={v}' for k, v in options.items())}]" if options else ""),
    st.sampled_from(["dae", "timm", "vgg16", "effnet"]),
    st.dictionaries(
        st.sampled_from(["name", "level", "kind"]), st.sampled_from(["vgg16", "tf_effnet.a", "effnet.b", "0.2", "true"])
    ),
)


@given(st.lists(st.tuples(SPELLINGS, SPELLINGS, st.sampled_from(["-", "mse"])), max_size=8))
def test_no_two_methods_have_the_same_name(methods: list[tuple[str, str, str]]) -> None:
    names = short_titles(methods) if methods else {}
    assert set(names) == set(methods)
    assert len(set(names.values())) == len(names)
