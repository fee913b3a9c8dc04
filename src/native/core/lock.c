/* Event and Lock. _sync.py makes of them what users see, in subclasses. */
#include "core.h"

#include <structmember.h>

/* ---- whose thread? ---- */

int claim(unsigned long *thread, PyObject *what) { /* bind `what` to this thread; -1: it is another's */
    unsigned long here = this_thread();
    if (*thread && *thread != here) {
        PyErr_Format(GleenletError,
                     "this %s belongs to another thread, the first to use it: use Hub.call_soon_threadsafe() or "
                     "from_thread() to enter that one from here",
                     Py_TYPE(what)->tp_name);
        return -1;
    }
    *thread = here;
    return 0;
}

PyObject *core_claim(PyObject *Py_UNUSED(module), PyObject *args) {
    unsigned long thread;
    PyObject *what;
    if (!PyArg_ParseTuple(args, "kO", &thread, &what) || claim(&thread, what))
        return NULL;
    return PyLong_FromUnsignedLong(thread);
}

/* ---- Event ---- */

typedef struct {
    PyObject_HEAD
    Ring *waiters;
    unsigned long thread;
    uint8_t set;
    PyObject *unused;                       /* Lock's holder */
} Event;

static PyObject *event_is_set(Event *event, PyObject *Py_UNUSED(ignored)) { return PyBool_FromLong(event->set); }

