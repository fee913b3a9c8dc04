"""The text of interface classes, from introspection XML."""

# mypy: disable-error-code=empty-body
from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gleenlet.dbus import introspection
from gleenlet.dbus.__main__ import main
from gleenlet.dbus._codegen import generate

XML = """
<node>
  <interface name="org.freedesktop.DBus.Peer"><method name="Ping"/></interface>
  <interface name="org.example.Files">
    <method name="SearchAll">
      <arg name="text" type="s" direction="in"/>
      <arg name="from" type="a{sv}" direction="in"/>
      <arg type="t" direction="in"/>
      <arg name="from_" type="h" direction="in"/>
      <arg name="hits" type="a(so)" direction="out"/>
    </method>
    <method name="GetID">
      <arg type="(ii)" direction="out"/>
      <annotation name="org.freedesktop.DBus.Deprecated" value="true"/>
    </method>
    <method name="Forget"><annotation name="org.freedesktop.DBus.Method.NoReply" value="true"/></method>
    <method name="Both"><arg type="s" direction="out"/><arg type="ay" direction="out"/></method>
    <property name="Volume" type="d" access="readwrite"/>
    <property name="Secret" type="s" access="write"/>
    <property name="Forget" type="b" access="read">
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="const"/>
    </property>
    <signal name="Found"><arg name="path" type="s"/><arg type="i"/></signal>
    <signal name="Done"/>
  </interface>
  <node name="child">
    <interface name="org.example.lower">
      <annotation name="org.freedesktop.DBus.Deprecated" value="true"/>
      <annotation name="org.freedesktop.DBus.Property.EmitsChangedSignal" value="false"/>
      <property name="size" type="x" access="read"/>
      <method name="_hidden"/>
    </interface>
    <interface name="org.other.lower"/>
  </node>
</node>
"""

CODE = """\
from __future__ import annotations

from typing import Any, NamedTuple

from gleenlet.dbus import FileDescriptor, Int64, ObjectPath, Property, Signal, UInt64, interface, method


class GetIDResult(NamedTuple):
    field0: int
    field1: int


@interface("org.example.Files", names="CamelCase")
class Files:
    def search_all(self, text: str, from_: dict[str, Any], arg_2: UInt64, from__: FileDescriptor) -> list[tuple[str, ObjectPath]]: ...
    @method(name="GetID", deprecated=True)
    def get_id(self) -> GetIDResult: ...
    @method(no_reply=True)
    def forget(self) -> None: ...
    def both(self) -> tuple[str, bytes]: ...
    volume: Property[float] = Property(access="readwrite")
    secret: Property[str] = Property(access="write")
    forget_: Property[bool] = Property(emits="const")
    found: Signal[str, int]  # path, arg_1
    done: Signal[()]


@interface("org.example.lower", deprecated=True)
class OrgExampleLower:
    @method(name="_hidden")
    def hidden(self) -> None: ...
    size: Property[Int64] = Property(emits="false")


@interface("org.other.lower")
class OrgOtherLower:
    pass
"""  # noqa: E501


def test_the_class_of_an_introspection_file() -> None:
    assert generate(XML) == CODE


def test_the_class_says_what_the_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("generated")  # annotations that are strings are looked up in their module
    monkeypatch.setitem(sys.modules, "generated", module)
    exec(CODE, vars(module))
    again = generate(f"<node>{introspection(module.Files)}</node>")
    first = CODE.replace("# path, arg_1", "# arg_0, arg_1").partition("class GetIDResult")[2]
    assert first.startswith(again.partition("class GetIDResult")[2].rstrip())


def test_the_command_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "files.xml"
    file.write_text(XML)
    done = subprocess.run(
        [sys.executable, "-m", "gleenlet.dbus", "codegen", str(file)], capture_output=True, text=True, check=True
    )
    assert done.stdout == CODE
    assert main(["codegen", str(file)]) == 0
    assert capsys.readouterr().out == CODE


def test_a_file_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "files.xml"
    assert main(["codegen", str(file)]) == 1
    assert "No such file" in capsys.readouterr().err
    file.write_text("<node>")
    assert main(["codegen", str(file)]) == 1
    assert str(file) in capsys.readouterr().err
