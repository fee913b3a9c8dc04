/* Queue, LifoQueue and PriorityQueue.
 *
 * Items stay in the queue until their getter runs, so a cancelled getter never changes their order; a woken getter has an
 * item promised to it, a woken putter a place, and newcomers queue behind them. The usual case of put() and get() comes
 * first, flat, and asks all at once whether it is one; wait_for_place() and wait_for_item() find out why not. */
#include "core.h"

#include <math.h>
#include <stddef.h>
#include <structmember.h>

#define SHUT (-1)

typedef struct {
    ThreadBound bound;
    Ring ring;                              /* the items */
    uint8_t last_first;                     /* it is a LifoQueue */
    PyObject *heap;                         /* of a PriorityQueue: a list, in heapq's order, instead; else NULL */
    PyObject *maxsize;                      /* as given */
    Line getters, putters, joiners;
    Py_ssize_t limit;                       /* as many items it holds; 0: __init__ was never called, or failed */
    Py_ssize_t room;                        /* the limit, or SHUT: nothing gets in any more */
    Py_ssize_t unfinished;
} Queue;

static PyObject *heappush, *heappop, *heapify;

static int queue_traverse(Queue *queue, visitproc visit, void *arg) {
    Py_VISIT(queue->heap);
    Py_VISIT(queue->maxsize);
    return ring_traverse(&queue->ring, visit, arg);
}

static int queue_clear(Queue *queue) {
    ring_clear(&queue->ring);
    Py_CLEAR(queue->heap);
    Py_CLEAR(queue->maxsize);
    return 0;
}

static void queue_dealloc(Queue *queue) {
    PyObject_GC_UnTrack(queue);
    queue_clear(queue);
    PyMem_Free(queue->ring.slots);
    ThreadBoundType.tp_dealloc((PyObject *)queue);
}

static int queue_init(Queue *queue, PyObject *args, PyObject *names) {
    static char *known[] = {"maxsize", NULL};
    PyObject *maxsize = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, names, "|O:Queue", known, &maxsize))
        return -1;
    maxsize = maxsize ? Py_NewRef(maxsize) : PyLong_FromLong(0);
    double size = maxsize ? PyFloat_AsDouble(maxsize) : -1.0;
    if (maxsize && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        size = 0;
    }
    if (size == -1.0 && PyErr_Occurred()) {
        if (maxsize && PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_TypeError, "maxsize must be a number of items, not %.100s", Py_TYPE(maxsize)->tp_name);
        Py_XDECREF(maxsize);
        return -1;
    }
    queue->limit = queue->room = size > 0 && size < (double)(PY_SSIZE_T_MAX / 2) ? (Py_ssize_t)ceil(size) : PY_SSIZE_T_MAX;
    Py_XSETREF(queue->maxsize, maxsize);
    return 0;
}

static int not_made(Queue *queue) {
    if (queue->limit)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "this queue was not initialized: call super().__init__()");
    return -1;
}

/* ---- items ---- */

static Py_ssize_t size_of(Queue *queue) { return queue->heap ? PyList_GET_SIZE(queue->heap) : queue->ring.count; }

static int add(Queue *queue, PyObject *item) {
    if (!queue->heap)
        return ring_push(&queue->ring, item);
    PyObject *pushed = PyObject_CallFunctionObjArgs(heappush, queue->heap, item, NULL), *error;
    Py_XDECREF(pushed);
    if (pushed)
        return 0;
    error = take_exception(); /* the comparison failed, and heappush leaves the item in */
    for (Py_ssize_t i = PyList_GET_SIZE(queue->heap); i-- > 0;)
        if (PyList_GET_ITEM(queue->heap, i) == item)
            PyList_SetSlice(queue->heap, i, i + 1, NULL);
    Py_XDECREF(PyObject_CallOneArg(heapify, queue->heap));
    PyErr_Clear();
    raise_exception(error);
    return -1;
}

