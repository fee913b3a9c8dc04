/* gleenlet._fast: the uncontended paths of Lock and Queue, flat. Whatever has to wait or to raise is in _sync.py and
 * _queue.py, in the methods named below. Knows nothing of waiters but wake(). Each method looks first whether it
 * is in the thread that the object belongs to (0: none yet); the slow methods find out which of the reasons it was. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

static PyObject *str_acquire, *str_release, *str_wait_for_place, *str_wait_for_item, *str_wake;

static PyObject *call(PyObject *self, PyObject *method) { return PyObject_CallMethodNoArgs(self, method); }

/* ---- Lock ---- */

enum { FREE, LOCKED, HANDED_OVER };

typedef struct {
    PyObject_HEAD
    PyObject *waiters; /* deque */
    unsigned long thread;
    int state;
} Lock;

static int lock_traverse(Lock *lock, visitproc visit, void *arg) {
    Py_VISIT(lock->waiters);
    return 0;
}

static int lock_clear(Lock *lock) {
    Py_CLEAR(lock->waiters);
    return 0;
}

static void lock_dealloc(Lock *lock) {
    PyObject_GC_UnTrack(lock);
    lock_clear(lock);
    Py_TYPE(lock)->tp_free(lock);
}

static int lock_take(Lock *lock) {
    if (lock->state == FREE && lock->thread == PyThread_get_thread_ident()) {
        lock->state = LOCKED;
        return 0;
    }
    PyObject *done = call((PyObject *)lock, str_acquire);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static PyObject *lock_acquire(Lock *lock, PyObject *Py_UNUSED(ignored)) {
    return lock_take(lock) ? NULL : Py_NewRef(Py_True);
}

static PyObject *lock_enter(Lock *lock, PyObject *Py_UNUSED(ignored)) {
    return lock_take(lock) ? NULL : Py_NewRef(Py_None);
}

static PyObject *lock_release(Lock *lock, PyObject *Py_UNUSED(ignored)) {
    if (lock->state != LOCKED || lock->thread != PyThread_get_thread_ident() || !lock->waiters ||
        PyObject_Size(lock->waiters))
        return call((PyObject *)lock, str_release);
    lock->state = FREE;
    Py_RETURN_NONE;
}

static PyObject *lock_exit(Lock *lock, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(n)) {
    return lock_release(lock, NULL);
}

static PyMethodDef lock_methods[] = {
    {"acquire", (PyCFunction)lock_acquire, METH_NOARGS,
     "acquire($self, /)\n--\n\nWait until the lock is free, and take it.\n\n"
     "Raises: Cancelled, UnsafeSwitchError: as in `sleep`."},
    {"release", (PyCFunction)lock_release, METH_NOARGS,
     "release($self, /)\n--\n\nGive the lock up; who has waited longest gets it. Never blocks.\n\n"
     "Raises: GleenletError, a RuntimeError: it is not locked."},
    {"__enter__", (PyCFunction)lock_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL, NULL},
    {NULL}};

static PyMemberDef lock_members[] = {{"_thread", T_ULONG, offsetof(Lock, thread), 0, NULL},
                                     {"_state", T_INT, offsetof(Lock, state), 0, NULL},
                                     {"_waiters", T_OBJECT, offsetof(Lock, waiters), 0, NULL},
                                     {NULL}};

static PyTypeObject LockType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._fast.Lock",
    .tp_basicsize = sizeof(Lock),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_traverse = (traverseproc)lock_traverse,
    .tp_clear = (inquiry)lock_clear,
    .tp_dealloc = (destructor)lock_dealloc,
    .tp_methods = lock_methods,
    .tp_members = lock_members,
};

/* ---- Ring: a deque that put() and get() reach into ---- */

typedef struct {
    PyObject_HEAD
    PyObject **slots;
    Py_ssize_t head, count, size; /* size: 0 or a power of two */
} Ring;

static int ring_push(Ring *ring, PyObject *item) {
    if (ring->count == ring->size) {
        Py_ssize_t size = ring->size ? 2 * ring->size : 16;
        PyObject **slots = PyMem_New(PyObject *, size);
        if (!slots) {
            PyErr_NoMemory();
            return -1;
        }
        for (Py_ssize_t i = 0; i < ring->count; i++)
            slots[i] = ring->slots[(ring->head + i) & (ring->size - 1)];
        PyMem_Free(ring->slots);
        ring->slots = slots;
        ring->size = size;
        ring->head = 0;
    }
    ring->slots[(ring->head + ring->count++) & (ring->size - 1)] = Py_NewRef(item);
    return 0;
}

static PyObject *ring_pop(Ring *ring) { /* not from an empty one */
    PyObject *item = ring->slots[ring->head];
    ring->head = (ring->head + 1) & (ring->size - 1);
    ring->count--;
    return item;
}

static PyObject *ring_append(Ring *ring, PyObject *item) { return ring_push(ring, item) ? NULL : Py_NewRef(Py_None); }

