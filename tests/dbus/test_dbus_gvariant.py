"""The conversion in C: the same as PyGObject's, whatever it is given, and nothing left behind."""

from __future__ import annotations

import functools
import gc
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gi.repository import GLib
from hypothesis import given
from hypothesis import strategies as st

import gleenlet.dbus
from child import in_child
from gleenlet.dbus import _convert, _gvariant, _plain
from gleenlet.dbus._gvariant import pack, unpack
from inside import LIMITS

NUMBERS = {"y": "B", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d"}  # struct's letters

basic_types = st.sampled_from("ybnqiuxtdsogh")
types = st.recursive(
    basic_types | st.just("v"),
    lambda inner: st.one_of(
        inner.map("a{}".format),
        st.lists(inner, min_size=1, max_size=3).map(lambda members: f"({''.join(members)})"),
        st.tuples(basic_types, inner).map(lambda entry: f"a{{{entry[0]}{entry[1]}}}"),
    ),
    max_leaves=5,
)

near_limits = st.sampled_from([2**bits + by for bits in (7, 8, 15, 16, 31, 32, 63, 64, 70) for by in (-1, 0, 1)])
integers = st.integers(-3, 3) | near_limits | near_limits.map(lambda value: -value)
scalars = st.one_of(
    st.booleans(),
    integers,
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.sampled_from(["", "\0", "\ud800", "/", "/a/b", "a{sv}", "é" * 70, "\N{DROMEDARY CAMEL}"]),
    st.binary(max_size=5),
    st.binary(max_size=5).map(bytearray),
    st.binary(max_size=6).map(lambda value: memoryview(value)[::2]),
    st.none(),
    st.just(GLib.Variant("(ias)", (1, ["a"]))),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3) | integers | st.booleans(), inner, max_size=3),
    ),
    max_leaves=8,
)


def of_type(kind: str) -> st.SearchStrategy[Any]:
    """Values of this type, most of them right."""
    if kind[0] == "a":
        if kind[1] == "{":
            key, value = _plain.split(kind[2:-1])
            return st.dictionaries(of_type(key), of_type(value), max_size=3)
        return st.binary(max_size=20) if kind == "ay" else st.lists(of_type(kind[1:]), max_size=20)
    if kind[0] == "(":
        return st.tuples(*map(of_type, _plain.split(kind[1:-1])))
    if kind in _plain.INTEGERS:
        return st.integers(*_plain.INTEGERS[kind][1:])
    return {
        "b": st.booleans(),
        "d": st.floats(),
        "s": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
        "o": st.sampled_from(["/", "/a/b"]),
        "g": st.sampled_from(["", "a{sv}(ii)"]),
        "h": st.integers(0, 2**31 - 1),
        "v": anything,
    }[kind]


def outcome(convert: Callable[..., Any], *args: Any) -> str:
    """What it returns, as text: NaN differs from itself, and True is 1. Of two errors either may be told."""
    try:
        result = convert(*args)
    except (TypeError, ValueError, OverflowError):
        return "refused"
    return f"{result.get_type_string()} {result.print_(True)}" if isinstance(result, GLib.Variant) else repr(result)


@given(st.data(), types)
@LIMITS
def test_packing_has_the_outcome_that_pygobject_has(data: st.DataObject, kind: str) -> None:
    value = data.draw(of_type(kind))
    assert outcome(pack, kind, value) == outcome(_plain.pack, kind, value)


@given(types, anything)
@LIMITS
def test_packing_refuses_what_pygobject_refuses(kind: str, value: Any) -> None:
    assert outcome(pack, kind, value) == outcome(_plain.pack, kind, value)


@given(anything)
@LIMITS
def test_plain_values_in_variants_have_the_same_type_as_with_pygobject(value: Any) -> None:
    assert outcome(pack, "(v)", (value,)) == outcome(_plain.pack, "(v)", (value,))


