"""Breadth: every asynchronous pair of Gio, GTK 4, Gdk, Soup 3 and GdkPixbuf, found by introspection."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

import gi
import pytest

gi.require_version("Gtk", "4.0")
gi.require_version("Gdk", "4.0")
gi.require_version("Soup", "3.0")
gi.require_version("GdkPixbuf", "2.0")
from gi.repository import Gio, GLib

from gleenlet._glib import introspect

Repository: Any = gi.Repository  # type: ignore[attr-defined]  # not in the stubs
NAMESPACES = ("Gio", "Gtk", "Gdk", "Soup", "GdkPixbuf")

# What `call` refuses, with the reason in its error. Where the typelib names the finish function (PyGObject
# 3.52, GLib 2.84) it takes some of those with "no finish function" too; `finish=` gives it by hand.
REFUSED = {
    "Gio.AsyncInitable.newv_async": "no finish function",  # new_finish
    "Gio.async_initable_newv_async": "no finish function",
    "Gio.File.replace_contents_bytes_async": "no finish function",  # replace_contents_finish
    "GdkPixbuf.Pixbuf.new_from_stream_at_scale_async": "no finish function",  # new_from_stream_finish
    "GdkPixbuf.Pixbuf.save_to_streamv_async": "no finish function",  # save_to_stream_finish
    "Gio.InputStream.read_async": "fills 'buffer' later",  # read_bytes_async does it
    "Gio.InputStream.read_all_async": "fills 'buffer' later",
    # These make a result for a callback; they are no operations.
    "Gio.Task.new": "no finish function",
    "Gio.Task.report_error": "arguments after its callback",
    "Gio.SimpleAsyncResult.new": "arguments after its callback",
    "Gio.SimpleAsyncResult.new_from_error": "arguments after its callback",
    "Gio.simple_async_report_gerror_in_idle": "arguments after its callback",
}


def functions(namespace: str) -> Iterator[Any]:
    """Each function, method and constructor of `namespace`, as Python sees it."""
    for info in Repository.get_default().get_infos(namespace):
        if type(info).__name__ == "FunctionInfo":
            yield info
        elif hasattr(info, "get_methods"):
            yield from info.get_methods()


def takes_a_ready_callback(info: Any) -> bool:
    return any(
        type(interface := introspect.type_of(arg).get_interface()).__name__ == "CallbackInfo"
        and interface.get_name() == "AsyncReadyCallback"
        for arg in info.get_arguments()
    )


ASYNCHRONOUS = [
    pytest.param(info, id=introspect.full_name(info))
    for namespace in NAMESPACES
    if importlib.import_module(f"gi.repository.{namespace}") is not None
    for info in functions(namespace)
    if takes_a_ready_callback(info)
]


def test_the_walk_finds_methods_constructors_and_functions() -> None:
    names = {param.id for param in ASYNCHRONOUS}
    assert len(names) > 140
    assert names >= {
        "Gio.File.query_info_async",
        "Gio.DBusProxy.new_for_bus",
        "Gio.bus_get",
        "Gio.File.new_tmp_async",
        "Gtk.show_uri_full",
        "Gdk.Clipboard.read_text_async",
        "Soup.Session.send_and_read_async",
        "GdkPixbuf.Pixbuf.new_from_stream_async",
    }


def refusal(function: Any) -> str | None:
    """Why `call` does not take it."""
    try:
        introspect.read(function)
    except TypeError as error:
        return str(error)
    return None


@pytest.mark.parametrize("info", ASYNCHRONOUS)
def test_call_binds_it_as_pygobject_does(info: Any) -> None:
    name = introspect.full_name(info)
    function = getattr(introspect.home_of(info), info.get_name())
    refused = refusal(function)
    if refused is not None:
        assert re.search(REFUSED.get(name, "(not expected to be refused)"), refused)
        return
    operation = introspect.read(function)

    # PyGObject's own signature is the witness: name by name, up to the callback.
    witness = re.match(r"\w+\((.*)\)", function.__doc__.replace("\n", " "))
    assert witness, function.__doc__
    theirs = [part.split(":")[0].split("=")[0].strip() for part in split_signature(witness[1])]
    mine = [parameter.name for parameter in operation.parameters]
    assert (["self"] if function.is_method() else []) + mine == theirs[: len(mine) + function.is_method()]
    assert theirs[len(mine) + function.is_method()] in ("callback", "ready_callback_closure")

    # Every argument lands in its place, the operation's own in theirs.
    users = [p for p in operation.parameters if p.kind == "user" and p.convert is None]
    if len(users) == sum(p.kind == "user" for p in operation.parameters):
        own = object()
        head = ["instance"] if function.is_method() else []
        out = operation.arrange(function, tuple(head + [p.name for p in users]), {}, own)
        assert out == head + [
            {"cancellable": own, "priority": GLib.PRIORITY_DEFAULT}.get(p.kind, p.name) for p in operation.parameters
        ]
        by_name = operation.arrange(function, tuple(head), {p.name: p.name for p in users}, own)
        assert by_name == out
        if operation.simple >= 0:
            assert out == [*head, *(p.name for p in users), *operation.tail, own]

    # The finish function takes the result that the callback gets.
    stem = function.get_name_unescaped().removesuffix("_async")
    told = introspect.named_in_typelib(function)
    finish = getattr(introspect.home_of(info), told or f"{stem}_finish")
    takes = [arg for arg in finish.get_arguments() if arg.get_direction() == 0]
    assert introspect.is_a(takes[-1], "Gio", "AsyncResult")
    assert len(takes) == 1 or (len(takes) == 2 and not finish.is_method())


def split_signature(text: str) -> list[str]:
    """`a:int, b:dict(str, int)=None` at its outer commas."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def test_the_list_of_refusals_is_not_longer_than_it_must_be() -> None:
    refused = set()
    for param in ASYNCHRONOUS:
        info: Any = param.values[0]
        if refusal(getattr(introspect.home_of(info), info.get_name())) is not None:
            refused.add(param.id)
    always = {name for name, reason in REFUSED.items() if reason != "no finish function"}
    assert always & {param.id for param in ASYNCHRONOUS} <= refused <= set(REFUSED)


