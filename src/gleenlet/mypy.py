"""A mypy plugin: `call(file.query_info_async, ...)` takes the operation's arguments and returns its result.

Imported by mypy only. In pyproject.toml:

    [tool.mypy]
    plugins = ["gleenlet.mypy"]

It reads the stubs (pygobject-stubs): where they have the operation and its finish function, `call` gets their
types; elsewhere it stays a function of anything that returns Any.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy.nodes import ARG_NAMED_OPT, ARG_OPT, ARG_POS, ArgKind, Decorator, FuncDef, MypyFile, SymbolTable
from mypy.plugin import FunctionSigContext, Plugin
from mypy.types import CallableType, NoneType, Type, UnionType, get_proper_type

OPERATION_ONLY = ("cancellable", "callback", "user_data")  # call() gives these itself


class GleenletPlugin(Plugin):
    """Gives each call of `gleenlet.call` a signature of its own."""

    def get_function_signature_hook(self, fullname: str) -> Callable[[FunctionSigContext], CallableType] | None:
        return signature_of_call if fullname == "gleenlet._glib.gio.call" else None


def signature_of_call(context: FunctionSigContext) -> CallableType:
    """The signature of this call, read from its first argument; the default one where stubs lack it."""
    default = context.default_signature
    if not context.args or not context.args[0]:
        return default
    operation = get_proper_type(context.api.get_expression_type(context.args[0][0]))
    if not isinstance(operation, CallableType) or "callback" not in operation.arg_names:
        return default
    result = result_of(operation, context)
    if result is None:
        return default

    types: list[Type] = [operation]
    kinds: list[ArgKind] = [ARG_POS]
    names: list[str | None] = [None]
    priority: Type | None = None
    for name, kind, type_ in zip(operation.arg_names, operation.arg_kinds, operation.arg_types, strict=True):
        if name == "io_priority":
            priority = type_
        elif name not in OPERATION_ONLY and not kind.is_star():
            types.append(type_)
            kinds.append(kind)
            names.append(name)
    for last in range(len(kinds) - 1, 0, -1):  # None may be left out at the end
        if not is_optional(types[last]):
            break
        kinds[last] = ARG_OPT
    if priority is not None:
        types.append(priority)
        # In its place only where nothing follows it: an optional argument between would be taken for it.
        kinds.append(ARG_OPT if not any(kind.is_optional() for kind in kinds) else ARG_NAMED_OPT)
        names.append("io_priority")
    for name in ("cancellable", "finish"):
        index = default.arg_names.index(name)
        types.append(default.arg_types[index])
        kinds.append(ARG_NAMED_OPT)
        names.append(name)
    return default.copy_modified(arg_types=types, arg_kinds=kinds, arg_names=names, ret_type=result)


def is_optional(type_: Type) -> bool:
    proper = get_proper_type(type_)
    return isinstance(proper, UnionType) and any(isinstance(get_proper_type(item), NoneType) for item in proper.items)


def result_of(operation: CallableType, context: FunctionSigContext) -> Type | None:
    """What the finish function of `operation` returns, in the stubs."""
    definition = operation.definition
    if isinstance(definition, Decorator):  # a static or class method
        definition = definition.func
    if not isinstance(definition, FuncDef):
        return None
    table: SymbolTable | None
    if definition.info:
        table = definition.info.names
    else:
        module = getattr(context.api, "modules", {}).get(definition.fullname.rpartition(".")[0])
        table = module.names if isinstance(module, MypyFile) else None
    stem = definition.name.removesuffix("_async").removesuffix("_")
    finish = table.get(f"{stem}_finish") if table else None
    found = get_proper_type(finish.type) if finish is not None else None
    return found.ret_type if isinstance(found, CallableType) else None


def plugin(version: str) -> type[Plugin]:
    """mypy's entry point."""
    return GleenletPlugin