@given(types, st.binary(max_size=80))
@LIMITS
def test_bytes_that_are_no_value_are_read_as_glib_reads_them(kind: str, data: bytes) -> None:
    variant = GLib.Variant.new_from_bytes(GLib.VariantType(kind), GLib.Bytes.new(data), False)
    assert outcome(unpack, variant) == outcome(_plain.unpack, variant)


@given(st.data(), types)
@LIMITS
def test_what_went_through_bytes_comes_back(data: st.DataObject, kind: str) -> None:
    try:
        packed = pack(kind, data.draw(of_type(kind)))
    except (TypeError, ValueError, OverflowError):
        return
    assert packed.is_normal_form()
    read = GLib.Variant.new_from_bytes(GLib.VariantType(kind), packed.get_data_as_bytes(), False)
    assert repr(unpack(read)) == repr(unpack(packed)) == repr(_plain.unpack(packed))


@given(st.text("ybnqiuxtdsoghva(){}m*", max_size=8))
@LIMITS
def test_a_signature_is_refused_unless_glib_takes_it_for_one_type(signature: str) -> None:
    valid = GLib.VariantType.string_is_valid(signature) and GLib.Variant.is_signature(signature)
    valid = valid and not signature.startswith("{") and ("()" not in signature or signature == "()")
    with pytest.raises(TypeError if valid else ValueError):
        pack(signature, object())


@pytest.mark.parametrize("code", NUMBERS)
def test_arrays_of_numbers_keep_their_bytes(code: str) -> None:
    low, high = (-1.5, 1e300) if code == "d" else _plain.INTEGERS[code][1:]
    values = [low, high, 0]
    packed = pack(f"a{code}", struct.pack("3B", *values) if code == "y" else values)
    assert packed.get_data_as_bytes().get_data() == struct.pack(f"3{NUMBERS[code]}", *values)


@pytest.mark.parametrize(
    ("signature", "value", "text"),
    [
        ("(si)", ("a", "x"), "argument 2: 'i' needs an int from -2147483648 to 2147483647, not 'x'"),
        ("(ii)", (1,), "a tuple of 2 is needed, not one of 1: (1,)"),
        ("((ii)s)", ([1, 2], "a"), "argument 1: '(ii)' needs a tuple, not [1, 2]"),
        ("(aas)", ([["a"], ["b", 3]],), "argument 1, item 1, item 1: 's' needs a str, not 3"),
        ("(a{sai})", ({"size": [0, 1.5]},), "argument 1, value of 'size', item 1: 'i' needs an int from "),
        ("(a{si})", ({b"size": 1},), "argument 1, key b'size': 's' needs a str, not b'size'"),
        ("(as)", ("text",), "argument 1: 'as' needs a list, not 'text'"),
        ("(a{sv})", ([],), "argument 1: 'a{sv}' needs a dict, not []"),
        ("(v)", ([1, {"a": None}],), "argument 1, item 1, value of 'a': a variant has no natural type for None: "),
        ("(v)", (2**64,), "argument 1: 't' needs an int from 0 to 18446744073709551615, not 18446744073709551616"),
        ("i", 2**31, "'i' needs an int from -2147483648 to 2147483647, not 2147483648"),
        ("(o)", ("a/b",), "argument 1: 'o' needs an object path such as '/org/example', not 'a/b'"),
        ("(g)", ("{sv}",), "argument 1: 'g' needs a signature such as 'a{sv}', not '{sv}'"),
        ("(s)", ("a\0b",), "argument 1: 's' needs text without a zero character, not 'a\\x00b'"),
        ("(s)", ("\ud800",), "argument 1: 's' needs text that UTF-8 can encode, not '\\ud800'"),
        ("(mi)", (1,), "'(mi)' is not one D-Bus type: D-Bus has no maybe"),
        ("(si", ("a", 1), "'(si' is not one D-Bus type"),
        ("si", ("a", 1), "'si' is not one D-Bus type: several go in parentheses"),
        ("(s())", ("a", ()), "'(s())' is not one D-Bus type: D-Bus has no empty struct"),
        (f"({'i' * 254})", (1,) * 254, "' is not one D-Bus type: it has more than 255 characters"),
        ("(v)", (GLib.Variant("(mi)", (None,)),), "argument 1: D-Bus has no type for GLib.Variant('(mi)', (nothing,))"),
    ],
)
def test_a_failure_says_where_and_what(signature: str, value: Any, text: str) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)) as info:
        pack(signature, value)
    assert text in str(info.value)