static PyObject *take_item(Queue *queue) {
    if (queue->heap)
        return PyObject_CallOneArg(heappop, queue->heap);
    if (!queue->ring.count) /* somebody took the one that was promised here, by hand */
        return PyErr_Format(PyExc_IndexError, "pop from an empty queue");
    return queue->last_first ? ring_pop_last(&queue->ring) : ring_pop(&queue->ring);
}

/* ---- who waits ---- */

/* Wake the first of `line`, who will find one of `available`; after a shutdown all, to see for themselves. */
static int promise(Queue *queue, Line *line, Py_ssize_t available) {
    while (line->first && (queue->room < 0 || available > line->promised))
        if (wake_next(line) < 0)
            return -1;
    return 0;
}

static int promise_places(Queue *queue, Py_ssize_t taken) {
    return promise(queue, &queue->putters, queue->room - size_of(queue) - taken);
}

static int promise_items(Queue *queue, Py_ssize_t taken) {
    return promise(queue, &queue->getters, size_of(queue) - taken);
}

static int pass_place_on(PyObject *queue) { return promise_places((Queue *)queue, 0); }
static int pass_item_on(PyObject *queue) { return promise_items((Queue *)queue, 0); }

static int refuse_put(void) {
    PyErr_SetString(QueueShutDown, "this queue was shut down");
    return -1;
}

static int refuse_get(void) {
    PyErr_SetString(QueueShutDown, "this queue was shut down, and nothing is left in it");
    return -1;
}

static int in_line(Queue *queue, Line *line, PyObject *verb, int (*pass_on)(PyObject *)) {
    PyObject *woken = wait_in_line(line, (PyObject *)queue, verb, pass_on, (PyObject *)queue);
    Py_XDECREF(woken);
    return woken ? 0 : -1;
}

/* A woken waiter passes on what it was promised when it cannot take it; with more to give, it wakes the next, who may have
 * come while newcomers had to queue. A shutdown wakes all to see for themselves. */
static int wait_for_place(Queue *queue) {
    if (not_made(queue) || claim(&queue->bound))
        return -1;
    if (queue->room == SHUT)
        return refuse_put();
    if (!queue->putters.promised && size_of(queue) < queue->room)
        return 0;
    if (in_line(queue, &queue->putters, verb_put, pass_place_on))
        return -1;
    if (queue->room != SHUT)
        return queue->putters.first ? promise_places(queue, 1) : 0;
    refuse_put();
    pass_it_on(pass_place_on, (PyObject *)queue);
    return -1;
}

static int wait_for_item(Queue *queue) {
    if (not_made(queue) || claim(&queue->bound))
        return -1;
    if (!queue->getters.promised && size_of(queue))
        return 0;
    if (!queue->getters.promised && queue->room == SHUT)
        return refuse_get();
    if (in_line(queue, &queue->getters, verb_get, pass_item_on))
        return -1;
    if (size_of(queue))
        return queue->getters.first ? promise_items(queue, 1) : 0;
    refuse_get();
    pass_it_on(pass_item_on, (PyObject *)queue);
    return -1;
}

/* ---- methods ---- */

static PyObject *put_here(Queue *queue, PyObject *item) { /* there is a place */
    if (add(queue, item)) { /* no memory, or a PriorityQueue could not compare it: the place goes to the next */
        pass_it_on(pass_place_on, (PyObject *)queue);
        return NULL;
    }
    queue->unfinished++;
    if (queue->getters.first && promise_items(queue, 0))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *get_here(Queue *queue) { /* there is an item */
    PyObject *item = take_item(queue);
    if (item && queue->putters.first && promise_places(queue, 0))
        Py_CLEAR(item);
    return item;
}

static int no_place(Queue *queue) {
    return queue->putters.promised || size_of(queue) >= queue->room || queue->bound.thread != this_thread();
}

static int no_item(Queue *queue) {
    return queue->getters.promised || size_of(queue) <= 0 || queue->bound.thread != this_thread();
}

static PyObject *queue_put(Queue *queue, PyObject *item) {
    return no_place(queue) && wait_for_place(queue) ? NULL : put_here(queue, item);
}

static PyObject *queue_get(Queue *queue, PyObject *Py_UNUSED(ignored)) {
    return no_item(queue) && wait_for_item(queue) ? NULL : get_here(queue);
}

static int is_full(Queue *queue) { return size_of(queue) + queue->putters.promised >= queue->limit; }

static PyObject *queue_put_nowait(Queue *queue, PyObject *const *args, Py_ssize_t n, PyObject *names) {
    if (n + (names ? PyTuple_GET_SIZE(names) : 0) != 1 ||
        (!n && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "item")))
        return PyErr_Format(PyExc_TypeError, "put_nowait() takes one item");
    if (no_place(queue)) {
        if (not_made(queue) || claim(&queue->bound) || (queue->room == SHUT && refuse_put()))
            return NULL;
        if (is_full(queue))
            return PyErr_Format(QueueFull, "this queue holds %S items already", queue->maxsize);
    }
    return put_here(queue, args[0]);
}

