"""Annotations to D-Bus signatures, and what their values need before they are packed and after they are unpacked.

    int float bool str bytes            i d b s ay            list[T]  dict[K, V]         aT  a{KV}
    Byte Int16 UInt16 ... UInt64        y n q i u x t         tuple[A, B]                 (AB)
    ObjectPath, Signature               o g                   a dataclass, a NamedTuple   (...)
    FileDescriptor                      h                     a TypedDict                 a{sv}
    Any                                 v                     an Enum                     its values' type, u for Flag

Knows no interface and no bus.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, NewType, NoReturn, Self, Union, get_args, get_origin

from gi.repository import GLib

from gleenlet.dbus._convert import INTEGERS, infer, need, pack, split
from gleenlet.dbus._fds import FileDescriptor

MARKS = ("Required", "NotRequired", "ReadOnly")  # of a TypedDict's keys

Convert = Callable[[Any, list[Any]], Any]  # (value, the message's descriptors)


@dataclasses.dataclass(frozen=True, slots=True)
class Code:
    """In an `Annotated`: the D-Bus type of an integer."""

    code: str


Byte = Annotated[int, Code("y")]
Int16 = Annotated[int, Code("n")]
UInt16 = Annotated[int, Code("q")]
Int32 = Annotated[int, Code("i")]
UInt32 = Annotated[int, Code("u")]
Int64 = Annotated[int, Code("x")]
UInt64 = Annotated[int, Code("t")]


class ObjectPath(str):
    """A string that names an object: "/" or "/like/this".

    Raises: ValueError: it does not.

    >>> ObjectPath("/org/example")
    ObjectPath('/org/example')
    """

    __slots__ = ()

    def __new__(cls, path: str) -> Self:
        if not GLib.Variant.is_object_path(path):
            raise ValueError(f"{path!r} is no object path: write it /like/this")
        return super().__new__(cls, path)

    def __repr__(self) -> str:
        return f"ObjectPath({str(self)!r})"


class Signature(str):
    """A string that is a D-Bus signature: "a{sv}".

    Raises: ValueError: it is none.

    >>> Signature("a{sv}")
    Signature('a{sv}')
    """

    __slots__ = ()

    def __new__(cls, signature: str) -> Self:
        if not GLib.Variant.is_signature(signature):
            raise ValueError(f"{signature!r} is no D-Bus signature")
        return super().__new__(cls, signature)

    def __repr__(self) -> str:
        return f"Signature({str(self)!r})"


@dataclasses.dataclass(frozen=True, slots=True)
class Codec:
    """How values of one annotation travel; None where they need nothing but packing or unpacking."""

    signature: str
    plain: tuple[type, ...]  # what unpacking gives
    encode: Convert | None = None
    decode: Convert | None = None

    def encoded(self, value: Any, fds: list[Any]) -> Any:
        return value if self.encode is None else self.encode(value, fds)

    def decoded(self, value: Any, fds: list[Any]) -> Any:
        return value if self.decode is None else self.decode(value, fds)


def codec_of(annotation: Any, where: str) -> Codec:
    """The codec of an annotation.

    Args:
        where: what it is the annotation of, for the error.

    Raises: TypeError: D-Bus has no such type.

    >>> codec_of(dict[str, list[Int64]], "here").signature
    'a{sax}'
    """
    try:
        codec = cached_codec(annotation)
    except Refused as refused:
        raise TypeError(f"{where}: {refused}") from None
    except RecursionError:
        raise TypeError(f"{where}: {annotation!r} contains itself, which no D-Bus type can") from None
    if not is_single(codec.signature):
        raise TypeError(
            f"{where}: {codec.signature:.40}... is more than a D-Bus type may be: 255 characters, 32 arrays one in the "
            "other, 32 structs. Use Any within"
        )
    return codec


class Refused(Exception):
    """An annotation without a D-Bus type; says what to write instead."""


def cached_codec(annotation: Any) -> Codec:
    try:
        return hashed_codec(annotation)
    except TypeError:  # not hashable: Annotated[int, []]
        return make_codec(annotation)


@functools.lru_cache(maxsize=1000)
def hashed_codec(annotation: Any) -> Codec:
    return SIMPLE[annotation] if annotation in SIMPLE else make_codec(annotation)


def make_codec(annotation: Any) -> Codec:
    if isinstance(annotation, NewType):
        return cached_codec(annotation.__supertype__)
    if hasattr(annotation, "__value__"):  # type Name = ..., from Python 3.12 on
        return cached_codec(annotation.__value__)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return annotated(args[0], code_in(args[1:]))
    if origin in (Union, types.UnionType):
        return refuse_union(annotation, args)
    if origin is list:
        return array(cached_codec(args[0]))
    if origin is dict:
        return dictionary(*map(cached_codec, args))
    if origin is tuple:
        if not args or Ellipsis in args:
            raise Refused(f"{show(annotation)} has no D-Bus type: write tuple[str, int], or list[...] for any length")
        return struct(args, tuple)
    if isinstance(annotation, type):
        if issubclass(annotation, enum.Enum):
            return enumeration(annotation)
        if dataclasses.is_dataclass(annotation):
            return structure(annotation)
        if typing.is_typeddict(annotation):
            return typed_dictionary(annotation)
        if issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
            hints = typing.get_type_hints(annotation, include_extras=True)
            return struct([hints.get(field, Any) for field in annotation._fields], lambda values: annotation(*values))
        if annotation in (list, dict, tuple):
            raise Refused(f"{show(annotation)} does not say of what: write list[str], dict[str, Any], tuple[str, int]")
    raise Refused(
        f"{show(annotation)} has no D-Bus type: use int, UInt32 and its kin, float, bool, str, bytes, list, dict, "
        "tuple, a dataclass, NamedTuple, Enum or TypedDict, Any, ObjectPath, FileDescriptor"
    )


def show(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) and not get_args(annotation) else repr(annotation)


def refuse_union(annotation: Any, args: tuple[Any, ...]) -> NoReturn:
    rest = [arg for arg in args if arg is not types.NoneType]
    if len(rest) < len(args) and len(rest) == 1:
        inner = show(rest[0])
        raise Refused(
            f"{show(annotation)} has no D-Bus type, which has no None: use an empty value for it, or "
            f"list[{inner}] with none or one, or a TypedDict's key that may be absent"
        )
    raise Refused(f"{show(annotation)} has no D-Bus type, where each value has one type: use Any, a variant")


# ---- one function a kind of type ----


def to_fd(value: Any, fds: list[Any]) -> int:
    number_of(value)  # refuses what is none, and what is closed
    fds.append(value)  # itself: it stays open until the message has its copy
    return len(fds) - 1


def number_of(value: Any) -> int:
    if not isinstance(value, int) and not hasattr(value, "fileno"):
        raise TypeError(f"a FileDescriptor is needed, not {type(value).__name__}")
    return int(value if isinstance(value, int) else value.fileno())


def from_fd(index: int, fds: list[Any]) -> FileDescriptor:
    if not 0 <= index < len(fds):
        raise ValueError(f"the message has no descriptor {index}, it came with {len(fds)}: or none was free here")
    return fds[index]  # type: ignore[no-any-return]


def annotated(inner: Any, code: str | None) -> Codec:
    codec = cached_codec(inner)
    if code is None:
        return codec
    if codec.signature not in INTEGERS:
        raise Refused(f"{show(inner)} is no integer, so it cannot be {INTEGERS[code][0]}")
    return dataclasses.replace(codec, signature=code)


def code_in(metadata: Iterable[Any]) -> str | None:
    """The last Code; Annotated[Colour, UInt32] has it one level down."""
    found = None
    for item in metadata:
        if isinstance(item, Code):
            found = item.code
        elif get_origin(item) is Annotated:
            found = code_in(get_args(item)[1:]) or found
    return found


def array(item: Codec) -> Codec:
    encode, decode = item.encode, item.decode
    if item.signature == "y":  # bytes on the way, a list at both ends
        return Codec("ay", (bytes,), lambda value, fds: bytes(each(encode, value, fds)), lambda value, fds: list(value))
    return Codec(
        f"a{item.signature}",
        (list,),
        encode and (lambda value, fds: each(encode, value, fds)),
        decode and (lambda value, fds: [decode(item, fds) for item in value]),
    )


def each(encode: Convert | None, value: Any, fds: list[Any]) -> list[Any]:
    need("a list", (list, tuple), value)
    return [item if encode is None else encode(item, fds) for item in value]


def dictionary(key: Codec, value: Codec) -> Codec:
    if len(key.signature) > 1 or key.signature == "v":
        raise Refused(f"a D-Bus dictionary has keys of a basic type, not {key.signature}")

    def encode(mapping: Any, fds: list[Any]) -> dict[Any, Any]:
        need("a dict", dict, mapping)
        return {key.encoded(k, fds): value.encoded(v, fds) for k, v in mapping.items()}

    def decode(mapping: Any, fds: list[Any]) -> dict[Any, Any]:
        return {key.decoded(k, fds): value.decoded(v, fds) for k, v in mapping.items()}

    return Codec(
        f"a{{{key.signature}{value.signature}}}",
        (dict,),
        encode if key.encode or value.encode else None,
        decode if key.decode or value.decode else None,
    )


def struct(annotations: Iterable[Any], build: Callable[[Any], Any]) -> Codec:
    return row([cached_codec(annotation) for annotation in annotations], build)


def row(codecs: list[Codec], build: Callable[[Any], Any] = tuple) -> Codec:
    """A tuple of these: a struct, or all arguments of a message."""

    def encode(values: Any, fds: list[Any]) -> tuple[Any, ...]:
        need("a tuple", tuple, values)
        if len(values) != len(codecs):
            raise TypeError(f"{len(codecs)} values are needed, not {len(values)}: {values!r:.80}")
        return tuple([codec.encoded(value, fds) for codec, value in zip(codecs, values, strict=True)])

    def decode(values: Any, fds: list[Any]) -> Any:
        return build([codec.decoded(value, fds) for codec, value in zip(codecs, values, strict=True)])

    return Codec(
        f"({''.join(codec.signature for codec in codecs)})",
        (tuple,),
        encode if any(codec.encode for codec in codecs) else None,
        decode if build is not tuple or any(codec.decode for codec in codecs) else None,
    )


def structure(cls: Any) -> Codec:
    """A dataclass: a struct of its fields, in their order."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = [field for field in dataclasses.fields(cls) if field.init]
    if not fields:
        raise Refused(f"{show(cls)} has no fields: D-Bus has no empty struct")
    names = [field.name for field in fields]
    positional = not any(field.kw_only for field in fields)

    def build(values: list[Any]) -> Any:
        return cls(*values) if positional else cls(**dict(zip(names, values, strict=True)))

    inner, wanted = struct([hints[name] for name in names], build), f"a {cls.__qualname__}"

    def encode(value: Any, fds: list[Any]) -> tuple[Any, ...]:
        need(wanted, cls, value)
        return inner.encoded(tuple([getattr(value, name) for name in names]), fds)  # type: ignore[no-any-return]

    return dataclasses.replace(inner, encode=encode)


