/* The floor, the probe, and which greenlets fit: how no switch moves a frame of the loop (I1 to I3). */
#include "platform.h"
#include "stack.h"

#include <errno.h>

char *find_floor(size_t reserve) {
    char *top;
    size_t size;
    int error = find_stack(&top, &size);
    if (error) {
        errno = error;
        if (error == EMFILE || error == ENFILE)
            PyErr_SetFromErrno(PyExc_OSError);
        else
            PyErr_Format(GleenletError, "this thread's stack cannot be found out: %s", strerror(error));
        return NULL;
    }
    if (!reserve) {
        reserve = size / 8;
        reserve = reserve < 65536 ? 65536 : reserve > 1048576 ? 1048576 : reserve;
    }
    if (size < reserve + 131072) {
        PyErr_Format(GleenletError,
                     "this thread's stack of %zu KiB is too small: %zu KiB are kept for the loop and tasks need "
                     "128 KiB more; call threading.stack_size(%zu * 1024) before the thread is started",
                     size / 1024, reserve / 1024, reserve / 1024 + 192);
        return NULL;
    }
    if ((char *)__builtin_frame_address(0) < top - reserve + 4096) {
        PyErr_Format(GleenletError,
                     "the hub is made too deep in this thread's stack: beyond the %zu KiB kept for the loop; "
                     "call get_hub() earlier, or raise Hub.stack_reserve before",
                     reserve / 1024);
        return NULL;
    }
    return top - reserve;
}

/* I3, for a greenlet that somebody else started. greenlet tells how much of its stack it has saved, and we know where
 * it blocked: the sum is an upper bound of its base, exact to a few hundred bytes. It fits if that lies below the
 * dispatch. Where we did not see it block, nothing is known, and only a loop with no callback under it will do: one
 * with GLib's own dispatch and ours on the stack, no emission. */
int fits(Hub *hub, PyGreenlet *greenlet, char *stack) {
    if (!PyGreenlet_STARTED(greenlet) || as_fiber(greenlet))
        return 1;
    PyObject *born_here = PyObject_GetAttrString((PyObject *)greenlet, "_gleenlet_floor");
    if (born_here) {
        Py_DECREF(born_here);
        return 1;
    }
    PyErr_Clear();
    if (!stack)
        return hub->home.count <= 2 && main_depth() <= 1;
    PyObject *saved = PyObject_GetAttr((PyObject *)greenlet, str_stack_saved);
    Py_ssize_t size = saved ? PyLong_AsSsize_t(saved) : -1;
    Py_XDECREF(saved);
    if (size < 0) {
        PyErr_Clear();
        return 0;
    }
    return stack + size <= hub->home.frame;
}

void hold(Hub *hub, Item *item) { /* steals; until a shallower dispatch */
    Item **link = &hub->held;
    while (*link)
        link = &(*link)->next;
    *link = item;
    item->next = NULL;
    item->queued = 1; /* another outcome meanwhile queues it no second time */
    hub->held_at = hub->home.frame;
}

/* F5, I2: may the current greenlet be switched away from? */
int may_switch(Hub *hub, PyGreenlet *current) {
    return hub->home.greenlet && hub->home.greenlet != current && callback_count(PyThreadState_Get()) == hub->home.count;
}

/* ---- the collector ---- */

PyThreadState *collector;

static PyObject *collection(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t n) { /* "start" or "stop" */
    if (n && PyUnicode_Check(args[0]))
        collector = PyUnicode_CompareWithASCIIString(args[0], "start") ? NULL : PyThreadState_Get();
    Py_RETURN_NONE;
}

static PyMethodDef collection_def = {"gleenlet_collection", (PyCFunction)(void (*)(void))collection, METH_FASTCALL,
                                     "Tells gleenlet of a collection, inside which nothing may wait."};

int watch_collector(void) { /* one collection at a time in a process, so one word says who runs it */
    PyObject *gc = PyImport_ImportModule("gc"), *callbacks = gc ? PyObject_GetAttrString(gc, "callbacks") : NULL;
    PyObject *function = callbacks ? PyCFunction_New(&collection_def, NULL) : NULL;
    int failed = !function || PyList_Insert(callbacks, 0, function);
    Py_XDECREF(function);
    Py_XDECREF(callbacks);
    Py_XDECREF(gc);
    return failed;
}