static PyObject *queue_get_nowait(Queue *queue, PyObject *Py_UNUSED(ignored)) {
    if (no_item(queue)) {
        if (not_made(queue) || claim(&queue->bound) || (queue->room == SHUT && !size_of(queue) && refuse_get()))
            return NULL;
        if (size_of(queue) <= queue->getters.promised)
            return PyErr_Format(QueueEmpty, "nothing is in this queue");
    }
    return get_here(queue);
}

static int done_with(Queue *queue, Py_ssize_t n) { /* so many; with the last one join() returns */
    Py_ssize_t before = queue->unfinished;
    queue->unfinished = n < before ? before - n : 0;
    while (before && !queue->unfinished && queue->joiners.first)
        if (wake_next(&queue->joiners) < 0)
            return -1;
    return 0;
}

static PyObject *queue_task_done(Queue *queue, PyObject *Py_UNUSED(ignored)) {
    if (claim(&queue->bound))
        return NULL;
    if (queue->unfinished <= 0)
        return PyErr_Format(PyExc_ValueError, "task_done() called too many times");
    return done_with(queue, 1) ? NULL : Py_NewRef(Py_None);
}

static PyObject *queue_join(Queue *queue, PyObject *Py_UNUSED(ignored)) {
    if (not_made(queue) || claim(&queue->bound) ||
        (queue->unfinished && in_line(queue, &queue->joiners, verb_join, NULL)))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *queue_shutdown(Queue *queue, PyObject *args, PyObject *names) {
    static char *known[] = {"immediate", NULL};
    int immediate = 0;
    if (!PyArg_ParseTupleAndKeywords(args, names, "|p:shutdown", known, &immediate) || not_made(queue) ||
        claim(&queue->bound))
        return NULL;
    queue->room = SHUT;
    if (immediate) {
        Py_ssize_t dropped = size_of(queue);
        ring_clear(&queue->ring);
        if ((queue->heap && PyList_SetSlice(queue->heap, 0, dropped, NULL)) || done_with(queue, dropped))
            return NULL;
    }
    if (promise_items(queue, 0) || promise_places(queue, 0))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *queue_qsize(Queue *queue, PyObject *Py_UNUSED(ignored)) {
    Py_ssize_t n = size_of(queue) - queue->getters.promised;
    return PyLong_FromSsize_t(n > 0 ? n : 0);
}

static PyObject *queue_empty(Queue *queue, PyObject *Py_UNUSED(ignored)) {
    return PyBool_FromLong(size_of(queue) <= queue->getters.promised);
}

static PyObject *queue_full(Queue *queue, PyObject *Py_UNUSED(ignored)) { return PyBool_FromLong(is_full(queue)); }

static PyObject *part(PyObject *text, PyObject *more) { /* steals both */
    PyObject *joined = text && more ? PyUnicode_Concat(text, more) : NULL;
    Py_XDECREF(text);
    Py_XDECREF(more);
    return joined;
}

static PyObject *in_words(Queue *queue, const char *format) {
    PyObject *name = PyType_GetName(Py_TYPE(queue));
    PyObject *text = name ? PyUnicode_FromFormat(format, name, queue) : NULL;
    Py_ssize_t getters = line_length(&queue->getters), putters = line_length(&queue->putters);
    Py_XDECREF(name);
    text = part(text, PyUnicode_FromFormat(" maxsize=%R", queue->maxsize ? queue->maxsize : Py_None));
    if (size_of(queue)) {
        PyObject *items = queue->heap ? Py_NewRef(queue->heap) : ring_list(&queue->ring);
        text = part(text, items ? PyUnicode_FromFormat(" _queue=%R", items) : NULL);
        Py_XDECREF(items);
    }
    if (getters)
        text = part(text, PyUnicode_FromFormat(" _getters[%zd]", getters));
    if (putters)
        text = part(text, PyUnicode_FromFormat(" _putters[%zd]", putters));
    if (queue->unfinished)
        text = part(text, PyUnicode_FromFormat(" tasks=%zd", queue->unfinished));
    return part(text, PyUnicode_FromString(queue->room == SHUT ? " shutdown>" : ">"));
}

static PyObject *queue_repr(Queue *queue) { return in_words(queue, "<%U at %p"); }

static PyObject *queue_str(Queue *queue) { return in_words(queue, "<%U"); }

static PyMethodDef queue_methods[] = {
    {"put", (PyCFunction)queue_put, METH_O,
     "put($self, item, /)\n--\n\nPut an item in; wait for a place if there is none.\n\n"
     "Raises: QueueShutDown: it was shut down, before or meanwhile. Cancelled: and the item is not in the\n"
     "    queue. UnsafeSwitchError: as in `sleep`."},
    {"get", (PyCFunction)queue_get, METH_NOARGS,
     "get($self, /)\n--\n\nTake the next item out; wait for one if there is none.\n\n"
     "Raises: QueueShutDown: it was shut down, before or meanwhile, and nothing is left. Cancelled: and\n"
     "    nothing was taken. UnsafeSwitchError: as in `sleep`."},
    {"put_nowait", (PyCFunction)(void (*)(void))queue_put_nowait, METH_FASTCALL | METH_KEYWORDS,
     "put_nowait($self, /, item)\n--\n\nPut an item in, or raise at once.\n\n"
     "Raises: QueueFull: there is no place. QueueShutDown: it was shut down."},
    {"get_nowait", (PyCFunction)queue_get_nowait, METH_NOARGS,
     "get_nowait($self, /)\n--\n\nTake the next item out, or raise at once.\n\n"
     "Raises: QueueEmpty: there is none. QueueShutDown: there is none, and there will not be."},
    {"task_done", (PyCFunction)queue_task_done, METH_NOARGS,
     "task_done($self, /)\n--\n\nSay that the work on an item from `get` is done; after the last one `join` returns.\n\n"
     "Raises: ValueError: called more often than there were items."},
    {"join", (PyCFunction)queue_join, METH_NOARGS,
     "join($self, /)\n--\n\nWait until `task_done` was called for every item put in; at once if there is none.\n\n"
     "Raises: Cancelled, UnsafeSwitchError: as in `sleep`."},
    {"shutdown", (PyCFunction)(void (*)(void))queue_shutdown, METH_VARARGS | METH_KEYWORDS,
     "shutdown($self, /, immediate=False)\n--\n\n"
     "Let nothing in any more: `put` raises QueueShutDown at once, `get` when nothing is left.\n\n"
     "Never blocks.\n\n"
     "Args:\n"
     "    immediate: drop what is in the queue, each item as if `task_done` was called for it.\n\n"
     ">>> queue = Queue()\n"
     ">>> queue.put(\"x\"); queue.shutdown()\n"
     ">>> queue.get()\n"
     "'x'\n"
     ">>> queue.get()\n"
     "Traceback (most recent call last):\n"
     "gleenlet.QueueShutDown: this queue was shut down, and nothing is left in it\n"},
    {"qsize", (PyCFunction)queue_qsize, METH_NOARGS,
     "qsize($self, /)\n--\n\nReturn how many items `get_nowait` could get: those promised to nobody. Thread: any."},
    {"empty", (PyCFunction)queue_empty, METH_NOARGS,
     "empty($self, /)\n--\n\nWould `get_nowait` find nothing? Thread: any."},
    {"full", (PyCFunction)queue_full, METH_NOARGS, "full($self, /)\n--\n\nWould `put_nowait` find no place? Thread: any."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "Queue[int]: for type checkers."},
    {NULL}};

static PyMemberDef queue_members[] = {
    {"maxsize", T_OBJECT, offsetof(Queue, maxsize), READONLY, "How many items it may hold, as given. Thread: any."},
    {"_unfinished", T_PYSSIZET, offsetof(Queue, unfinished), READONLY, NULL},
    {NULL}};

static PyTypeObject QueueType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet.Queue",
    .tp_doc = PyDoc_STR("Queue(maxsize=0)\n--\n\nA queue between tasks, first in, first out, as `asyncio.Queue`.\n\n"
                        "Args:\n"
                        "    maxsize: how many items it holds before `put` waits; 0 or less: no limit.\n\n"
                        ">>> from gleenlet import spawn\n"
                        ">>> queue = Queue(1)\n"
                        ">>> task = spawn(queue.put, \"x\")\n"
                        ">>> queue.get()\n"
                        "'x'\n"),
    .tp_base = &ThreadBoundType,
    .tp_basicsize = sizeof(Queue),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_init = (initproc)queue_init,
    .tp_repr = (reprfunc)queue_repr,
    .tp_str = (reprfunc)queue_str,
    .tp_traverse = (traverseproc)queue_traverse,
    .tp_clear = (inquiry)queue_clear,
    .tp_dealloc = (destructor)queue_dealloc,
    .tp_methods = queue_methods,
    .tp_members = queue_members,
};

static PyObject *last_first_new(PyTypeObject *type, PyObject *args, PyObject *names) {
    Queue *queue = (Queue *)PyType_GenericNew(type, args, names);
    if (queue)
        queue->last_first = 1;
    return (PyObject *)queue;
}

static PyTypeObject LifoQueueType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet.LifoQueue",
    .tp_doc = PyDoc_STR("LifoQueue(maxsize=0)\n--\n\n"
                        "A queue that gives the last item in first out, as `asyncio.LifoQueue`.\n\n"
                        ">>> queue = LifoQueue()\n"
                        ">>> queue.put(1); queue.put(2); queue.get()\n"
                        "2\n"),
    .tp_base = &QueueType,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = last_first_new,
};

