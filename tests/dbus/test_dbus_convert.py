"""Python values to GVariants and back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from gi.repository import GLib
from hypothesis import given
from hypothesis import strategies as st

from gleenlet.dbus._convert import infer, pack, split, unpack
from inside import LIMITS

RANGES = {"y": (0, 8), "n": (-1, 16), "q": (0, 16), "i": (-1, 32), "u": (0, 32), "x": (-1, 64), "t": (0, 64)}


def integers(code: str) -> st.SearchStrategy[int]:
    signed, bits = RANGES[code]
    low = -(2 ** (bits - 1)) if signed else 0
    return st.integers(low, 2 ** (bits + signed) - 1)


BASIC: dict[str, st.SearchStrategy[Any]] = {
    **{code: integers(code) for code in RANGES},
    "b": st.booleans(),
    "d": st.floats(allow_nan=False),
    "s": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    "o": st.sampled_from(["/", "/a", "/a/b_1"]),
    "g": st.sampled_from(["", "a{sv}", "(ii)s"]),
    "h": st.integers(0, 100),
}


@st.composite
def typed(draw: st.DrawFn, depth: int = 3) -> tuple[str, Any]:
    """A signature, and a value of it."""
    kind = draw(st.sampled_from(["basic", "basic", "bytes", "array", "dict", "struct"])) if depth else "basic"
    if kind == "bytes":
        return "ay", draw(st.binary())
    if kind == "struct":
        members = draw(st.lists(typed(depth - 1), min_size=1, max_size=3))
        return f"({''.join(code for code, _ in members)})", tuple(value for _, value in members)
    code, value = draw(typed(depth - 1)) if kind != "basic" else ("", 0)
    if kind == "array":
        return ("ay", bytes([value])) if code == "y" else (f"a{code}", [value] * draw(st.integers(0, 3)))
    key = draw(st.sampled_from(sorted(BASIC)))
    if kind == "dict":
        return f"a{{{key}{code}}}", dict.fromkeys(draw(st.lists(BASIC[key], max_size=3)), value)
    return key, draw(BASIC[key])


@given(typed())
@LIMITS
def test_what_is_packed_comes_back(case: tuple[str, Any]) -> None:
    code, value = case
    variant = pack(f"({code})", (value,))
    assert variant.get_type_string() == f"({code})"
    assert unpack(variant) == (value,)


@given(typed())
@LIMITS
def test_a_variant_in_a_variant_comes_back_without_either(case: tuple[str, Any]) -> None:
    code, value = case
    inner = pack(f"({code})", (value,)).get_child_value(0)
    assert unpack(pack("(vas)", (GLib.Variant("v", inner), ["x"]))) == (value, ["x"])


@pytest.mark.parametrize("code", RANGES)
def test_integers_are_refused_out_of_range(code: str) -> None:
    signed, bits = RANGES[code]
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    for value in low, high:
        assert unpack(pack(f"({code})", (value,))) == (value,)
    for value in low - 1, high + 1:
        with pytest.raises(OverflowError, match=rf"'{code}' needs an int from {low} to {high}, not {value}"):
            pack(f"({code})", (value,))


@pytest.mark.parametrize(
    ("signature", "args", "error"),
    [
        ("(i)", ("1",), TypeError),
        ("(i)", (1.0,), TypeError),
        ("(b)", (1,), TypeError),
        ("(d)", ("1",), TypeError),
        ("(h)", ("1",), TypeError),
        ("(s)", (b"a",), TypeError),
        ("(s)", ("a\0b",), ValueError),
        ("(s)", ("\ud800",), ValueError),
        ("(o)", ("no path",), ValueError),
        ("(g)", ("!",), ValueError),
        ("(ay)", ("text",), TypeError),
        ("(ai)", (1,), TypeError),
        ("(as)", ("text",), TypeError),
        ("(a{sv})", ([],), TypeError),
        ("((ii))", ([1, 2],), TypeError),
        ("((ii))", ((1,),), TypeError),
        ("(ii)", (1,), TypeError),
        ("(v)", (object(),), TypeError),
        ("(v)", ((),), TypeError),
        ("(v)", ({1: 1, "a": 1},), TypeError),
        ("(v)", ({b"a": 1},), TypeError),
        ("(v)", (2**64,), OverflowError),
    ],
)
def test_what_does_not_fit_is_refused(signature: str, args: tuple[Any, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        pack(signature, args)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (True, "b"),
        (1, "i"),
        (2**31, "x"),
        (2**63, "t"),
        (1.5, "d"),
        ("a", "s"),
        (b"a", "ay"),
        ({}, "a{sv}"),
        ({1: "a"}, "a{iv}"),
        ((1, "a"), "(is)"),
        ([], "av"),
        ([1, 2], "ai"),
        ([1, "a"], "av"),
        ([{"a": 1}], "aa{sv}"),
        (GLib.Variant("u", 1), "v"),
    ],
)
def test_values_in_variants_have_the_type_they_show(value: Any, code: str) -> None:
    assert infer(value) == code
    if code != "v":
        assert pack("(v)", (value,)).get_child_value(0).get_variant().get_type_string() == code


def test_floats_keep_what_they_are() -> None:
    back = unpack(pack("(dddd)", (math.inf, -0.0, math.nan, 1)))
    assert str(back) == "(inf, -0.0, nan, 1.0)"


def test_signatures_are_split_into_complete_types() -> None:
    assert split("aaisa{s(ii)}v((x)y)") == ["aai", "s", "a{s(ii)}", "v", "((x)y)"]
