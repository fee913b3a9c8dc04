"""How a Gio-style asynchronous function is called, read from GIRepository once for each function.

Knows PyGObject's view of a function's arguments; knows nothing of loops, tasks or waiting.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gi.repository import GLib

from gleenlet._core import loaded_library

# ---- PyGObject's and GLib's versions: the only place that tells them apart ----

IN, SCOPE_CALL, C_ARRAY = 0, 1, 0  # GIDirection, GIScopeType, GIArrayType
NUMBER = re.compile("gu?int(8|16|32|64)|gfloat|gdouble")


def type_of(arg: Any) -> Any:
    return arg.get_type_info() if hasattr(arg, "get_type_info") else arg.get_type()  # PyGObject 3.52 renamed


def closure_of(arg: Any) -> int:
    index = arg.get_closure_index() if hasattr(arg, "get_closure_index") else arg.get_closure()
    return -1 if index is None else int(index)


def destroy_of(arg: Any) -> int:
    index = arg.get_destroy_index() if hasattr(arg, "get_destroy_index") else arg.get_destroy()
    return -1 if index is None else int(index)


def length_of(type_info: Any) -> int:
    if type_info.get_tag_as_string() != "array":
        return -1
    get = getattr(type_info, "get_array_length_index", None) or type_info.get_array_length
    index = get()
    return -1 if index is None else int(index)


def named_in_typelib(info: Any) -> str | None:
    """The finish function's name where the typelib has it: GLib 2.84 and later, GIRepository 2.0."""
    library = girepository()
    if library is None:
        return None
    namespace, container = info.get_namespace(), info.get_container()
    repository = importlib.import_module("gi").Repository.get_default()
    version = repository.get_version(namespace)
    if not library.gi_repository_require(
        library.repository, namespace.encode(), version.encode() if version else None, 0, None
    ):
        return None
    outer = container.get_name() if container is not None else info.get_name_unescaped()
    found = library.gi_repository_find_by_name(library.repository, namespace.encode(), outer.encode())
    if container is not None and found:
        kind = type(container).__name__.removesuffix("Info").lower()
        find = getattr(library, f"gi_{kind}_info_find_method", None)  # object, interface, struct, union
        method = None
        if find is not None:
            find.restype, find.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_char_p)
            method = find(found, info.get_name_unescaped().encode())
        library.gi_base_info_unref(found)
        found = method
    if not found:
        return None
    finish = library.gi_callable_info_get_finish_function(found)
    library.gi_base_info_unref(found)
    if not finish:
        return None
    name: bytes = library.gi_base_info_get_name(finish)
    library.gi_base_info_unref(finish)
    return name.decode()


@functools.cache
def girepository() -> Any:
    """The libgirepository-2.0 that PyGObject has loaded, if it knows finish functions."""
    try:
        library: Any = loaded_library("girepository-2.0")
        find = library.gi_callable_info_get_finish_function
    except (OSError, AttributeError):
        return None
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for function, result, *arguments in (
        (find, pointer, pointer),
        (library.gi_repository_new, pointer),
        (library.gi_repository_require, pointer, pointer, text, text, ctypes.c_int, pointer),
        (library.gi_repository_find_by_name, pointer, pointer, text, text),
        (library.gi_base_info_get_name, text, pointer),
        (library.gi_base_info_unref, None, pointer),
    ):
        function.restype, function.argtypes = result, tuple(arguments)
    library.repository = library.gi_repository_new()
    return library


# ---- the plan ----


@dataclass(slots=True)
class Parameter:
    """One Python-side parameter of an asynchronous function."""

    name: str
    kind: str  # "user", "priority" or "cancellable"
    optional: bool = False
    convert: Callable[[Any], Any] | None = None
    number: bool = False
    default: Any = None


