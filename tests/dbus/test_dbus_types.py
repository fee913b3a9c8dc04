"""Annotations to signatures, and values there and back."""

from __future__ import annotations

import enum
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, NewType, NotRequired, TypedDict

import pytest
from gi.repository import GLib

from gleenlet.dbus import (
    Byte,
    FileDescriptor,
    Int16,
    Int32,
    Int64,
    ObjectPath,
    Signature,
    UInt16,
    UInt32,
    UInt64,
)
from gleenlet.dbus._convert import pack, unpack
from gleenlet.dbus._types import annotation_of, codec_of


@dataclass
class Point:
    x: int
    y: int


@dataclass
class Line:
    start: Point
    end: Point
    label: str = field(default="", kw_only=True)
    length: float = field(init=False, default=0.0)


class Pair(NamedTuple):
    name: str
    path: ObjectPath


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


class Person(TypedDict):
    name: str
    age: NotRequired[Int64]
    colour: NotRequired[Colour]


Name = NewType("Name", str)


@dataclass
class Empty:
    pass


@dataclass
class Nested:
    inner: list[Nested]


@pytest.mark.parametrize(
    ("annotation", "signature", "value"),
    [
        (int, "i", -1),
        (Byte, "y", 255),
        (Int16, "n", -1),
        (UInt16, "q", 1),
        (Int32, "i", -1),
        (UInt32, "u", 2**32 - 1),
        (Int64, "x", -(2**63)),
        (UInt64, "t", 2**64 - 1),
        (float, "d", 0.5),
        (bool, "b", True),
        (str, "s", "text"),
        (bytes, "ay", b"\0bytes"),
        (Name, "s", "text"),
        (ObjectPath, "o", ObjectPath("/a")),
        (Signature, "g", Signature("a{sv}")),
        (list[int], "ai", [1, 2]),
        (list[Byte], "ay", [1, 2]),
        (list[ObjectPath], "ao", [ObjectPath("/a")]),
        (dict[str, list[Int64]], "a{sax}", {"a": [1]}),
        (dict[Level, Point], "a{i(ii)}", {Level.LOW: Point(1, 2)}),
        (tuple[int, str], "(is)", (1, "a")),
        (tuple[Point, list[Colour]], "((ii)as)", (Point(1, 2), [Colour.RED])),
        (Point, "(ii)", Point(1, 2)),
        (Line, "((ii)(ii)s)", Line(Point(1, 2), Point(3, 4), label="a")),
        (Pair, "(so)", Pair("a", ObjectPath("/a"))),
        (Colour, "s", Colour.BLUE),
        (Level, "i", Level.HIGH),
        (Annotated[Level, UInt16], "q", Level.HIGH),
        (Annotated[str, "a word"], "s", "text"),
        (Rights, "u", Rights.READ | Rights.WRITE),
        (Person, "a{sv}", {"name": "a", "age": 2**40, "colour": Colour.RED}),
        (Person, "a{sv}", {"name": "a"}),
        (list[Person], "aa{sv}", [{"name": "a"}]),
        (Any, "v", {"a": [1, 2.5, "x", b"y"]}),
        (dict[str, Any], "a{sv}", {"a": 1, "b": ["x"], "c": (1, "y")}),
    ],
    ids=str,
)
def test_values_come_back_as_they_went(annotation: Any, signature: str, value: Any) -> None:
    codec = codec_of(annotation, "here")
    assert codec.signature == signature
    variant = pack(f"({signature})", (codec.encoded(value, []),))
    back = codec.decoded(unpack(variant)[0], [])
    assert (back, type(back)) == (value, type(value))


@pytest.mark.parametrize(
    ("annotation", "hint"),
    [
        (int | None, r"list\[int\] with none or one"),
        (list[str | None], "no None"),
        (int | str, "Any, a variant"),
        (int | str | None, "Any, a variant"),
        (list, r"list\[str\]"),
        (dict, r"dict\[str, Any\]"),
        (tuple[int, ...], "list"),
        (tuple[()], "tuple"),
        (set[int], "use int"),
        (complex, "use int"),
        (object, "use int"),
        (Sequence[int], "use int"),
        (dict[bytes, int], "keys of a basic type"),
        (dict[Any, int], "keys of a basic type"),
        (Mixed, "all str, or all int"),
        (Empty, "no empty struct"),
        (Nested, "contains itself"),
        (Annotated[str, UInt32], "no integer"),
        (Annotated[int, []], None),
    ],
    ids=str,
)
def test_what_has_no_type_is_refused_and_told_what_to_write(annotation: Any, hint: str | None) -> None:
    if hint is None:  # not hashable, but fine
        assert codec_of(annotation, "here").signature == "i"
        return
    with pytest.raises(TypeError, match=f"^here: .*{hint}"):
        codec_of(annotation, "here")


