"""gleenlet.dbus: one typed class is client and service, and its methods may block. On Gio's D-Bus."""