@pytest.mark.skipif(
    gi.version_info < (3, 51) or (GLib.MAJOR_VERSION, GLib.MINOR_VERSION) < (2, 84),
    reason="needs GIRepository 2.0 of GLib 2.84",
)
def test_the_typelib_names_the_finish_function() -> None:
    assert introspect.named_in_typelib(Gio.File.query_info_async) == "query_info_finish"
    # No name to be guessed from the method's; GLib 2.84's typelib does not tell it.
    assert introspect.named_in_typelib(Gio.File.replace_contents_bytes_async) in {"replace_contents_finish", None}
    assert introspect.named_in_typelib(Gio.bus_get) == "bus_get_finish"
    assert introspect.named_in_typelib(Gio.File.get_path) is None


class Typelib:
    """Stands for libgirepository-2.0: what it knows of one method, and what it was asked to give back."""

    def __init__(self) -> None:
        self.handed_out: list[str] = []
        self.given_back: list[str] = []
        self.knows = {"Gio", "File", "replace_contents_bytes_async"}

    def function(self, call: Any) -> Any:
        class Function:  # ctypes functions take attributes
            restype = argtypes = None

            def __call__(self, *args: Any) -> Any:
                return call(*args)

        return Function()

    def hand_out(self, name: bytes) -> str | None:
        if name.decode() not in self.knows:
            return None
        self.handed_out.append(name.decode())
        return name.decode()

    def __getattr__(self, name: str) -> Any:
        def finish_of(found: str) -> str | None:
            return self.hand_out(b"replace_contents_finish") if found == "replace_contents_bytes_async" else None

        functions = {
            "gi_repository_new": lambda: "repository",
            "gi_repository_require": lambda _, namespace, *rest: namespace.decode() in self.knows,
            "gi_repository_find_by_name": lambda _, namespace, name: self.hand_out(name),
            "gi_interface_info_find_method": lambda found, name: self.hand_out(name),
            "gi_callable_info_get_finish_function": finish_of,
            "gi_base_info_get_name": lambda found: found.encode(),
            "gi_base_info_unref": self.given_back.append,
        }
        if name not in functions:
            raise AttributeError(name)
        return self.function(functions[name])


