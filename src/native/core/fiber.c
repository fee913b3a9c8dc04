/* Fiber: a greenlet of ours, born at the floor, that runs one Job after another. */
#include "stack.h"

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

__attribute__((noinline)) void finish(Hub *hub, Job *job, PyObject *result) { /* steals; result or exception is set */
    if (result && job->pending) { /* cancelled in its last step: as in asyncio, that counts */
        Py_DECREF(result);
        result = NULL;
        raise_exception(job->pending);
        job->pending = NULL;
    }
    if (result) {
        job->value = result;
        job->state = DONE;
    } else {
        job->value = take_exception();
        job->state = PyErr_GivenExceptionMatches(job->value, PyExc_GreenletExit) ? CANCELLED : FAILED;
    }
    observe(hub, ENDS, job);
    if (job->previous)
        job->previous->following = job->following;
    else
        hub->jobs = job->following;
    if (job->following)
        job->following->previous = job->previous;
    hub->n_jobs--;
    job->fiber = NULL;
    Py_CLEAR(job->pending);
    job->held = Py_REFCNT(job) > 2; /* by somebody else than the list and the Fiber */
    Py_XSETREF(job->func, job->name == Py_None && (job->held || job->state == FAILED) ? func_name(job->func) : NULL);
    if (!job->func) /* no memory for it: it goes without */
        PyErr_Clear();
    Py_CLEAR(job->args);
    Py_CLEAR(job->kwargs);
    PyObject_GC_Track(job->context); /* I5: from here on both may be garbage */
    if (PyObject_IS_GC(job->value) || !job->plain) /* else it is in no cycle */
        PyObject_GC_Track(job);
    Py_CLEAR(job->context);
    if (job->callbacks || job->state == FAILED) {
        PyObject *done = PyObject_CallMethodNoArgs((PyObject *)job, str_finished);
        for (int i = 0; !done && i < 10 && PyErr_ExceptionMatches(PyExc_MemoryError); i++) { /* nobody must wait on */
            PyErr_Clear();
            done = PyObject_CallMethodNoArgs((PyObject *)job, str_finished);
        }
        report_failed(hub, done, (PyObject *)job);
    }
    Py_DECREF(job); /* the list's */
}

PyObject *hub_tasks(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    PyObject *list = PyList_New(0);
    for (Job *job = hub->jobs; list && job; job = job->following)
        if (PyList_Append(list, (PyObject *)job))
            Py_CLEAR(list);
    if (list && PyList_Reverse(list))
        Py_CLEAR(list);
    return list;
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
    int thrown = 0;
    fiber->base = __builtin_frame_address(0);
    Py_INCREF(fiber);
    PyObject_GC_UnTrack(current); /* I5 */
    for (;;) {
        Job *job = fiber->job;
        job->state = STARTED;
        job->fiber = fiber;
        if (!thrown && !PyCFunction_Check(job->func)) /* which has no Python frame */
            begin_python_stack(hub->stack_chunk);
        PyObject *result = NULL;
        if (thrown)
            thrown = 0;
        else if (job->pending) {
            raise_exception(job->pending);
            job->pending = NULL;
        } else
            result = call((Handle *)job);
        finish(hub, job, result);
        fiber->job = NULL;
        Py_DECREF(job);
        Lane *lane = hub->choose ? NULL : next_step(hub);
        if (lane && lane->head->kind == &job_kind) {
            fiber->job = (Job *)take(lane);
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
        thrown = !back; /* a trace function of greenlet's raised at the switch to here: the job ends with that */
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

static Fiber *take_from_pool(Hub *hub, Job *job) { /* with its greenlet, which is the caller's; steals the job */
    Fiber *fiber = hub->pool;
    hub->pool = fiber->next;
    hub->n_pool--;
    fiber->job = job;
    return fiber;
}

/* From home only where there is no idle Fiber: birth needs the floor. */
static void job_run(Hub *hub, Item *item) {
    int idle = hub->pool != NULL;
    Fiber *fiber = idle ? take_from_pool(hub, (Job *)item) : new_fiber(hub, (Job *)item);
    if (!fiber) {
        push(item);
        report(hub, (PyObject *)hub);
        return;
    }
    PyGreenlet *greenlet = fiber->greenlet;
    hub->steps++;
    hub->home.running = fiber;
    PyObject *result = idle ? PyGreenlet_Switch(greenlet, NULL, NULL) : switch_at_floor(hub->floor, greenlet, NULL, NULL);
    fiber = result ? NULL : as_fiber(greenlet);
    if (fiber && fiber->job && fiber->job->state == NEW) { /* a trace function of greenlet's raised: it died unborn */
        Job *job = fiber->job;
        fiber->job = NULL;
        finish(hub, job, NULL);
        Py_DECREF(job);
    } else
        report_failed(hub, result, (PyObject *)hub);
    Py_DECREF(greenlet);
}

static PyGreenlet *job_hand_over(Lane *lane, PyGreenlet *Py_UNUSED(current)) {
    return lane->hub->pool ? take_from_pool(lane->hub, (Job *)take(lane))->greenlet : NULL;
}

const Kind job_kind = {JOB, push, job_run, job_hand_over};

int ready_fiber_type(void) {
    FiberType.tp_base = &PyDict_Type;
    fiber_run_function = PyCFunction_New(&fiber_run_def, NULL);
    no_arguments = PyTuple_New(0);
    return fiber_run_function && no_arguments ? PyType_Ready(&FiberType) : -1;
}