@dataclass(slots=True)
class Operation:
    """A bound pair: how to start it and how to finish it."""

    name: str
    parameters: list[Parameter]  # those before the callback, which is the last
    unbound: object  # what the class has under this name; the instance comes first then
    finish: Callable[[Any, Any], Any]  # (source object, result)
    cancellable: bool
    simple: int = -1  # so many positional arguments go first, then `tail`, and no more thought is needed
    tail: tuple[int, ...] = ()

    def arrange(self, function: object, args: tuple[Any, ...], named: dict[str, Any], cancellable: Any) -> list[Any]:
        """The arguments in PyGObject's order up to the callback; TypeError where they do not fit."""
        head: list[Any] = []
        if function is self.unbound:
            if not args:
                raise TypeError(f"{self.name}() missing the instance: it was taken from the class")
            head, args = [args[0]], args[1:]
        given = list(self.positional(args))
        if len(args) > len(given):
            raise TypeError(f"{self.name}() takes {len(given)} positional arguments, {len(args)} were given")
        values = {parameter.name: value for parameter, value in zip(given, args, strict=False)}
        for name, value in named.items():
            if name in values:
                raise TypeError(f"{self.name}() got several values for {name!r}")
            values[name] = value
        out = head
        for parameter in self.parameters:
            if parameter.kind == "cancellable":
                out.append(cancellable)
            elif parameter.name in values:
                value = values.pop(parameter.name)
                out.append(parameter.convert(value) if parameter.convert else value)
            elif parameter.optional:
                out.append(parameter.default)
            else:
                raise TypeError(f"{self.name}() missing argument {parameter.name!r}")
        if values:
            raise TypeError(f"{self.name}() has no parameter {next(iter(values))!r}")
        return out

    def positional(self, args: tuple[Any, ...]) -> list[Parameter]:
        """What `args` stand for: io_priority is left out, unless a number stands in its place."""
        mine = [p for p in self.parameters if p.kind in ("user", "priority")]
        place = next((i for i, p in enumerate(mine) if p.kind == "priority"), None)
        if place is None:
            return mine
        after = mine[place + 1 : place + 2]
        if len(args) > place and isinstance(args[place], int) and not (after and after[0].number):
            return mine
        return mine[:place] + mine[place + 1 :]


operations: dict[str, Operation] = {}  # by C symbol: one for each function ever called


def operation_of(function: Any) -> Operation:
    """The plan for `function`, made at its first call."""
    try:
        return operations[function.get_symbol()]
    except (AttributeError, KeyError):
        operation = read(function)
    operations[function.get_symbol()] = operation
    return operation


def full_name(info: Any) -> str:
    container = info.get_container()
    owner = f"{info.get_namespace()}." + (f"{container.get_name()}." if container is not None else "")
    return owner + str(info.get_name())


def home_of(info: Any) -> Any:
    """The Python class or module that has `info` as an attribute."""
    module = importlib.import_module(f"gi.repository.{info.get_namespace()}")
    container = info.get_container()
    return module if container is None else getattr(module, container.get_name())


def is_callback(arg: Any) -> bool:
    return type(type_of(arg).get_interface()).__name__ == "CallbackInfo"


def is_ready_callback(arg: Any) -> bool:
    """A callback that gets a Gio.AsyncResult: Gio.AsyncReadyCallback, whatever a library calls it."""
    return is_callback(arg) and any(
        is_a(inner, "Gio", "AsyncResult") for inner in type_of(arg).get_interface().get_arguments()
    )


def is_a(arg: Any, namespace: str, name: str) -> bool:
    interface = type_of(arg).get_interface()
    return interface is not None and (interface.get_namespace(), interface.get_name()) == (namespace, name)


def read(function: Any, finish: Any = None) -> Operation:
    """Read `function`'s arguments and, unless it is given, find its finish function."""
    if not hasattr(function, "get_symbol"):
        raise TypeError(
            f"call() takes an asynchronous function that GIRepository knows, not {function!r}. "
            "Pass the function itself: call(file.load_contents_async), not call(file.load_contents_async())"
        )
    name, args = full_name(function), function.get_arguments()
    ready = next((i for i, arg in enumerate(args) if is_ready_callback(arg)), None)
    if ready is None and args and is_a(args[-1], "GObject", "Closure") and "ready" in args[-1].get_name():
        ready = len(args) - 1  # GLib 2.82's g_file_copy_async_with_closures, which is Gio.File.copy_async
    if ready is None:
        raise TypeError(f"{name} is not asynchronous: none of its arguments is a Gio.AsyncReadyCallback")
    hidden = {length_of(type_of(arg)) for arg in args} | {destroy_of(arg) for arg in args}
    closures = {closure_of(arg) for arg in args if is_callback(arg)}  # the data may point back: not that way
    parameters = []
    for index, arg in enumerate(args[:ready]):
        if arg.get_direction() != IN:
            if arg.is_caller_allocates():
                hint = ": use read_bytes_async" if "read_" in name else ""
                raise TypeError(f"{name} fills {arg.get_name()!r} later, when PyGObject has freed it{hint}")
        elif index not in hidden:
            parameters.append(parameter_of(name, arg, index in closures))
    if any(i not in closures and i not in hidden for i in range(ready + 1, len(args))):
        raise TypeError(f"{name} has arguments after its callback: call() does not know what they are for")
    operation = Operation(
        name,
        parameters,
        getattr(home_of(function), function.get_name()) if function.is_method() else None,
        finisher(finish or finish_of(function)),
        any(p.kind == "cancellable" for p in parameters),
    )
    kinds = [p.kind for p in parameters]
    users = kinds.count("user")
    plain = all(p.kind != "user" or p.convert is None for p in parameters)
    if plain and kinds[users:] in (["priority", "cancellable"], ["cancellable"]):
        operation.simple = users
        operation.tail = (GLib.PRIORITY_DEFAULT,) if "priority" in kinds else ()
    return operation


