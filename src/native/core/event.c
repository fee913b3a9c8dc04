/* Event. */
#include "core.h"

typedef struct {
    ThreadBound bound;
    Line line;
    uint8_t set;
} Event;

static PyObject *event_is_set(Event *event, PyObject *Py_UNUSED(ignored)) { return PyBool_FromLong(event->set); }

static PyObject *event_set(Event *event, PyObject *Py_UNUSED(ignored)) {
    if (claim(&event->bound))
        return NULL;
    if (!event->set) {
        event->set = 1;
        while (event->line.first)
            if (wake_next(&event->line) < 0)
                return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *event_clear(Event *event, PyObject *Py_UNUSED(ignored)) {
    if (claim(&event->bound))
        return NULL;
    event->set = 0;
    Py_RETURN_NONE;
}

static PyObject *event_wait(Event *event, PyObject *Py_UNUSED(ignored)) {
    if (claim(&event->bound))
        return NULL;
    if (!event->set) {
        PyObject *woken = wait_in_line(&event->line, (PyObject *)event, verb_event, NULL, NULL);
        if (!woken)
            return NULL;
        Py_DECREF(woken);
    }
    Py_RETURN_TRUE;
}

static PyObject *event_repr(Event *event) {
    return describe((PyObject *)event, event->set ? "set" : "unset", line_length(&event->line));
}

static PyMethodDef event_methods[] = {
    {"is_set", (PyCFunction)event_is_set, METH_NOARGS, "is_set($self, /)\n--\n\nIs the flag set? Thread: any."},
    {"set", (PyCFunction)event_set, METH_NOARGS,
     "set($self, /)\n--\n\nSet the flag and wake up everybody who waits. Never blocks."},
    {"clear", (PyCFunction)event_clear, METH_NOARGS,
     "clear($self, /)\n--\n\nReset the flag; who was woken before still returns."},
    {"wait", (PyCFunction)event_wait, METH_NOARGS,
     "wait($self, /)\n--\n\nWait until the flag is set; at once if it is.\n\n"
     "Raises: Cancelled, UnsafeSwitchError: as in `sleep`."},
    {NULL}};

PyTypeObject EventType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet.Event",
    .tp_doc = PyDoc_STR("A flag that tasks can wait for, as `asyncio.Event`.\n\n"
                        ">>> from gleenlet import spawn\n"
                        ">>> event = Event()\n"
                        ">>> task = spawn(event.set)\n"
                        ">>> event.wait(), event.is_set()\n"
                        "(True, True)\n"),
    .tp_base = &ThreadBoundType,
    .tp_basicsize = sizeof(Event),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_init = takes_nothing,
    .tp_repr = (reprfunc)event_repr,
    .tp_methods = event_methods,
};