def enumeration(cls: type[enum.Enum]) -> Codec:
    kinds = {type(member.value) for member in cls}
    if issubclass(cls, enum.Flag):
        signature = "u"
    elif kinds == {int}:
        signature = "i"
    elif kinds == {str}:
        signature = "s"
    else:
        raise Refused(f"{cls.__qualname__} has no D-Bus type: an Enum needs values that are all str, or all int")

    def encode(value: Any, fds: list[Any]) -> Any:
        return cls(value).value  # a value is as good as its member; what is neither is refused

    def decode(value: Any, fds: list[Any]) -> Any:
        return cls(value)

    return Codec(signature, (str if signature == "s" else int,), encode, decode)


def typed_dictionary(cls: Any) -> Codec:
    """a{sv} with a type for each key. Keys that the class lacks are kept when they come, refused when they go."""
    hints = typing.get_type_hints(cls, include_extras=True)
    codecs = {name: cached_codec(strip(hint)) for name, hint in hints.items()}
    required = {name for name, hint in hints.items() if is_required(cls, name, hint)}

    def encode(value: Any, fds: list[Any]) -> dict[str, GLib.Variant]:
        need("a dict", dict, value)
        if wrong := (required - set(value)) or (set(value) - set(codecs)):
            problem = "lacks" if wrong <= required else "has no"
            raise TypeError(f"{cls.__qualname__} {problem} {', '.join(sorted(map(str, wrong)))}: {value!r:.80}")
        return {name: variant(codecs[name], item, fds) for name, item in value.items()}

    def decode(value: dict[str, Any], fds: list[Any]) -> dict[str, Any]:
        if missing := required - set(value):
            raise ValueError(f"{cls.__qualname__} lacks {', '.join(sorted(missing))}: {value!r:.80}")
        return {
            name: codecs[name].decoded(typed(codecs[name], item, f"{cls.__qualname__}[{name!r}]"), fds)
            if name in codecs
            else item
            for name, item in value.items()
        }

    return Codec("a{sv}", (dict,), encode, decode)


