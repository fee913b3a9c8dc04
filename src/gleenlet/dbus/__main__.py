"""python -m gleenlet.dbus codegen file.xml: the interface classes of an introspection file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gi.repository import GLib

from gleenlet.dbus._codegen import generate


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m gleenlet.dbus", description="Tools for gleenlet.dbus.")
    commands = parser.add_subparsers(required=True)
    codegen = commands.add_parser("codegen", help="write the classes of an introspection file to standard output")
    codegen.add_argument("file", type=Path, help="introspection XML, as `gdbus introspect --xml` prints it")
    options = parser.parse_args(arguments)
    try:
        print(generate(options.file.read_text()), end="")
    except (OSError, UnicodeDecodeError, GLib.Error) as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
