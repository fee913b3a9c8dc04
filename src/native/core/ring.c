/* Ring: a deque of a queue's items, in C alone. */
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

PyObject *ring_pop(Ring *ring) { /* the first; not from an empty one */
    PyObject *item = ring->slots[ring->head];
    ring->head = (ring->head + 1) & (ring->size - 1);
    ring->count--;
    return item;
}

PyObject *ring_pop_last(Ring *ring) { return *slot(ring, --ring->count); }

PyObject *ring_list(Ring *ring) {
    PyObject *list = PyList_New(ring->count);
    for (Py_ssize_t i = 0; list && i < ring->count; i++)
        PyList_SET_ITEM(list, i, Py_NewRef(*slot(ring, i)));
    return list;
}

int ring_traverse(Ring *ring, visitproc visit, void *arg) {
    for (Py_ssize_t i = 0; i < ring->count; i++)
        Py_VISIT(*slot(ring, i));
    return 0;
}

void ring_clear(Ring *ring) {
    while (ring->count)
        Py_DECREF(ring_pop(ring));
}
