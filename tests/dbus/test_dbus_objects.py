"""Many objects below one path."""

# mypy: disable-error-code=empty-body
from __future__ import annotations

from typing import Any

from gi.repository import Gio

import gleenlet
from gleenlet.dbus import ObjectManager, ObjectPath, Property, export, interface, object_manager, proxy


@interface("org.example.Job")
class Job:
    progress: Property[float]
    secret: Property[str] = Property(access="write")


class Half(Job):
    def __init__(self, progress: float) -> None:
        self.progress = progress


def entry(progress: float) -> dict[str, dict[str, Any]]:
    return {"org.example.Job": {"progress": progress}}


def test_objects_are_told_at_once_and_as_they_come_and_go(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    jobs = proxy(client, bus.get_unique_name(), "/jobs", ObjectManager)
    with export(bus, "/jobs/one", Half(0.1)), export(bus, "/elsewhere", Half(0.9)), object_manager(bus, "/jobs"):
        assert jobs.get_managed_objects() == {ObjectPath("/jobs/one"): entry(0.1)}
        with jobs.interfaces_added as added, jobs.interfaces_removed as removed:
            with export(bus, "/jobs/two/below", Half(0.2)) as two:
                assert next(added) == (ObjectPath("/jobs/two/below"), entry(0.2))
                two.progress = 0.3
                assert jobs.get_managed_objects() == {
                    ObjectPath("/jobs/one"): entry(0.1),
                    ObjectPath("/jobs/two/below"): entry(0.3),
                }
            assert next(removed) == (ObjectPath("/jobs/two/below"), ["org.example.Job"])
        assert list(jobs.get_managed_objects()) == ["/jobs/one"]


def test_a_manager_at_the_root_has_all(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    with object_manager(bus, "/"), export(bus, "/jobs/one", Half(0.1)):
        root = proxy(client, bus.get_unique_name(), "/", ObjectManager)
        assert list(root.get_managed_objects()) == ["/jobs/one"]


def test_gio_understands_our_object_manager(bus: Gio.DBusConnection, client: Gio.DBusConnection) -> None:
    with object_manager(bus, "/jobs"), export(bus, "/jobs/one", Half(0.1)):
        manager: Any = gleenlet.call(
            Gio.DBusObjectManagerClient.new,
            client,
            Gio.DBusObjectManagerClientFlags.DO_NOT_AUTO_START,
            str(bus.get_unique_name()),
            "/jobs",
            None,
        )
        assert [each.get_object_path() for each in manager.get_objects()] == ["/jobs/one"]
        found = manager.get_interface("/jobs/one", "org.example.Job")
        assert found.get_cached_property("progress").unpack() == 0.1