@pytest.mark.parametrize(
    ("annotation", "value", "error"),
    [
        (Point, (1, 2), TypeError),
        (list[Point], Point(1, 2), TypeError),
        (dict[str, Point], [], TypeError),
        (tuple[Point, int], [Point(1, 2), 3], TypeError),
        (tuple[Point, int], (Point(1, 2),), TypeError),
        (Pair, ["a", "/a"], TypeError),
        (Colour, "green", ValueError),
        (Person, {"age": 1}, TypeError),
        (Person, {"name": "a", "size": 1}, TypeError),
        (Person, [], TypeError),
        (FileDescriptor, "file", TypeError),
        (Any, {b"a": Point(1, 2)}, TypeError),
        (Any, object(), TypeError),
    ],
    ids=str,
)
def test_values_of_another_type_are_refused(annotation: Any, value: Any, error: type[Exception]) -> None:
    codec = codec_of(annotation, "here")
    with pytest.raises(error):
        pack(f"({codec.signature})", (codec.encoded(value, []),))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (ObjectPath("/a"), "o"),
        (Signature("s"), "g"),
        (Colour.RED, "s"),
        (Rights.READ, "u"),
        (Point(1, 2), "(ii)"),
        (Pair("a", ObjectPath("/a")), "(so)"),
        ([ObjectPath("/a"), ObjectPath("/b")], "ao"),
        ([ObjectPath("/a"), "b"], "av"),
        ((ObjectPath("/a"), 2**40), "(ox)"),
        ({ObjectPath("/a"): Colour.RED}, "a{ov}"),
        (GLib.Variant("u", 1), "u"),
    ],
    ids=str,
)
def test_a_variant_takes_the_type_that_its_value_has(value: Any, kind: str) -> None:
    codec = codec_of(Any, "here")
    inner = pack("(v)", (codec.encoded(value, []),)).get_child_value(0).get_variant()
    assert inner.get_type_string() == kind


def test_unknown_values_from_outside_are_refused() -> None:
    for annotation, value in [(Colour, "green"), (Level, 3), (Person, {}), (Person, {"name": 1})]:
        with pytest.raises(ValueError):
            codec_of(annotation, "here").decoded(value, [])


def test_keys_that_a_typed_dict_lacks_are_kept() -> None:
    assert codec_of(Person, "here").decoded({"name": "a", "size": 1}, []) == {"name": "a", "size": 1}


def test_paths_and_signatures_are_checked() -> None:
    for cls, wrong in [(ObjectPath, "no path"), (ObjectPath, "/a/"), (Signature, "!")]:
        with pytest.raises(ValueError):
            cls(wrong)


def test_annotations_of_signatures_are_those_that_make_them() -> None:
    for signature in ["i", "a{sv}", "ay", "aay", "(yo)", "a{s(xah)}", "ag", "at"]:
        annotation, text = annotation_of(signature)
        assert codec_of(annotation, text).signature == signature


# ---- descriptors ----


def test_a_descriptor_is_closed_once() -> None:
    reader, writer = os.pipe()
    with FileDescriptor(reader) as owned:
        assert owned.fileno() == reader
    owned.close()
    with pytest.raises(ValueError, match="closed"):
        owned.fileno()
    with pytest.raises(OSError):
        os.fstat(reader)
    given = FileDescriptor(writer)
    os.close(given.detach())
    del given
    with pytest.raises(OSError):
        os.fstat(writer)


def test_a_descriptor_is_closed_with_its_object() -> None:
    reader, writer = os.pipe()
    copy = FileDescriptor.dup(reader)
    number = copy.fileno()
    del copy
    with pytest.raises(OSError):
        os.fstat(number)
    with os.fdopen(writer, "w") as file, FileDescriptor.dup(file) as again:
        assert again.fileno() != writer
        assert repr(again) == f"<FileDescriptor {again.fileno()}>"
    os.close(reader)


def test_what_is_no_descriptor_is_refused() -> None:
    with pytest.raises(TypeError, match="dup"):
        FileDescriptor("1")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        FileDescriptor(-1)


def test_an_index_without_a_descriptor_is_refused() -> None:
    with pytest.raises(ValueError, match="no descriptor 1"):
        codec_of(FileDescriptor, "here").decoded(1, [FileDescriptor(os.dup(0))])
