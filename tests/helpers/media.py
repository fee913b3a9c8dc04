"""What tests of GStreamer share: what is in a sample."""

from __future__ import annotations

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst


def buffer_of(sample: Gst.Sample) -> Gst.Buffer:
    buffer = sample.get_buffer()
    assert buffer is not None
    return buffer


def content(sample: Gst.Sample) -> bytes:
    buffer = buffer_of(sample)
    return bytes(buffer.extract_dup(0, buffer.get_size()))
