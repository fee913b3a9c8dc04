/* put() and get() of queues; the rest is in _queue.py. The usual case comes first, flat, and asks all at once whether it
 * is one; wait_for_place() and wait_for_item() find out why not. */
#include "core.h"

#include <structmember.h>

typedef struct {
    PyObject_HEAD
    PyObject *items, *append, *pop;     /* a Ring or a list, and two functions on it */
    Ring *getters, *putters;
    unsigned long thread;
    Py_ssize_t room, places, items_due, unfinished;
} Queue;

static int queue_traverse(Queue *queue, visitproc visit, void *arg) {
    Py_VISIT(queue->items);
    Py_VISIT(queue->append);
    Py_VISIT(queue->pop);
    Py_VISIT(queue->getters);
    Py_VISIT(queue->putters);
    return 0;
}

static int queue_clear(Queue *queue) {
    Py_CLEAR(queue->items);
    Py_CLEAR(queue->append);
    Py_CLEAR(queue->pop);
    Py_CLEAR(queue->getters);
    Py_CLEAR(queue->putters);
    return 0;
}

static void queue_dealloc(Queue *queue) {
    PyObject_GC_UnTrack(queue);
    queue_clear(queue);
    Py_TYPE(queue)->tp_free(queue);
}

static Py_ssize_t size_of(PyObject *items) {
    return Py_IS_TYPE(items, &RingType) ? ((Ring *)items)->count : PyObject_Size(items);
}

/* Wake the first of `waiters`, who will find one of `available`; after a shutdown all, to see for themselves. */
static int promise(Queue *queue, Ring *waiters, Py_ssize_t available, Py_ssize_t *promised) {
    while (waiters->count && (queue->room < 0 || available > *promised)) {
        int woken = wake_next(waiters);
        if (woken < 0)
            return -1;
        *promised += woken;
    }
    return 0;
}

static int promise_places(Queue *queue, Py_ssize_t taken) {
    return promise(queue, queue->putters, queue->room - size_of(queue->items) - taken, &queue->places);
}

static int promise_items(Queue *queue, Py_ssize_t taken) {
    return promise(queue, queue->getters, size_of(queue->items) - taken, &queue->items_due);
}

static int complete(Queue *queue) { /* not if __init__ was never called, or failed */
    if (queue->items && queue->append && queue->pop && queue->getters && queue->putters)
        return 1;
    PyErr_SetString(PyExc_RuntimeError, "this queue was not initialized: call super().__init__()");
    return 0;
}

/* Wait in `line`, where *promised counts those who were woken and have not run yet. A woken waiter passes on what it was
 * promised when it cannot take it; with more to give, it wakes the next, who may have come while newcomers had to
 * queue. A shutdown wakes all to see for themselves: `check`. */
static int wait_in(Queue *queue, Ring *line, Py_ssize_t *promised, int (*promise_more)(Queue *, Py_ssize_t),
                   int (*check)(Queue *)) {
    int woken, failed = wait_in_line(line, &woken, (PyObject *)queue, line == queue->getters ? verb_get : verb_put) || check(queue);
    *promised -= woken;
    if (!failed)
        return line->count ? promise_more(queue, 1) : 0;
    if (woken) {
        PyObject *error = take_exception();
        if (promise_more(queue, 0))
            PyErr_WriteUnraisable((PyObject *)queue);
        raise_exception(error);
    }
    return -1;
}

static int refuse(Queue *queue, PyObject *method) { /* which raises QueueShutDown */
    Py_XDECREF(PyObject_CallMethodNoArgs((PyObject *)queue, method));
    return -1;
}

static int check_open(Queue *queue) { return queue->room < 0 ? refuse(queue, str_refuse_put) : 0; }

static int check_items(Queue *queue) { return size_of(queue->items) ? 0 : refuse(queue, str_refuse_get); }

static int wait_for_place(Queue *queue) {
    if (claim(&queue->thread, (PyObject *)queue) || check_open(queue))
        return -1;
    if (!queue->places && size_of(queue->items) < queue->room)
        return 0;
    return wait_in(queue, queue->putters, &queue->places, promise_places, check_open);
}

static int wait_for_item(Queue *queue) {
    if (claim(&queue->thread, (PyObject *)queue))
        return -1;
    if (!queue->items_due && size_of(queue->items))
        return 0;
    if (!queue->items_due && queue->room < 0)
        return refuse(queue, str_refuse_get);
    return wait_in(queue, queue->getters, &queue->items_due, promise_items, check_items);
}