def parameter_of(owner: str, arg: Any, closure: bool) -> Parameter:
    info, name = type_of(arg), arg.get_name()
    tag = info.get_tag_as_string()
    if is_a(arg, "Gio", "Cancellable"):
        return Parameter(name, "cancellable")
    if name == "io_priority":
        return Parameter(name, "priority", optional=True, default=GLib.PRIORITY_DEFAULT)
    if is_a(arg, "GObject", "Closure"):
        return Parameter(name.removesuffix("_closure"), "user", arg.may_be_null())
    if closure:  # PyGObject wants user data that is not the last argument as a tuple
        return Parameter(name, "user", optional=True, convert=lambda value: (value,), default=())
    if tag == "array" and info.get_array_type() == C_ARRAY:
        element = info.get_param_type(0)
        if element.get_tag_as_string() == "guint8":
            # The operation reads this memory until it ends. PyGObject passes that of bytes, and a copy which
            # it frees at once for all else.
            return Parameter(name, "user", arg.may_be_null(), convert=as_bytes)
        if element.get_tag_as_string() == "interface" and not element.is_pointer():
            convert = functools.partial(refuse, f"{owner} reads {name!r} later, when PyGObject has freed it")
            return Parameter(name, "user", arg.may_be_null(), convert=convert)
    if tag == "interface" and arg.get_scope() == SCOPE_CALL:
        convert = functools.partial(refuse, f"{owner} calls {name!r} later, when PyGObject has freed it")
        return Parameter(name, "user", arg.may_be_null(), convert=convert)
    number = NUMBER.fullmatch(tag) is not None or type(info.get_interface()).__name__ == "EnumInfo"
    return Parameter(name, "user", arg.may_be_null(), number=number)


def as_bytes(value: Any) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else bytes(value)


def refuse(reason: str, value: Any) -> None:
    if value is not None:
        raise TypeError(f"{reason} (its introspection data has no better scope): pass None")


# ---- the finish function ----


def finish_of(function: Any) -> Any:
    """The finish function: as the typelib says, else by name, else TypeError with the names looked for."""
    home = home_of(function)
    told = attribute(function, "finish-func") or named_in_typelib(function)
    stem = function.get_name_unescaped().removesuffix("_async")  # Gtk.PrintDialog.print_ and its print_finish
    candidates = [told] if told else [f"{stem}_finish"]
    for candidate in candidates:
        finish = getattr(home, candidate, None)
        if hasattr(finish, "get_symbol"):
            return finish
    owner = full_name(function).rpartition(".")[0]
    looked_for = " or ".join(f"{owner}.{candidate}" for candidate in candidates)
    raise TypeError(
        f"{full_name(function)} has no finish function: looked for {looked_for}. "
        "If it is called otherwise, name it: call(..., finish=...)"
    )


def attribute(info: Any, name: str) -> str | None:
    try:
        return info.get_attribute(name) or None
    except AttributeError:
        return None


def finisher(finish: Any) -> Callable[[Any, Any], Any]:
    """`finish` as a function of (source object, result)."""
    if not hasattr(finish, "get_symbol"):
        if callable(finish):
            return finish  # type: ignore[no-any-return]
        raise TypeError(f"finish must be a finish function or a function of (source, result), not {finish!r}")
    takes = [arg for arg in finish.get_arguments() if arg.get_direction() == IN]
    if finish.is_method() and getattr(home_of(finish), finish.get_name()) is finish:
        if len(takes) == 1:
            return finish  # type: ignore[no-any-return]
    elif len(takes) == 1:
        return lambda source, result: finish(result)
    elif len(takes) == 2 and is_a(takes[1], "Gio", "AsyncResult"):
        return finish  # type: ignore[no-any-return]
    raise TypeError(f"{full_name(finish)} is no finish function: it takes {len(takes)} arguments")
