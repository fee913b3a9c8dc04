/* Fiber: a greenlet of ours, born at the floor, that runs one Job after another. */
#include "core.h"

static void fiber_dealloc(Fiber *fiber) { /* never while it is active (I5) */
    PyObject_GC_UnTrack(fiber);
    Py_CLEAR(fiber->hub);
    Py_CLEAR(fiber->job);
    PyDict_Type.tp_dealloc((PyObject *)fiber);
}

static int fiber_traverse(Fiber *fiber, visitproc visit, void *arg) {
    Py_VISIT(fiber->hub);
    Py_VISIT(fiber->job);
    return PyDict_Type.tp_traverse((PyObject *)fiber, visit, arg);
}

PyTypeObject FiberType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Fiber",
    .tp_doc = "The __dict__ of a greenlet of the pool, born at the floor; it runs one task after another.",
    .tp_basicsize = sizeof(Fiber),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)fiber_dealloc,
    .tp_traverse = (traverseproc)fiber_traverse,
};

__attribute__((noinline)) static void leave_pool(Hub *hub, Fiber *fiber) {
    for (Fiber **link = &hub->pool; *link; link = &(*link)->next)
        if (*link == fiber) {
            *link = fiber->next;
            hub->n_pool--;
            Py_DECREF(fiber->greenlet);
            return;
        }
}

/* The body of every Fiber: one job after another, without a switch between them where the next one is not started. */
static PyObject *fiber_run(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    PyGreenlet *current = PyGreenlet_GetCurrent();
    Fiber *fiber = current ? as_fiber(current) : NULL;
    if (!fiber || !fiber->job || fiber->base) {
        Py_XDECREF(current);
        return PyErr_Format(GleenletError, "this greenlet belongs to gleenlet's pool: use spawn()");
    }
    Hub *hub = fiber->hub;
    int refused = 0;
    fiber->base = __builtin_frame_address(0);
    Py_INCREF(fiber);
    PyObject_GC_UnTrack(current); /* I5 */
    for (;;) {
        Job *job = fiber->job;
        job->state = STARTED;
        job->fiber = fiber;
        if (!refused && !PyCFunction_Check(job->func)) /* which has no Python frame */
            begin_python_stack(hub->stack_chunk);
        PyObject *result = NULL;
        if (refused)
            refused = 0;
        else if (job->pending) {
            raise_exception(job->pending);
            job->pending = NULL;
        } else if (!PyContext_Enter(job->context)) {
            PyObject *context = Py_NewRef(job->context);
            result = PyObject_Call(job->func, job->args, job->kwargs);
            PyObject *exception = result ? NULL : take_exception();
            if (PyContext_Exit(context))
                PyErr_Clear();
            Py_DECREF(context);
            if (exception)
                raise_exception(exception);
        }
        finish(hub, job, result);
        fiber->job = NULL;
        Py_DECREF(job);
        Lane *lane = hub->choose ? NULL : next_step(hub);
        if (lane && lane->head->kind == &job_kind) {
            fiber->job = (Job *)pop(lane);
            if (hub->observer)
                observe(hub, BEGINS, fiber->job);
            hub->home.running = fiber;
            hub->steps++;
            continue;
        }
        if (hub->n_pool >= POOL_MAX || !hub->open || as_fiber(current) != fiber) /* somebody set its __dict__ */
            break;
        fiber->next = hub->pool;
        hub->pool = fiber;
        hub->n_pool++;
        Py_INCREF(current);
        PyObject *back = leave(hub, current);
        Py_XDECREF(back);
        if (!fiber->job) { /* somebody switched or threw by hand into the pool */
            PyErr_Clear();
            leave_pool(hub, fiber);
            break;
        }
        refused = !back; /* a trace function of greenlet's raised at the switch to here: the job ends with that */
    }
    if (hub->home.greenlet)
        PyGreenlet_SetParent(current, hub->home.greenlet);
    hub->home.running = NULL;
    hub->home.leaving = 1;
    PyObject_GC_Track(current); /* I5: no longer its own */
    Py_DECREF(fiber);
    Py_DECREF(current);
    Py_RETURN_NONE;
}

static PyMethodDef fiber_run_def = {"run", fiber_run, METH_NOARGS, NULL};
static PyObject *fiber_run_function, *no_arguments;

static Fiber *new_fiber(Hub *hub, Job *job) { /* with a greenlet, which is the caller's; steals the job if it succeeds */
    PyGreenlet *greenlet = PyGreenlet_New(fiber_run_function, NULL);
    Fiber *fiber = greenlet ? (Fiber *)PyDict_Type.tp_new(&FiberType, no_arguments, NULL) : NULL;
    if (!fiber) {
        Py_XDECREF(greenlet);
        return NULL;
    }
    PyObject_GC_UnTrack(fiber); /* its greenlet is in use as long as it is needed */
    fiber->greenlet = greenlet;
    fiber->hub = (Hub *)Py_NewRef(hub);
    fiber->job = job;
    Py_XSETREF(greenlet->dict, (PyObject *)fiber);
    return fiber;
}

Job *owner(PyGreenlet *greenlet) { /* the task that this greenlet works for: its own, or its ancestor's */
    Fiber *fiber = as_fiber(greenlet);
    if (fiber)
        return fiber->job;
    PyGreenlet *parent = PyGreenlet_GET_PARENT(greenlet);
    Job *job = parent ? owner(parent) : NULL;
    Py_XDECREF(parent);
    return job;
}

/* What job_kind does. From home only where there is no idle Fiber: birth needs the floor. */
void job_run(Hub *hub, Item *item) {
    Job *job = (Job *)item;
    Fiber *fiber = hub->pool;
    PyGreenlet *greenlet;
    PyObject *result;
    hub->steps++;
    if (fiber) {
        hub->pool = fiber->next;
        hub->n_pool--;
        fiber->job = job;
        hub->home.running = fiber;
        greenlet = fiber->greenlet;
        result = PyGreenlet_Switch(greenlet, NULL, NULL);
    } else {
        fiber = new_fiber(hub, job);
        if (!fiber) {
            push(item);
            report(hub, (PyObject *)hub);
            return;
        }
        hub->home.running = fiber;
        greenlet = fiber->greenlet;
        result = switch_at_floor(hub->floor, greenlet, NULL, NULL);
    }
    fiber = result ? NULL : as_fiber(greenlet);
    if (fiber && fiber->job && fiber->job->state == NEW) { /* a trace function of greenlet's raised: it died unborn */
        job = fiber->job;
        fiber->job = NULL;
        finish(hub, job, NULL);
        Py_DECREF(job);
    } else if (!result)
        report(hub, (PyObject *)hub);
    Py_XDECREF(result);
    Py_DECREF(greenlet);
}

PyGreenlet *job_hand_over(Lane *lane, PyGreenlet *Py_UNUSED(current)) {
    Hub *hub = lane->hub;
    Fiber *fiber = hub->pool;
    if (!fiber)
        return NULL;
    fiber->job = (Job *)take(lane);
    hub->pool = fiber->next;
    hub->n_pool--;
    return fiber->greenlet;
}

int ready_fiber_type(void) {
    FiberType.tp_base = &PyDict_Type;
    fiber_run_function = PyCFunction_New(&fiber_run_def, NULL);
    no_arguments = PyTuple_New(0);
    return fiber_run_function && no_arguments ? PyType_Ready(&FiberType) : -1;
}