static PyObject *heap_new(PyTypeObject *type, PyObject *args, PyObject *names) {
    Queue *queue = (Queue *)PyType_GenericNew(type, args, names);
    if (queue && !(queue->heap = PyList_New(0)))
        Py_CLEAR(queue);
    return (PyObject *)queue;
}

static PyTypeObject PriorityQueueType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet.PriorityQueue",
    .tp_doc = PyDoc_STR("PriorityQueue(maxsize=0)\n--\n\n"
                        "A queue that gives its lowest item first out, as `asyncio.PriorityQueue`; (number, data) tuples "
                        "mostly.\n\n"
                        ">>> queue = PriorityQueue()\n"
                        ">>> queue.put(2); queue.put(1); queue.get()\n"
                        "1\n"),
    .tp_base = &QueueType,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = heap_new,
};

int add_queues(PyObject *module) {
    PyObject *heapq = PyImport_ImportModule("heapq");
    int failed = !heapq || !(heappush = PyObject_GetAttrString(heapq, "heappush")) ||
                 !(heappop = PyObject_GetAttrString(heapq, "heappop")) ||
                 !(heapify = PyObject_GetAttrString(heapq, "heapify")) || PyModule_AddType(module, &QueueType) ||
                 PyModule_AddType(module, &LifoQueueType) || PyModule_AddType(module, &PriorityQueueType);
    Py_XDECREF(heapq);
    return failed;
}
