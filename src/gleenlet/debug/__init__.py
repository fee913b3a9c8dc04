"""See what the tasks do, what each waits for, and who holds that. Costs nothing until it is asked."""

from gleenlet._core import publish as _publish
from gleenlet.debug._inspector import inspector
from gleenlet.debug._listen import Listener, listen
from gleenlet.debug._listen import start_as_asked as start_as_asked  # for GLEENLET_DEBUG, no public name
from gleenlet.debug._profile import Profile, ProfileLine, profile
from gleenlet.debug._record import Frame, TaskRecord
from gleenlet.debug._recording import Event, Recorder, record
from gleenlet.debug._switches import SwitchWatch, UnsafeSwitch, watch_switches
from gleenlet.debug._tasks import tasks
from gleenlet.debug._text import format_tasks, print_tasks
from gleenlet.debug._trace import Trace, trace
from gleenlet.debug._watch import Stall, Watch, watch

__all__ = [
    "Event",
    "Frame",
    "Listener",
    "Profile",
    "ProfileLine",
    "Recorder",
    "Stall",
    "SwitchWatch",
    "TaskRecord",
    "Trace",
    "UnsafeSwitch",
    "Watch",
    "format_tasks",
    "inspector",
    "listen",
    "print_tasks",
    "profile",
    "record",
    "tasks",
    "trace",
    "watch",
    "watch_switches",
]

_publish(globals())