def test_what_is_nested_too_deep_for_d_bus_is_refused() -> None:
    deepest = GLib.Variant("i", 1)
    for _ in range(63):
        deepest = GLib.Variant.new_variant(deepest)
    assert unpack(pack("(v)", (deepest,))) == (1,)
    with pytest.raises(ValueError, match="nested too deep"):
        pack("(v)", (GLib.Variant.new_variant(deepest),))

    inside: Any = 1
    for _ in range(31):
        inside = {"a": inside}  # array, entry and variant: three levels each
    with pytest.raises(ValueError, match="nested deeper than the 64 levels of D-Bus"):
        pack("(v)", (inside,))


@pytest.mark.parametrize(
    ("opening", "closing", "contain"), [("a", "", lambda inner: [inner]), ("(", ")", lambda inner: (inner,))]
)
def test_a_type_has_at_most_32_arrays_and_32_structs(opening: str, closing: str, contain: Callable[[Any], Any]) -> None:
    def kind(levels: int) -> str:
        return opening * levels + "i" + closing * levels

    value = functools.reduce(lambda inner, _: contain(inner), range(32), 1)
    assert unpack(pack(kind(32), value)) == value
    with pytest.raises(ValueError, match="is not one D-Bus type"):
        pack(kind(33), contain(value))


@pytest.mark.parametrize("make", [lambda inner: [inner], lambda inner: (inner,), lambda inner: {"a": inner}])
def test_a_value_that_contains_itself_is_refused(make: Callable[[Any], Any]) -> None:
    inner: list[Any] = []
    inner.append(make(inner))
    with pytest.raises(ValueError, match="nested"):
        pack("(v)", (inner,))


def test_a_value_nested_deeper_than_glib_reads_is_refused() -> None:
    deep = GLib.Variant("i", 1)
    for _ in range(200):
        deep = GLib.Variant.new_variant(deep)
    with pytest.raises(ValueError, match="nested deeper than the 128 levels"):
        unpack(deep)


@pytest.mark.parametrize("value", [None, 1, object(), GLib.VariantType("i")])
def test_only_a_variant_is_unpacked(value: Any) -> None:
    with pytest.raises(TypeError, match=rf"a GLib.Variant is needed, not {type(value).__name__}"):
        unpack(value)


def test_maybes_are_read() -> None:
    assert unpack(GLib.Variant("(mimi)", (None, 1))) == (None, 1)


def test_no_reference_is_kept() -> None:
    key, text, number, data = "a long key " * 3, "text " * 7, 2**40, b"data" * 9
    value = ({key: text}, [text, text], number, data, [number], GLib.Variant("s", text), {key: [text, number]})
    signature = "(a{ss}asxayaxva{sv})"
    bad = (*value[:-1], {key: [text, object()]})
    pack(signature, value)  # the first time fills caches: a str's UTF-8
    gc.collect()
    before = [sys.getrefcount(item) for item in (key, text, number, data, *value)]

    for _ in range(100):
        packed = pack(signature, value)
        assert unpack(packed)[0] == {key: text}
        with pytest.raises(TypeError):
            pack(signature, bad)

    gc.collect()
    assert [sys.getrefcount(item) for item in (key, text, number, data, *value)] == before


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_no_memory_of_glibs_is_kept() -> None:
    large = "x" * 1_000_000
    value = ({large: large}, [large, large], large.encode(), large, [large, GLib.Variant("s", large)], (large,))
    signature = "(a{ss}asayvav(s))"
    bad = (*value[:-1], (1,))

    def convert() -> None:
        assert unpack(pack(signature, value))[1][0] == large
        with pytest.raises(TypeError):
            pack(signature, bad)

    convert()
    before = resident()
    for _ in range(60):
        convert()  # a leak of one string is 60 MB
    assert resident() - before < 50_000_000