static PyObject *event_set(Event *event, PyObject *Py_UNUSED(ignored)) {
    if (claim(&event->thread, (PyObject *)event))
        return NULL;
    if (!event->set) {
        event->set = 1;
        while (event->waiters->count)
            if (wake_next(event->waiters) < 0)
                return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *event_clear(Event *event, PyObject *Py_UNUSED(ignored)) {
    if (claim(&event->thread, (PyObject *)event))
        return NULL;
    event->set = 0;
    Py_RETURN_NONE;
}

static PyObject *event_wait(Event *event, PyObject *Py_UNUSED(ignored)) {
    int woken;
    if (claim(&event->thread, (PyObject *)event) || (!event->set && wait_in_line(event->waiters, &woken, (PyObject *)event, verb_event)))
        return NULL;
    Py_RETURN_TRUE;
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

/* ---- Lock ---- */

enum { FREE, LOCKED, HANDED_OVER }; /* the last: free, but promised to a woken waiter, and newcomers queue behind him */

typedef struct {
    PyObject_HEAD
    Ring *waiters;
    unsigned long thread;
    uint8_t state;
    PyObject *holder;                       /* the context it was taken in, for who asks: a task has one of its own */
} Lock;

static int hand_over(Lock *lock) {
    int woken = wake_next(lock->waiters);
    lock->state = woken > 0 ? HANDED_OVER : FREE;
    Py_CLEAR(lock->holder);
    return woken < 0 ? -1 : 0;
}

static int lock_take(Lock *lock) {
    int woken;
    if (claim(&lock->thread, (PyObject *)lock))
        return -1;
    if (lock->state && wait_in_line(lock->waiters, &woken, (PyObject *)lock, verb_lock)) {
        if (woken) {
            PyObject *error = take_exception();
            if (hand_over(lock))
                PyErr_WriteUnraisable((PyObject *)lock);
            raise_exception(error);
        }
        return -1;
    }
    lock->state = LOCKED;
    lock->holder = Py_XNewRef(PyThreadState_Get()->context);
    return 0;
}

static PyObject *lock_acquire(Lock *lock, PyObject *Py_UNUSED(ignored)) {
    return lock_take(lock) ? NULL : Py_NewRef(Py_True);
}

static PyObject *lock_enter(Lock *lock, PyObject *Py_UNUSED(ignored)) {
    return lock_take(lock) ? NULL : Py_NewRef(Py_None);
}

static PyObject *lock_release(Lock *lock, PyObject *Py_UNUSED(ignored)) {
    if (claim(&lock->thread, (PyObject *)lock))
        return NULL;
    if (lock->state != LOCKED)
        return PyErr_Format(GleenletError, "Lock is not acquired: release() without acquire()");
    if (hand_over(lock))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *lock_exit(Lock *lock, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(n)) {
    return lock_release(lock, NULL);
}

static PyObject *lock_locked(Lock *lock, PyObject *Py_UNUSED(ignored)) {
    return PyBool_FromLong(lock->state == LOCKED);
}

static PyMethodDef lock_methods[] = {
    {"locked", (PyCFunction)lock_locked, METH_NOARGS, "locked($self, /)\n--\n\nHas anybody got it? Thread: any."},
    {"acquire", (PyCFunction)lock_acquire, METH_NOARGS,
     "acquire($self, /)\n--\n\nWait until the lock is free, and take it.\n\n"
     "Raises: Cancelled, UnsafeSwitchError: as in `sleep`."},
    {"release", (PyCFunction)lock_release, METH_NOARGS,
     "release($self, /)\n--\n\nGive the lock up; who has waited longest gets it. Never blocks.\n\n"
     "Raises: GleenletError, a RuntimeError: it is not locked."},
    {"__enter__", (PyCFunction)lock_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL, NULL},
    {NULL}};

/* ---- what both are as objects ---- */

static PyObject *new_with_line(PyTypeObject *type, PyObject *args, PyObject *names) {
    if (type->tp_init == PyBaseObject_Type.tp_init && (PyTuple_GET_SIZE(args) || (names && PyDict_GET_SIZE(names))))
        return PyErr_Format(PyExc_TypeError, "%s() takes no arguments", type->tp_name);
    Event *self = (Event *)type->tp_alloc(type, 0);
    if (self && !(self->waiters = new_ring()))
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int traverse_line(Event *self, visitproc visit, void *arg) {
    Py_VISIT(self->waiters);
    Py_VISIT(self->unused);
    return 0;
}

static int clear_line(Event *self) {
    Py_CLEAR(self->unused);
    return 0;
}

static void dealloc_with_line(Event *self) {
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->waiters);
    Py_CLEAR(self->unused);
    Py_TYPE(self)->tp_free(self);
}

_Static_assert(offsetof(Event, unused) == offsetof(Lock, holder), "Event and Lock share their life cycle");
static PyMemberDef line_members[] = {{"_waiters", T_OBJECT, offsetof(Event, waiters), READONLY, NULL},
                                     {"_thread", T_ULONG, offsetof(Event, thread), READONLY, NULL},
                                     {"_holder", T_OBJECT, offsetof(Lock, holder), READONLY, NULL},
                                     {NULL}};

#define TYPE_WITH_LINE                                                                                                \
    .tp_basicsize = sizeof(Event), .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,          \
    .tp_new = new_with_line, .tp_traverse = (traverseproc)traverse_line, .tp_dealloc = (destructor)dealloc_with_line, \
    .tp_clear = (inquiry)clear_line, .tp_members = line_members

PyTypeObject EventType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Event", TYPE_WITH_LINE, .tp_methods = event_methods};

PyTypeObject LockType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Lock", TYPE_WITH_LINE, .tp_methods = lock_methods};

/* ---- own_methods ---- */

const char own_methods_doc[] = "A decorator for subclasses of C types: they get method descriptors of their own.\n\n"
    "CPython takes its fast way to a C method only if the object's class is exactly the descriptor's.";

PyObject *core_own_methods(PyObject *Py_UNUSED(module), PyObject *type) {
    PyTypeObject *base = PyType_Check(type) ? ((PyTypeObject *)type)->tp_base : NULL;
    while (base && (base->tp_flags & Py_TPFLAGS_HEAPTYPE))
        base = base->tp_base;
    for (PyMethodDef *method = base ? base->tp_methods : NULL; method && method->ml_name; method++) {
        PyObject *own = PyDescr_NewMethod((PyTypeObject *)type, method);
        int failed = !own || PyObject_SetAttrString(type, method->ml_name, own);
        Py_XDECREF(own);
        if (failed)
            return NULL;
    }
    return Py_NewRef(type);
}
