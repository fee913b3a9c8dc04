/* Lock. */
#include "core.h"

#include <stddef.h>
#include <structmember.h>

typedef struct {
    ThreadBound bound;
    Line line;
    uint8_t locked;
    PyObject *holder;                       /* the context it was taken in, for who asks: a task has one of its own */
} Lock;

static int lock_traverse(Lock *lock, visitproc visit, void *arg) {
    Py_VISIT(lock->holder);
    return 0;
}

static int lock_clear(Lock *lock) {
    Py_CLEAR(lock->holder);
    return 0;
}

static void lock_dealloc(Lock *lock) {
    PyObject_GC_UnTrack(lock);
    lock_clear(lock);
    ThreadBoundType.tp_dealloc((PyObject *)lock);
}

static int hand_over(PyObject *self) {
    Lock *lock = (Lock *)self;
    lock->locked = 0;
    Py_CLEAR(lock->holder);
    return wake_next(&lock->line) < 0;
}

static int lock_take(Lock *lock) {
    if (claim(&lock->bound))
        return -1;
    if (lock->locked || lock->line.promised) {
        PyObject *woken = wait_in_line(&lock->line, (PyObject *)lock, verb_lock, hand_over, (PyObject *)lock);
        if (!woken)
            return -1;
        Py_DECREF(woken);
    }
    lock->locked = 1;
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
    if (claim(&lock->bound))
        return NULL;
    if (!lock->locked)
        return PyErr_Format(GleenletError, "Lock is not acquired: release() without acquire()");
    if (hand_over((PyObject *)lock))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *lock_exit(Lock *lock, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(n)) {
    return lock_release(lock, NULL);
}

static PyObject *lock_locked(Lock *lock, PyObject *Py_UNUSED(ignored)) {
    return PyBool_FromLong(lock->locked);
}

static PyObject *lock_repr(Lock *lock) {
    return describe((PyObject *)lock, lock->locked ? "locked" : "unlocked", line_length(&lock->line));
}

static PyObject *lock_waiting(Lock *lock, void *Py_UNUSED(closure)) {
    return PyLong_FromSsize_t(line_length(&lock->line));
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

static PyMemberDef lock_members[] = {
    {"holder", T_OBJECT, offsetof(Lock, holder), READONLY, "Seam: the context whose code has it, or None."}, {NULL}};

static PyGetSetDef lock_getset[] = {{"waiting", (getter)lock_waiting, NULL, "Seam: how many wait for it.", NULL}, {NULL}};

PyTypeObject LockType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet.Lock",
    .tp_doc = PyDoc_STR("A lock, as `asyncio.Lock`: it has no owner, and goes to those who wait first come, first served.\n\n"
                        ">>> lock = Lock()\n"
                        ">>> with lock:\n"
                        "...     lock.locked()\n"
                        "True\n"),
    .tp_base = &ThreadBoundType,
    .tp_basicsize = sizeof(Lock),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_init = takes_nothing,
    .tp_repr = (reprfunc)lock_repr,
    .tp_traverse = (traverseproc)lock_traverse,
    .tp_clear = (inquiry)lock_clear,
    .tp_dealloc = (destructor)lock_dealloc,
    .tp_methods = lock_methods,
    .tp_members = lock_members,
    .tp_getset = lock_getset,
};
