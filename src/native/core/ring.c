/* Ring: a deque that C reaches into, of a Queue's items; and of Waiters: a line, first come, first served. */
#include "core.h"

static PyObject **slot(Ring *ring, Py_ssize_t i) { return &ring->slots[(ring->head + i) & (ring->size - 1)]; }

int ring_push(Ring *ring, PyObject *item) {
    if (ring->count == ring->size) {
        Py_ssize_t size = ring->size ? 2 * ring->size : 16;
        PyObject **slots = PyMem_New(PyObject *, size);
        if (!slots) {
            PyErr_NoMemory();
            return -1;
        }
        for (Py_ssize_t i = 0; i < ring->count; i++)
            slots[i] = *slot(ring, i);
        PyMem_Free(ring->slots);
        ring->slots = slots;
        ring->size = size;
        ring->head = 0;
    }
    *slot(ring, ring->count++) = Py_NewRef(item);
    return 0;
}

PyObject *ring_pop(Ring *ring) { /* not from an empty one */
    PyObject *item = ring->slots[ring->head];
    ring->head = (ring->head + 1) & (ring->size - 1);
    ring->count--;
    return item;
}

static PyObject *ring_append(Ring *ring, PyObject *item) { return ring_push(ring, item) ? NULL : Py_NewRef(Py_None); }

PyObject *ring_popleft(Ring *ring, PyObject *Py_UNUSED(ignored)) {
    if (ring->count)
        return ring_pop(ring);
    PyErr_SetString(PyExc_IndexError, "pop from an empty ring");
    return NULL;
}

static int ring_empty(Ring *ring) {
    while (ring->count)
        Py_DECREF(ring_pop(ring));
    return 0;
}

static PyObject *ring_clear(Ring *ring, PyObject *Py_UNUSED(ignored)) {
    ring_empty(ring);
    Py_RETURN_NONE;
}

static int ring_traverse(Ring *ring, visitproc visit, void *arg) {
    for (Py_ssize_t i = 0; i < ring->count; i++)
        Py_VISIT(*slot(ring, i));
    return 0;
}

static void ring_dealloc(Ring *ring) {
    PyObject_GC_UnTrack(ring);
    ring_empty(ring);
    PyMem_Free(ring->slots);
    Py_TYPE(ring)->tp_free(ring);
}

static Py_ssize_t ring_length(Ring *ring) { return ring->count; }

static PyObject *ring_item(Ring *ring, Py_ssize_t i) {
    if (i >= 0 && i < ring->count)
        return Py_NewRef(*slot(ring, i));
    PyErr_SetString(PyExc_IndexError, "beyond the end of the ring");
    return NULL;
}

static int ring_discard(Ring *ring, PyObject *item) { /* was it in? */
    for (Py_ssize_t i = 0; i < ring->count; i++)
        if (*slot(ring, i) == item) {
            for (; i + 1 < ring->count; i++)
                *slot(ring, i) = *slot(ring, i + 1);
            ring->count--;
            Py_DECREF(item);
            return 1;
        }
    return 0;
}

static PyObject *ring_remove(Ring *ring, PyObject *item) { /* by identity; ValueError as a deque */
    if (ring_discard(ring, item))
        Py_RETURN_NONE;
    PyErr_SetString(PyExc_ValueError, "not in the ring");
    return NULL;
}

static PyMethodDef ring_methods[] = {{"remove", (PyCFunction)ring_remove, METH_O, NULL},
                                     {"append", (PyCFunction)ring_append, METH_O, NULL},
                                     {"popleft", (PyCFunction)ring_popleft, METH_NOARGS, NULL},
                                     {"clear", (PyCFunction)ring_clear, METH_NOARGS, NULL},
                                     {NULL}};

static PySequenceMethods ring_as_sequence = {.sq_length = (lenfunc)ring_length, .sq_item = (ssizeargfunc)ring_item};

PyTypeObject RingType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Ring",
    .tp_basicsize = sizeof(Ring),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_traverse = (traverseproc)ring_traverse,
    .tp_clear = (inquiry)ring_empty,
    .tp_dealloc = (destructor)ring_dealloc,
    .tp_methods = ring_methods,
    .tp_as_sequence = &ring_as_sequence,
};

Ring *new_ring(void) { return (Ring *)RingType.tp_alloc(&RingType, 0); }

/* ---- a line ---- */

/* Wait until woken: 0; else -1 with an exception set, and then `woken` says whether somebody had woken the caller before
 * that: who was meant to go on does not, and what he was given is the next one's. */
int wait_in_line(Ring *line, int *woken, PyObject *on, PyObject *verb) {
    PyGreenlet *current;
    Waiter *waiter = waiter_here(&current, on, verb);
    PyObject *result = NULL;
    *woken = 0;
    if (waiter && !ring_push(line, (PyObject *)waiter)) {
        result = wait_for(waiter, current, NULL);
        *woken = waiter->outcome == WOKEN;
        if (!*woken)
            ring_discard(line, (PyObject *)waiter);
    }
    Py_XDECREF(waiter);
    Py_XDECREF(current);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Wake the first who has not given up: 1; 0: there is none; -1: an error is set. */
int wake_next(Ring *line) {
    int woken = 0;
    while (!woken && line->count) {
        PyObject *waiter = ring_pop(line);
        woken = Py_IS_TYPE(waiter, &WaiterType) ? wake((Waiter *)waiter, Py_None, WOKEN) : 0;
        Py_DECREF(waiter);
    }
    return woken;
}