@pytest.mark.parametrize(
    ("unknown", "told"),
    [
        ("", "replace_contents_finish"),
        ("Gio", None),
        ("File", None),
        ("replace_contents_bytes_async", None),
        ("replace_contents_finish", None),
    ],
)
def test_every_typelib_entry_is_given_back(monkeypatch: pytest.MonkeyPatch, unknown: str, told: str | None) -> None:
    library = Typelib()
    library.knows |= {"replace_contents_finish"}
    library.knows -= {unknown}
    monkeypatch.setattr(introspect, "loaded_library", lambda name: library)
    monkeypatch.setattr(introspect, "girepository", introspect.girepository.__wrapped__)
    assert introspect.named_in_typelib(Gio.File.replace_contents_bytes_async) == told
    assert sorted(library.handed_out) == sorted(library.given_back)


def test_copy_async_is_bound_whatever_glib_calls_its_callbacks() -> None:
    operation = introspect.operation_of(Gio.File.copy_async)
    names = [p.name for p in operation.parameters]
    assert names[:5] == ["destination", "flags", "io_priority", "cancellable", "progress_callback"]


def test_a_plan_is_made_once_for_each_function() -> None:
    one, two = Gio.File.new_for_path("/"), Gio.File.new_for_path("/tmp")
    assert introspect.operation_of(one.query_info_async) is introspect.operation_of(two.query_info_async)


@pytest.mark.parametrize(
    ("args", "named", "says"),
    [
        ((), {}, "missing argument 'attributes'"),
        (("a", 0, 0, 0), {}, "takes 3 positional arguments, 4 were given"),
        (("a", 0), {"attributes": "b"}, "several values for 'attributes'"),
        (("a", 0), {"colour": 1}, "no parameter 'colour'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_the_operations_name(
    args: tuple[Any, ...], named: dict[str, Any], says: str
) -> None:
    function = Gio.File.new_for_path("/").query_info_async
    with pytest.raises(TypeError, match=rf"Gio\.File\.query_info_async\(\) .*{says}"):
        introspect.operation_of(function).arrange(function, args, named, None)


def test_a_class_function_without_its_instance_is_refused() -> None:
    with pytest.raises(TypeError, match="missing the instance"):
        introspect.operation_of(Gio.File.load_contents_async).arrange(Gio.File.load_contents_async, (), {}, None)


def test_memory_that_the_operation_would_read_after_its_end_is_refused() -> None:
    function = Gio.MemoryOutputStream.new_resizable().writev_async
    with pytest.raises(TypeError, match="reads 'vectors' later, when PyGObject has freed it"):
        introspect.operation_of(function).arrange(function, ([],), {}, None)


@pytest.mark.parametrize("function", [print, len, "text", lambda: None])
def test_what_introspection_does_not_know_is_refused(function: Any) -> None:
    with pytest.raises(TypeError, match=r"asynchronous function that GIRepository knows"):
        introspect.operation_of(function)


def test_a_synchronous_function_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Gio\.File\.query_info is not asynchronous"):
        introspect.operation_of(Gio.File.new_for_path("/").query_info)


@pytest.mark.parametrize("finish", [3, Gio.File.get_path, Gio.File.copy])
def test_a_finish_function_that_is_none_is_refused(finish: Any) -> None:
    with pytest.raises(TypeError, match="finish"):
        introspect.finisher(finish)
