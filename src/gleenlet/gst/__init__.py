"""gleenlet.gst: GStreamer pipelines in straight-line code. No wait in a streaming thread, no state change in the loop.

>>> with pipeline("audiotestsrc num-buffers=10 ! fakesink") as p:
...     p.play()
...     p.wait_eos()
"""

import gi

from gleenlet._core import publish as _publish

gi.require_version("Gst", "1.0")

from gi.repository import Gst  # noqa: E402, F401  # in the examples of docstrings

from gleenlet.gst._app import push, samples  # noqa: E402
from gleenlet.gst._errors import PipelineError  # noqa: E402
from gleenlet.gst._pipeline import Pipeline, pipeline  # noqa: E402
from gleenlet.gst._promise import promise  # noqa: E402

__all__ = ["Pipeline", "PipelineError", "pipeline", "promise", "push", "samples"]

_publish(globals())
