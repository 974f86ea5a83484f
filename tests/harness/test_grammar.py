"""How spellings are cut into their pieces: which signs part them where, and what is said of one that is none."""

from __future__ import annotations

import pytest

from harness import UsageError
from harness.plugin.grammar import expanded, parse, quoted, split_joined, split_list, split_names, unquoted


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", []),
        (" , ", []),
        ("dae", ["dae"]),
        (" dae , cae ", ["dae", "cae"]),
        ("cae[a=1,b=2],dae", ["cae[a=1,b=2]", "dae"]),
        ("a[b=c[d=1,e=2],f=3],g", ["a[b=c[d=1,e=2],f=3]", "g"]),
        ('a[b="1,2"],c', ['a[b="1,2"]', "c"]),
        ('a[b= "1,]"],c', ['a[b= "1,]"]', "c"]),
        ('a[b="x\\"],y"],c', ['a[b="x\\"],y"]', "c"]),
        ('a[b="1\n2,3"],c', ['a[b="1\n2,3"]', "c"]),
        ('a="1,2",c', ['a="1', '2"', "c"]),
        ('a[b="1,2],c', ['a[b="1,2]', "c"]),
    ],
)
def test_commas_part_a_list_outside_of_brackets_and_of_quoted_values(text: str, items: list[str]) -> None:
    assert split_list(text) == items


def test_plus_signs_join_and_those_within_brackets_belong_to_the_item() -> None:
    assert split_joined("flip + shift[by=1+2],a") == ["flip", "shift[by=1+2],a"]


@pytest.mark.parametrize("text", ["a[", "a]", "a]b[", "a[b]]", "]", "a[b=c[d=1]"])
def test_unequal_brackets_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        split_list(text)
    assert str(caught.value) == f"{text!r} has unequal brackets: expected a form such as 'cae[latent_dim=64],dae'"


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        (" cae ", "cae", {}),
        ("cae[]", "cae", {}),
        ("Cae_2[A_1 = x y , b=c[d=1,e=2]]", "Cae_2", {"A_1": "x y", "b": "c[d=1,e=2]"}),
        ('a[b="1,]\\n",c=2]', "a", {"b": "1,]\n", "c": "2"}),
        ("a[b=c=d]", "a", {"b": "c=d"}),
        ('a["b=1]', "", {}),
    ],
)
def test_a_spelling_is_a_name_and_its_options(text: str, name: str, options: dict[str, str]) -> None:
    if name:
        assert parse(text) == (name, options)
    else:
        with pytest.raises(UsageError, match="is not an option"):
            parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a b", "'a b' is not a part: expected a name, or name[option=value,...]"),
        ("a[b=1", "'a[b=1' is not a part: expected a name, or name[option=value,...]"),
        ("[b=1]", "'[b=1]' is not a part: expected a name, or name[option=value,...]"),
        ("a[b]", "'b' in 'a[b]' is not an option: expected option=value"),
        ("a[b=]", "'b=' in 'a[b=]' is not an option: expected option=value"),
        ("a[=1]", "'=1' in 'a[=1]' is not an option: expected option=value"),
        ("a[b c=1]", "'b c=1' in 'a[b c=1]' is not an option: expected option=value"),
        ("a[b=1,b=2]", "'a[b=1,b=2]' gives 'b' twice"),
    ],
)
def test_what_is_no_spelling_is_quoted_with_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "text", ["x" * 300 + " ", "a[" + "b" * 300 + "]", "a[" + "b" * 300 + "=1," + "b" * 300 + "=2]", "[" * 300]
)
def test_a_long_text_is_cut_where_it_is_quoted(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        split_list(parse(f"{text}!")[0]) if text[0] == "x" else (split_list(text), parse(text))
    assert len(str(caught.value)) < 520


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a.b+c/d-1_ü", "a.b+c/d-1_ü"),
        ("x y", "x y"),
        ("a,b", '"a,b"'),
        ("", '""'),
        (" a", '" a"'),
        ("a]", '"a]"'),
        ("a=b", "a=b"),
        ('"a', '"\\"a"'),
        ("ü,", '"ü,"'),
    ],
)
def test_a_value_is_quoted_where_it_would_be_read_as_something_else(value: str, written: str) -> None:
    assert quoted(value) == written
    assert parse(f"a[b={written}]") == ("a", {"b": value})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a"', "a"),
        ('"a\\u0041"', "aA"),
        ('"a\tb"', "a\tb"),
        ('"a\\q"', '"a\\q"'),
        ('"a', '"a'),
        ("a", "a"),
        ('"a" b', '"a" b'),
    ],
)
def test_quotes_are_taken_off_where_they_hold_the_whole_value(text: str, value: str) -> None:
    assert unquoted(text) == value


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("bolt, nut", ["bolt", "nut"]),
        ("part [a], nut", ["part [a]", "nut"]),
        ('"bolt, M6",nut', ['"bolt, M6"', "nut"]),
        (' "a\\",b" , c', ['"a\\",b"', "c"]),
        ('5" disc,c', ['5" disc', "c"]),
        (",,a,", ["a"]),
    ],
)
def test_names_are_parted_by_commas_and_may_hold_brackets(text: str, names: list[str]) -> None:
    assert split_names(text) == names


@pytest.mark.parametrize(
    ("text", "each"),
    [
        ("dae", ["dae"]),
        ("dae|cae", ["dae|cae"]),
        ("dae[a=1]", ["dae[a=1]"]),
        ("dae[a=1|2", ["dae[a=1|2"]),
        ("cae[a=1|2]", ["cae[a=1]", "cae[a=2]"]),
        (" cae[a=1|2,b=3,c=x|y] ", [f"cae[a={a},b=3,c={c}]" for a in "12" for c in "xy"]),
        ('cae[a="1|2"]', ['cae[a="1|2"]']),
        ('cae[a="1|2"|3]', ['cae[a="1|2"]', "cae[a=3]"]),
        ("cae[l=mse[k=1|2]]", ["cae[l=mse[k=1]]", "cae[l=mse[k=2]]"]),
        ("cae[l=mse[k=1|2]|ssim]", ["cae[l=mse[k=1]]", "cae[l=mse[k=2]]", "cae[l=ssim]"]),
        ('cae[a=b="1|2"]', ['cae[a=b="1|2"]']),
        ("cae[a=|]", ["cae[a=|]"]),
        ("cae[a=1|]", ["cae[a=1|]"]),
        ("cae[a=|1,b=1|2]", ["cae[a=|1,b=1]", "cae[a=|1,b=2]"]),
    ],
)
def test_alternatives_make_a_spelling_for_each_combination_in_their_order(text: str, each: list[str]) -> None:
    assert expanded(text) == each