def is_single(signature: str) -> bool:
    """Whether it is one type, no larger than D-Bus allows."""
    try:
        pack("g", signature)
    except ValueError:
        return False
    return split(signature) == [signature]


def typed(codec: Codec, value: Any, what: str) -> Any:
    """`value`, which came in a variant, if it is what `codec` takes; ValueError if not."""
    if type(value) not in codec.plain and object not in codec.plain:
        raise ValueError(f"{what} is {codec.signature}, but came as {type(value).__name__}: {value!r:.80}")
    return value


def is_required(cls: Any, name: str, hint: Any) -> bool:
    """`__required_keys__` has not seen what stands in annotations that are strings."""
    while (origin := get_origin(hint)) is not None and getattr(origin, "_name", None) in MARKS:
        if origin._name != "ReadOnly":
            return bool(origin._name == "Required")
        hint = get_args(hint)[0]
    return name in cls.__required_keys__


def strip(hint: Any) -> Any:
    """Without Required, NotRequired and ReadOnly."""
    while getattr(get_origin(hint), "_name", None) in MARKS:
        hint = get_args(hint)[0]
    return hint


def variant(codec: Codec, value: Any, fds: list[Any]) -> GLib.Variant:
    return pack(codec.signature, codec.encoded(value, fds))


# ---- Any: the type is what the value shows ----