def wrong(**functions: Callable[..., Any]) -> Any:
    """The conversion in C, but for what is given."""
    return SimpleNamespace(**(vars(_gvariant) | functions))


def test_a_conversion_that_does_not_convert_is_not_chosen() -> None:
    def nothing(*_: object) -> None: ...

    assert _convert.choose() is _convert.converter is _gvariant
    assert _convert.works(_gvariant)
    assert _convert.works(_plain)
    assert not _convert.works(wrong(unpack=lambda variant: variant.unpack()))  # 'ay' as a list
    assert not _convert.works(wrong(pack=lambda signature, value: GLib.Variant("i", 1)))
    assert not _convert.works(wrong(pack=nothing))
    assert not _convert.works(wrong(fail=nothing))
    assert not _convert.works(wrong(fail=lambda domain, code, message: _gvariant.fail(domain, code, "another")))
    assert not _convert.works(wrong(fail=lambda *_: 1 / 0))


def test_without_the_extension_pygobject_converts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(gleenlet.dbus, "_gvariant")
    monkeypatch.setitem(sys.modules, "gleenlet.dbus._gvariant", None)
    assert _convert.choose() is _plain


def test_where_it_does_not_work_pygobject_converts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_gvariant, "unpack", lambda variant: None)
    assert _convert.choose() is _plain


# ---- values that change while they are packed, and values that are too large ----


class Hostile:
    """What is being packed goes when this is shown, with all that is in it."""

    def __init__(self, packed: Any) -> None:
        self.packed = packed

    def __repr__(self) -> str:
        self.packed.clear()
        return "hostile"


class HostileBytes(bytes):
    """The same when its bytes are read, from Python 3.12 on."""

    packed: Any

    def __buffer__(self, flags: int, /) -> memoryview:
        self.packed.clear()
        return memoryview(b"abc")


@in_child(env={"PYTHONMALLOC": "debug"})
def test_what_is_packed_may_change_when_an_error_shows_it() -> None:
    by_key: dict[str, Any] = {}
    by_key["key " * 20] = Hostile(by_key)
    strings: list[Any] = []
    strings.append(["a", Hostile(strings)])
    numbers: list[Any] = [[1, 2]]
    numbers.append([3, Hostile(numbers)])
    for signature, value in (("a{si}", by_key), ("aas", strings), ("aai", numbers), ("v", [Hostile([])])):
        with pytest.raises(TypeError, match=r"(?i)hostile"):
            pack(signature, value)

    arrays: list[Any] = []
    hostile = HostileBytes(b"abc")
    hostile.packed = arrays
    arrays.append([hostile, b"abc"])
    pack("aaay", arrays)


MIB = 2**20


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        ("ay", bytes(64 * MIB)),
        ("as", ["a" * (8 * MIB - 5)] * 8),  # each has four bytes of length and a zero
        ("a(ys)", [(1, "a" * (8 * MIB - 9))] * 8),
        ("ab", [True] * (16 * MIB)),
        ("v", bytes(64 * MIB)),
    ],
    ids=["bytes", "strings", "structs", "bools", "variant"],
)
def test_what_is_larger_than_a_message_may_be_is_refused(signature: str, value: Any) -> None:
    pack(signature, value)

    with pytest.raises(ValueError, match="too large"):
        pack(signature, value + value[:1])


def test_a_message_is_refused_whose_parts_are_too_large_together() -> None:
    half = bytes(64 * MIB)

    pack("(ay)", (half,))

    with pytest.raises(ValueError, match="too large"):
        pack("(ayay)", (half, half))