static PyObject *queue_put(Queue *queue, PyObject *item) {
    if (!complete(queue))
        return NULL;
    if ((queue->places || queue->thread != this_thread() || size_of(queue->items) >= queue->room) &&
        wait_for_place(queue))
        return NULL;
    if (Py_IS_TYPE(queue->items, &RingType)) {
        if (ring_push((Ring *)queue->items, item))
            return NULL;
    } else {
        PyObject *appended = PyObject_CallOneArg(queue->append, item);
        if (!appended) { /* a PriorityQueue compares items; the place goes to the next */
            PyObject *error = take_exception();
            if (promise_places(queue, 0))
                PyErr_WriteUnraisable((PyObject *)queue);
            raise_exception(error);
            return NULL;
        }
        Py_DECREF(appended);
    }
    queue->unfinished++;
    if (queue->getters->count && promise_items(queue, 0))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *queue_get(Queue *queue, PyObject *Py_UNUSED(ignored)) {
    if (!complete(queue))
        return NULL;
    if ((queue->items_due || queue->thread != this_thread() || size_of(queue->items) <= 0) && wait_for_item(queue))
        return NULL;
    PyObject *item = Py_IS_TYPE(queue->items, &RingType) && ((Ring *)queue->items)->count
                         ? ring_pop((Ring *)queue->items)
                         : PyObject_CallNoArgs(queue->pop);
    if (item && queue->putters->count && promise_places(queue, 0))
        Py_CLEAR(item);
    return item;
}

static PyObject *queue_promise_places(Queue *queue, PyObject *taken) {
    Py_ssize_t n = PyLong_AsSsize_t(taken);
    if (PyErr_Occurred() || !complete(queue) || promise_places(queue, n))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *queue_promise_items(Queue *queue, PyObject *taken) {
    Py_ssize_t n = PyLong_AsSsize_t(taken);
    if (PyErr_Occurred() || !complete(queue) || promise_items(queue, n))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *queue_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(names)) {
    Queue *queue = (Queue *)type->tp_alloc(type, 0);
    if (!queue)
        return NULL;
    queue->getters = new_ring();
    queue->putters = new_ring();
    if (!queue->getters || !queue->putters)
        Py_CLEAR(queue);
    return (PyObject *)queue;
}

static PyMethodDef queue_methods[] = {
    {"put", (PyCFunction)queue_put, METH_O,
     "put($self, item, /)\n--\n\nPut an item in; wait for a place if there is none.\n\n"
     "Raises: QueueShutDown: it was shut down, before or meanwhile. Cancelled: and the item is not in the\n"
     "    queue. UnsafeSwitchError: as in `sleep`."},
    {"get", (PyCFunction)queue_get, METH_NOARGS,
     "get($self, /)\n--\n\nTake the next item out; wait for one if there is none.\n\n"
     "Raises: QueueShutDown: it was shut down, before or meanwhile, and nothing is left. Cancelled: and\n"
     "    nothing was taken. UnsafeSwitchError: as in `sleep`."},
    {"_promise_places", (PyCFunction)queue_promise_places, METH_O, "Of the free ones but so many."},
    {"_promise_items", (PyCFunction)queue_promise_items, METH_O, "Of those there are but so many."},
    {NULL}};

static PyMemberDef queue_members[] = {{"_thread", T_ULONG, offsetof(Queue, thread), 0, NULL},
                                      {"_room", T_PYSSIZET, offsetof(Queue, room), 0, NULL},
                                      {"_places", T_PYSSIZET, offsetof(Queue, places), 0, NULL},
                                      {"_items_due", T_PYSSIZET, offsetof(Queue, items_due), 0, NULL},
                                      {"_unfinished", T_PYSSIZET, offsetof(Queue, unfinished), 0, NULL},
                                      {"_items", T_OBJECT, offsetof(Queue, items), 0, NULL},
                                      {"_append", T_OBJECT, offsetof(Queue, append), 0, NULL},
                                      {"_pop", T_OBJECT, offsetof(Queue, pop), 0, NULL},
                                      {"_getters", T_OBJECT, offsetof(Queue, getters), READONLY, NULL},
                                      {"_putters", T_OBJECT, offsetof(Queue, putters), READONLY, NULL},
                                      {NULL}};

PyTypeObject QueueType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Queue",
    .tp_basicsize = sizeof(Queue),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = queue_new,
    .tp_traverse = (traverseproc)queue_traverse,
    .tp_clear = (inquiry)queue_clear,
    .tp_dealloc = (destructor)queue_dealloc,
    .tp_methods = queue_methods,
    .tp_members = queue_members,
};