PLAIN = (bool, int, float, str, bytes, GLib.Variant)


def encode_any(value: Any, fds: list[Any]) -> Any:
    """Plain values go as they are, pack() tells their type; what has a type of its own becomes a GLib.Variant."""
    if is_plain(value):
        return value
    signature, plain = describe(value, fds)
    return pack(signature, plain)


def is_plain(value: Any) -> bool:
    kind = type(value)
    if kind in (list, tuple):
        return all(map(is_plain, value))
    if kind is dict:
        return all(map(is_plain, value)) and all(map(is_plain, value.values()))
    return kind in PLAIN


def describe(value: Any, fds: list[Any]) -> tuple[str, Any]:
    """Its signature, and what to pack."""
    kind = type(value)
    if kind is list and value:
        codes, items = zip(*[describe(item, fds) for item in value], strict=True)
        if len(set(codes)) == 1:
            return f"a{codes[0]}", list(items)
        return "av", [encode_any(item, fds) for item in value]
    if kind is tuple and value:
        codes, items = zip(*[describe(item, fds) for item in value], strict=True)
        return f"({''.join(codes)})", items
    if kind is dict and value:
        codes, keys = zip(*[describe(key, fds) for key in value], strict=True)
        if len(set(codes)) > 1 or len(codes[0]) > 1:
            raise TypeError(f"a dict in a variant needs keys of one basic type, not {value!r:.80}")
        return f"a{{{codes[0]}v}}", dict(zip(keys, [encode_any(item, fds) for item in value.values()], strict=True))
    if kind in SIMPLE or isinstance(value, enum.Enum) or dataclasses.is_dataclass(value) or hasattr(kind, "_fields"):
        codec = codec_of(kind, "a variant")
        if kind is not int:  # which goes by its size
            return codec.signature, codec.encoded(value, fds)
    return infer(value), value


SIMPLE: dict[Any, Codec] = {
    int: Codec("i", (int,)),
    float: Codec("d", (float,)),
    bool: Codec("b", (bool,)),
    str: Codec("s", (str,)),
    bytes: Codec("ay", (bytes,)),
    Any: Codec("v", (object,), encode_any),
    ObjectPath: Codec("o", (str,), None, lambda value, fds: ObjectPath(value)),
    Signature: Codec("g", (str,), None, lambda value, fds: Signature(value)),
    FileDescriptor: Codec("h", (int,), to_fd, from_fd),
}


# ---- and back: the annotation of a signature ----

BY_CODE: dict[str, tuple[Any, str]] = {
    "y": (Byte, "Byte"),
    "n": (Int16, "Int16"),
    "q": (UInt16, "UInt16"),
    "i": (int, "int"),
    "u": (UInt32, "UInt32"),
    "x": (Int64, "Int64"),
    "t": (UInt64, "UInt64"),
    "b": (bool, "bool"),
    "d": (float, "float"),
    "s": (str, "str"),
    "o": (ObjectPath, "ObjectPath"),
    "g": (Signature, "Signature"),
    "v": (Any, "Any"),
    "h": (FileDescriptor, "FileDescriptor"),
}


def annotation_of(signature: str) -> tuple[Any, str]:
    """The annotation of one complete type, and its text.

    >>> annotation_of("a{sav}")[1]
    'dict[str, list[Any]]'
    """
    if signature in BY_CODE:
        return BY_CODE[signature]
    if signature == "ay":
        return bytes, "bytes"
    if signature.startswith("a{"):
        (key, key_text), (value, text) = map(annotation_of, split(signature[2:-1]))
        return dict[key, value], f"dict[{key_text}, {text}]"  # type: ignore[valid-type]
    if signature[0] == "a":
        item, text = annotation_of(signature[1:])
        return list[item], f"list[{text}]"  # type: ignore[valid-type]
    kinds, texts = zip(*map(annotation_of, split(signature[1:-1])), strict=True)
    return tuple[kinds], f"tuple[{', '.join(texts)}]"  # type: ignore[valid-type]
