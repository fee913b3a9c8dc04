"""gevent on GLib's main loop: all of gevent runs inside whatever GLib loop the program has. This is its door."""

from gleenlet._core import publish as _publish
from gleenlet.gevent._guest import GLibLoop, install, run

__all__ = ["GLibLoop", "install", "run"]

_publish(globals())