static PyObject *ring_popleft(Ring *ring, PyObject *Py_UNUSED(ignored)) {
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
        Py_VISIT(ring->slots[(ring->head + i) & (ring->size - 1)]);
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
        return Py_NewRef(ring->slots[(ring->head + i) & (ring->size - 1)]);
    PyErr_SetString(PyExc_IndexError, "beyond the end of the ring");
    return NULL;
}

static PyObject *ring_remove(Ring *ring, PyObject *item) { /* by identity; ValueError as a deque */
    for (Py_ssize_t i = 0; i < ring->count; i++)
        if (ring->slots[(ring->head + i) & (ring->size - 1)] == item) {
            for (; i + 1 < ring->count; i++)
                ring->slots[(ring->head + i) & (ring->size - 1)] =
                    ring->slots[(ring->head + i + 1) & (ring->size - 1)];
            ring->count--;
            Py_DECREF(item);
            Py_RETURN_NONE;
        }
    PyErr_SetString(PyExc_ValueError, "not in the ring");
    return NULL;
}

static PyMethodDef ring_methods[] = {{"remove", (PyCFunction)ring_remove, METH_O, NULL},
                                     {"append", (PyCFunction)ring_append, METH_O, NULL},
                                     {"popleft", (PyCFunction)ring_popleft, METH_NOARGS, NULL},
                                     {"clear", (PyCFunction)ring_clear, METH_NOARGS, NULL},
                                     {NULL}};

static PySequenceMethods ring_as_sequence = {.sq_length = (lenfunc)ring_length, .sq_item = (ssizeargfunc)ring_item};

static PyTypeObject RingType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._fast.Ring",
    .tp_basicsize = sizeof(Ring),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_traverse = (traverseproc)ring_traverse,
    .tp_clear = (inquiry)ring_empty,
    .tp_dealloc = (destructor)ring_dealloc,
    .tp_methods = ring_methods,
    .tp_as_sequence = &ring_as_sequence,
};

/* ---- Queue ---- */

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
        PyObject *waiter = ring_pop(waiters);
        PyObject *woken = PyObject_CallMethodNoArgs(waiter, str_wake);
        Py_DECREF(waiter);
        if (!woken)
            return -1;
        *promised += woken == Py_True;
        Py_DECREF(woken);
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

static PyObject *queue_put(Queue *queue, PyObject *item) {
    if (!complete(queue))
        return NULL;
    if (queue->places || queue->thread != PyThread_get_thread_ident() || size_of(queue->items) >= queue->room) {
        PyObject *done = call((PyObject *)queue, str_wait_for_place);
        if (!done)
            return NULL;
        Py_DECREF(done);
    }
    if (Py_IS_TYPE(queue->items, &RingType)) {
        if (ring_push((Ring *)queue->items, item))
            return NULL;
    } else {
        PyObject *appended = PyObject_CallOneArg(queue->append, item);
        if (!appended) { /* a PriorityQueue compares items; the place goes to the next */
            PyObject *type, *value, *traceback;
            PyErr_Fetch(&type, &value, &traceback);
            if (promise_places(queue, 0))
                PyErr_WriteUnraisable((PyObject *)queue);
            PyErr_Restore(type, value, traceback);
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
    if (queue->items_due || queue->thread != PyThread_get_thread_ident() || size_of(queue->items) <= 0) {
        PyObject *done = call((PyObject *)queue, str_wait_for_item);
        if (!done)
            return NULL;
        Py_DECREF(done);
    }
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
    queue->getters = (Ring *)RingType.tp_alloc(&RingType, 0);
    queue->putters = (Ring *)RingType.tp_alloc(&RingType, 0);
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

static PyTypeObject QueueType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._fast.Queue",
    .tp_basicsize = sizeof(Queue),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = queue_new,
    .tp_traverse = (traverseproc)queue_traverse,
    .tp_clear = (inquiry)queue_clear,
    .tp_dealloc = (destructor)queue_dealloc,
    .tp_methods = queue_methods,
    .tp_members = queue_members,
};

static int fast_exec(PyObject *module) {
    if (!(str_acquire = PyUnicode_InternFromString("_acquire")) ||
        !(str_release = PyUnicode_InternFromString("_release")) ||
        !(str_wait_for_place = PyUnicode_InternFromString("_wait_for_place")) ||
        !(str_wait_for_item = PyUnicode_InternFromString("_wait_for_item")) ||
        !(str_wake = PyUnicode_InternFromString("wake")) || PyModule_AddType(module, &LockType) ||
        PyModule_AddType(module, &RingType) || PyModule_AddType(module, &QueueType))
        return -1;
    return 0;
}

static PyModuleDef_Slot fast_slots[] = {{Py_mod_exec, fast_exec},
#if PY_VERSION_HEX >= 0x030C0000
                                        {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
                                        {0, NULL}};

static PyModuleDef fast_module = {PyModuleDef_HEAD_INIT, .m_name = "gleenlet._fast", .m_slots = fast_slots};

PyMODINIT_FUNC PyInit__fast(void) { return PyModuleDef_Init(&fast_module); }
