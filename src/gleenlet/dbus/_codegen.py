"""Introspection XML to the text of interface classes."""

from __future__ import annotations

import keyword
from typing import Any

from gi.repository import Gio

from gleenlet.dbus._convert import split
from gleenlet.dbus._dynamic import STANDARD, access, emits, said
from gleenlet.dbus._interface import camel_case, snake_case
from gleenlet.dbus._types import annotation_of

TYPES = ("Byte", "FileDescriptor", "Int16", "Int64", "ObjectPath", "Signature", "UInt16", "UInt32", "UInt64")


def generate(xml: str) -> str:
    """Python text with a class for each interface in `xml`, but for those that every object has.

    Raises: GLib.Error: no introspection XML.

    >>> print(generate('<node><interface name="a.Clock"><method name="GetTime">'
    ...     '<arg type="x" direction="out"/></method></interface></node>').partition("@")[2])
    interface("a.Clock", names="CamelCase")
    class Clock:
        def get_time(self) -> Int64: ...
    <BLANKLINE>
    """
    infos: list[Any] = []
    collect(Gio.DBusNodeInfo.new_for_xml(xml), infos)
    infos = [info for info in infos if info.name not in STANDARD]
    short = [info.name.rpartition(".")[2] for info in infos]
    classes = "\n\n\n".join(
        class_text(info, name if short.count(name) == 1 else camel_case(info.name.replace(".", "_")))
        for info, name in zip(infos, short, strict=True)
    )
    used = [name for name in ("Property", "Signal", *TYPES, "interface", "method") if mentions(classes, name)]
    imports = [f"from gleenlet.dbus import {', '.join(sorted(used))}"]
    standard = [name for name in ("Any", "NamedTuple") if mentions(classes, name)]
    if standard:
        imports.insert(0, f"from typing import {', '.join(standard)}\n")
    return "from __future__ import annotations\n\n" + "\n".join(imports) + f"\n\n\n{classes}\n"


def mentions(text: str, name: str) -> bool:
    padded = "".join(char if char.isalnum() or char == "_" else " " for char in text)
    return name in padded.split()


def collect(node: Any, infos: list[Any]) -> None:
    infos.extend(node.interfaces or ())
    for child in node.nodes or ():
        collect(child, infos)


def class_text(info: Any, name: str) -> str:
    """The class of one interface, after the structs that it returns."""
    members = [*(info.methods or ()), *(info.properties or ()), *(info.signals or ())]
    follow = sum(camel_case(snake_case(member.name)) == member.name for member in members)
    camel = bool(members) and follow * 2 >= len(members)  # the others are named one by one
    taken: set[str] = set()
    structs: list[str] = []
    lines: list[str] = []
    for m in info.methods or ():
        attribute, wire = spelled(m.name, camel, taken)
        options = wire + ["deprecated=True"] * marked(m, "Deprecated") + ["no_reply=True"] * marked(m, "Method.NoReply")
        if options:
            lines.append(f"@method({', '.join(options)})")
        lines.append(f"def {attribute}({parameters(m)}) -> {result(m, structs)}: ...")
    for p in info.properties or ():
        attribute, wire = spelled(p.name, camel, taken)
        options = property_options(p, info) + wire
        lines.append(member_text(attribute, "Property", annotation_of(p.signature)[1], options))
    for s in info.signals or ():
        attribute, wire = spelled(s.name, camel, taken)
        kinds = ", ".join(annotation_of(arg.signature)[1] for arg in s.args or ()) or "()"
        options = ["deprecated=True"] * marked(s, "Deprecated") + wire
        names = ", ".join(arg.name or f"arg{i}" for i, arg in enumerate(s.args or ()))
        lines.append(member_text(attribute, "Signal", kinds, options) + (f"  # {names}" if names else ""))
    options = [f'"{info.name}"', *['names="CamelCase"'] * camel, *["deprecated=True"] * marked(info, "Deprecated")]
    head = f"@interface({', '.join(options)})\nclass {name}:\n"
    body = "\n".join(f"    {line}" for line in lines or ["pass"])
    return "\n\n\n".join([*structs, head + body])


def spelled(name: str, camel: bool, taken: set[str]) -> tuple[str, list[str]]:
    """A member's attribute, and the option that it needs if its name does not follow from that."""
    attribute = snake_case(name).lstrip("_") or "member"
    while attribute in taken:  # D-Bus lets a method and a property have one name
        attribute += "_"
    taken.add(attribute)
    follows = (camel_case(attribute) if camel else attribute) == name
    return attribute, [] if follows else [f'name="{name}"']


def parameters(m: Any) -> str:
    names: list[str] = []
    texts = ["self"]
    for i, arg in enumerate(m.in_args or ()):
        name = arg.name if arg.name and arg.name.isidentifier() else f"arg{i}"
        while keyword.iskeyword(name) or name == "self" or name in names:
            name += "_"
        names.append(name)
        texts.append(f"{name}: {annotation_of(arg.signature)[1]}")
    return ", ".join(texts)


def result(m: Any, structs: list[str]) -> str:
    """The return annotation. A single struct is a NamedTuple: a plain tuple means several results."""
    outs = m.out_args or ()
    if not outs:
        return "None"
    texts = [annotation_of(arg.signature)[1] for arg in outs]
    if len(outs) > 1:
        return f"tuple[{', '.join(texts)}]"
    if not outs[0].signature.startswith("("):
        return texts[0]
    name = f"{camel_case(m.name)}Result"
    fields = [annotation_of(each)[1] for each in split(outs[0].signature[1:-1])]
    structs.append(
        "\n".join([f"class {name}(NamedTuple):", *(f"    field{i}: {text}" for i, text in enumerate(fields))])
    )
    return name


def property_options(p: Any, info: Any) -> list[str]:
    words = {"access": (access(p), "read"), "emits": (emits(p, info), "true")}
    options = [f'{name}="{value}"' for name, (value, usual) in words.items() if value != usual]
    return options + ["deprecated=True"] * marked(p, "Deprecated")


def member_text(attribute: str, kind: str, inner: str, options: list[str]) -> str:
    return f"{attribute}: {kind}[{inner}]" + (f" = {kind}({', '.join(options)})" if options else "")


def marked(info: Any, annotation: str) -> bool:
    return said(info, annotation) == "true"
