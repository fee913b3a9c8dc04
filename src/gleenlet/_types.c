/* What Python sees of the core: Waiter, Call, Job, Fiber, Hub, sleep(). The invariants stand in _core.h. */
#include "_core.h"

#include <math.h>
#include <structmember.h>

PyObject *GleenletError, *str_finished, *str_report, *str_complain, *str_stack_saved,
    *str_wait_for_place, *str_wait_for_item;
static PyObject *find_hub, *str_block;
static PyObject *guest_hub, *guest_block; /* another loop whose hub is a greenlet here: see set_guest() */
static __thread Hub *current_hub; /* borrowed: the one this thread asked for last */

/* ---- where are we? ---- */

static Hub *get_hub(PyGreenlet *current) { /* borrowed: of this greenlet, else of this thread and its context */
    if (Py_IS_TYPE(current, &FiberType))
        return ((Fiber *)current)->hub;
    if (current_hub && !current_hub->closed && current_hub->context == context_peek())
        return current_hub;
    PyObject *hub = find_hub ? PyObject_CallNoArgs(find_hub) : NULL;
    if (!hub)
        return NULL;
    Py_DECREF(hub); /* its thread keeps it */
    return current_hub = (Hub *)hub;
}

static Job *owner(PyGreenlet *greenlet) { /* the task that this greenlet works for: its own, or its ancestor's */
    if (Py_IS_TYPE(greenlet, &FiberType))
        return ((Fiber *)greenlet)->job;
    PyGreenlet *parent = PyGreenlet_GET_PARENT(greenlet);
    Job *job = parent ? owner(parent) : NULL;
    Py_XDECREF(parent);
    return job;
}

/* -1: an error is set; 0: no limit; 1: nanoseconds from now are stored. */
static int parse_seconds(PyObject *number, const char *what, int64_t *span) {
    if (number == Py_None)
        return 0;
    double seconds = PyFloat_CheckExact(number) ? PyFloat_AS_DOUBLE(number) : PyFloat_AsDouble(number);
    if (seconds == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Clear();
            return 0;
        }
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_TypeError, "%s must be a number of seconds%s, not %.100s", what,
                         strcmp(what, "timeout") ? "" : " or None", Py_TYPE(number)->tp_name);
        return -1;
    }
    if (!(seconds >= 0)) {
        PyErr_Format(PyExc_ValueError, "%s must be 0 or more seconds, not %S", what, number);
        return -1;
    }
    if (seconds > 9e9)
        return 0;
    *span = (int64_t)(seconds * 1e9);
    return 1;
}

/* ---- Waiter ---- */

Waiter *waiter_here(PyGreenlet **current) { /* of the greenlet that runs, which is the caller's to release */
    Hub *hub = (*current = PyGreenlet_GetCurrent()) ? get_hub(*current) : NULL;
    return hub && here(hub) ? new_waiter(hub) : NULL;
}

Waiter *timed_waiter(PyObject *timeout, PyGreenlet **current) { /* as waiter_here() */
    int64_t span = 0;
    int limited = parse_seconds(timeout, "timeout", &span);
    *current = NULL;
    Waiter *waiter = limited < 0 ? NULL : waiter_here(current);
    if (waiter && limited)
        waiter->deadline = clock_ns() + span + 1; /* never 0, which means none */
    return waiter;
}

static PyObject *waiter_vectorcall(PyObject *Py_UNUSED(type), PyObject *const *args, size_t flags, PyObject *names) {
    Py_ssize_t n = PyVectorcall_NARGS(flags);
    PyObject *timeout = n ? args[0] : Py_None;
    if (n > 1 || (names && PyTuple_GET_SIZE(names) > (n ? 0 : 1)) ||
        (names && PyTuple_GET_SIZE(names) && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "timeout")))
        return PyErr_Format(PyExc_TypeError, "Waiter() takes one argument: timeout");
    if (names && PyTuple_GET_SIZE(names))
        timeout = args[n];
    PyGreenlet *current;
    Waiter *waiter = timed_waiter(timeout, &current);
    Py_XDECREF(current);
    return (PyObject *)waiter;
}

static void waiter_dealloc(Waiter *waiter) {
    Py_XDECREF(waiter->notify);
    Py_XDECREF(waiter->value);
    Py_XDECREF(waiter->greenlet);
    Py_XDECREF(waiter->hub);
    PyObject_Free(waiter);
}

static void settle(Waiter *waiter, PyObject *value, int raises) { /* steals; NEW, WAITING or READY -> READY */
    Py_XSETREF(waiter->value, value);
    waiter->raises = raises;
    waiter->state = READY;
    drop_timer((Item *)waiter);
    ready(waiter);
}

int wake(Waiter *waiter, PyObject *value, int raises) { /* 1; 0: too late; -1: an error is set */
    if (!here(waiter->hub))
        return -1;
    if (waiter->state > WAITING)
        return 0;
    waiter->woken = 1;
    settle(waiter, Py_NewRef(value), raises);
    return 1;
}

static PyObject *decide(Waiter *waiter, PyObject *value, int raises) {
    int woken = wake(waiter, value, raises);
    return woken < 0 ? NULL : PyBool_FromLong(woken);
}

static PyObject *waiter_wake(Waiter *waiter, PyObject *const *args, Py_ssize_t n) {
    if (n > 1)
        return PyErr_Format(PyExc_TypeError, "wake() takes at most one value");
    return decide(waiter, n ? args[0] : Py_None, 0);
}

static PyObject *as_exception(PyObject *exception) { /* a new reference to an instance, or NULL with TypeError */
    if (PyExceptionInstance_Check(exception))
        return Py_NewRef(exception);
    if (PyExceptionClass_Check(exception))
        return PyObject_CallNoArgs(exception);
    return PyErr_Format(PyExc_TypeError, "an exception is needed, not %.100s", Py_TYPE(exception)->tp_name);
}

static PyObject *waiter_throw(Waiter *waiter, PyObject *exception) {
    PyObject *instance = as_exception(exception);
    PyObject *result = instance ? decide(waiter, instance, 1) : NULL;
    Py_XDECREF(instance);
    return result;
}

/* Where a plain switch is not allowed, the hub's _block() says what to do: it raises, or drives the loop until there is
 * an outcome (False), or has us go back to whoever switched to this greenlet by hand (True). */
static int block_elsewhere(Hub *hub, Waiter *waiter, PyGreenlet *current) {
    if (waiter->state == READY) /* a yield: over when the idle lane comes to it */
        push((Item *)Py_NewRef(waiter));
    PyObject *away = PyObject_CallMethodObjArgs((PyObject *)hub, str_block, waiter, NULL);
    int leaves = away ? PyObject_IsTrue(away) : -1;
    Py_XDECREF(away);
    if (leaves <= 0)
        return leaves;
    waiter->greenlet = (PyGreenlet *)Py_NewRef(current);
    if (waiter->state == READY && !waiter->queued)
        push((Item *)Py_NewRef(waiter));
    PyObject *back = leave(hub, current);
    Py_XDECREF(back);
    return back ? 0 : -1;
}

/* A guest loop (gevent) owns greenlets of its own. One that waits here waits in the guest's way: True if it did. */
static int block_in_guest(Waiter *waiter) {
    PyObject *done = guest_block ? PyObject_CallOneArg(guest_block, (PyObject *)waiter) : Py_NewRef(Py_False);
    int result = done ? PyObject_IsTrue(done) : -1;
    Py_XDECREF(done);
    return result;
}

/* leave(), and again while the guest's hub switches here by hand: what it brings becomes the outcome, but the task runs
 * when its turn comes, not on the guest's time. */
static int leave_for_guest(Hub *hub, Waiter *waiter, PyGreenlet *current) {
    PyObject *back = leave(hub, current);
    while (guest_hub && (waiter->state == WAITING || (waiter->state == READY && waiter->queued))) {
        PyObject *value = back ? back : take_exception();
        if (waiter->state == WAITING || !back) {
            waiter->woken = 1;
            settle(waiter, value, !back);
        } else
            Py_DECREF(value);
        back = PyGreenlet_Switch((PyGreenlet *)guest_hub, NULL, NULL);
    }
    Py_XDECREF(back);
    return back ? 0 : -1;
}

/* The one private way to block. `yields`: ready at once, but behind everything else. */
PyObject *wait_for(Waiter *waiter, PyGreenlet *current, int yields) {
    Hub *hub = waiter->hub;
    Job *job = owner(current);
    int failed = 0;
    if (waiter->state == WAITING || waiter->greenlet)
        return PyErr_Format(GleenletError, "another task already waits here: make a Waiter for each wait");
    if (job && job->guard && job->guard != Py_None && waiter->state == NEW) {
        PyObject *result = PyObject_CallNoArgs(job->guard);
        if (result) {
            Py_DECREF(result);
            PyErr_SetString(GleenletError, "this task must not wait here");
        }
        return NULL;
    }
    if (job && job->pending && !job->shields && (!job->guard || job->guard == Py_None)) {
        PyObject *pending = job->pending;
        job->pending = NULL;
        waiter->state = DONE;
        raise_exception(pending);
        return NULL;
    }
    if (waiter->state == NEW) {
        Waiter *outer = job ? job->waiter : NULL;
        int plain = may_switch(hub, current), ours = Py_IS_TYPE(current, &FiberType);
        waiter->lane = job ? job->lane : hub->normal;
        if (yields && waiter->lane->priority < IDLE_PRIORITY)
            waiter->lane = hub->idle;
        if (yields && guest_block && !ours)
            waiter->deadline = clock_ns();
        waiter->state = yields && !waiter->deadline ? READY : WAITING;
        if (waiter->deadline && timer_add((Item *)waiter))
            return NULL;
        if (job)
            job->waiter = waiter;
        if (!ours) {
            waiter->stack = __builtin_frame_address(0);
            failed = PyDict_SetItem(hub->foreign, (PyObject *)current, (PyObject *)waiter);
        }
        int elsewhere = failed || ours ? 0 : block_in_guest(waiter);
        if (failed || elsewhere)
            failed = failed ? failed : elsewhere < 0 ? -1 : 0;
        else if (plain) {
            waiter->greenlet = (PyGreenlet *)Py_NewRef(current);
            if (waiter->state == READY)
                push((Item *)Py_NewRef(waiter));
            failed = leave_for_guest(hub, waiter, current);
        } else
            failed = block_elsewhere(hub, waiter, current);
        drop_timer((Item *)waiter);
        Py_CLEAR(waiter->greenlet);
        if (job)
            job->waiter = outer;
        if (!ours) {
            PyObject *exception = failed ? take_exception() : NULL;
            if (PyDict_DelItem(hub->foreign, (PyObject *)current))
                PyErr_Clear();
            if (exception)
                raise_exception(exception);
        }
    }
    PyObject *value = waiter->value;
    uint8_t state = waiter->state;
    waiter->value = NULL;
    waiter->state = DONE;
    if (failed) {
        Py_XDECREF(value);
        return NULL;
    }
    if (state == WAITING)
        return PyErr_Format(GleenletError, "somebody switched to this greenlet by hand while it was waiting: "
                                           "use schedule_switch() or schedule_throw()");
    if (waiter->raises) {
        raise_exception(value);
        return NULL;
    }
    return value ? value : Py_NewRef(Py_None);
}

static PyObject *waiter_wait(Waiter *waiter, PyObject *Py_UNUSED(ignored)) {
    if (!here(waiter->hub))
        return NULL;
    PyGreenlet *current = PyGreenlet_GetCurrent();
    PyObject *result = current ? wait_for(waiter, current, 0) : NULL;
    Py_XDECREF(current);
    return result;
}

static PyObject *waiter_done(Waiter *waiter, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(waiter->state > WAITING);
}

static PyMethodDef waiter_methods[] = {
    {"wait", (PyCFunction)waiter_wait, METH_NOARGS, "Block until there is an outcome: return it or raise it."},
    {"wake", (PyCFunction)(void (*)(void))waiter_wake, METH_FASTCALL, "Have wait() return a value; False if too late."},
    {"throw", (PyCFunction)waiter_throw, METH_O, "Have wait() raise an exception; False if too late."},
    {NULL}};

static PyMemberDef waiter_members[] = {
    {"queued", T_BOOL, offsetof(Waiter, queued), READONLY, "it has an outcome and its turn is still to come"},
    {"woken", T_BOOL, offsetof(Waiter, woken), READONLY, "wake() or throw() decided this wait"},
    {"greenlet", T_OBJECT, offsetof(Waiter, greenlet), READONLY, "who waits, or None"},
    {"quiet", T_BOOL, offsetof(Waiter, quiet), 0, "the end of the time is a result, not a TimeoutError"},
    {"notify", T_OBJECT, offsetof(Waiter, notify), 0, "called instead of queueing the greenlet, by a guest loop"},
    {NULL}};

static PyGetSetDef waiter_getset[] = {{"done", (getter)waiter_done, NULL, "there is an outcome", NULL}, {NULL}};

PyTypeObject WaiterType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core.Waiter",
    .tp_doc = "One wait of one greenlet.",
    .tp_basicsize = sizeof(Waiter),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = (destructor)waiter_dealloc,
    .tp_vectorcall = waiter_vectorcall,
    .tp_methods = waiter_methods,
    .tp_members = waiter_members,
    .tp_getset = waiter_getset,
};

PyDoc_STRVAR(sleep_doc, "sleep(seconds, /)\n--\n\n"
"Suspend the current task for a time.\n\n"
"Args:\n"
"    seconds: how long, as a float; 0 lets everything else run first: other tasks, and GLib's sources,\n"
"        redraws and idle ones included, as soon as the time slice (2 ms) is over. Infinity is for ever.\n\n"
"Raises:\n"
"    TypeError, ValueError: not a number, negative or NaN.\n"
"    Cancelled: the task was cancelled.\n"
"    UnsafeSwitchError: a GLib callback is on the stack here.\n\n"
"Thread: any; it blocks the caller's task, or drives the loop at top level.\n\n"
">>> sleep(0.001)\n");

static PyObject *core_sleep(PyObject *Py_UNUSED(module), PyObject *seconds) {
    int64_t span = 0;
    if (seconds == Py_None)
        return PyErr_Format(PyExc_TypeError, "seconds must be a number of seconds, not NoneType");
    int limited = parse_seconds(seconds, "seconds", &span);
    if (limited < 0)
        return NULL;
    PyGreenlet *current;
    Waiter *waiter = waiter_here(&current);
    PyObject *result = NULL;
    if (waiter) {
        waiter->quiet = 1;
        if (limited && span)
            waiter->deadline = clock_ns() + span;
        result = wait_for(waiter, current, limited && !span);
        Py_DECREF(waiter);
    }
    Py_XDECREF(current);
    return result;
}

/* ---- Call: a function for the loop, now or later ---- */

static int call_traverse(Call *call, visitproc visit, void *arg) {
    Py_VISIT(call->hub);
    Py_VISIT(call->func);
    Py_VISIT(call->args);
    Py_VISIT(call->kwargs);
    Py_VISIT(call->context);
    return 0;
}

static int call_clear(Call *call) {
    Py_CLEAR(call->func);
    Py_CLEAR(call->args);
    Py_CLEAR(call->kwargs);
    Py_CLEAR(call->context);
    return 0;
}

static void call_dealloc(Call *call) {
    PyObject_GC_UnTrack(call);
    call_clear(call);
    Py_CLEAR(call->hub);
    Py_TYPE(call)->tp_free(call);
}

static PyObject *call_cancel(Call *call, PyObject *Py_UNUSED(ignored)) {
    if (!here(call->hub))
        return NULL;
    if (call->state < DONE) {
        call->state = CANCELLED;
        drop_timer((Item *)call);
        Py_CLEAR(call->func); /* queued already: run_call finds nothing to do */
    }
    Py_RETURN_NONE;
}

static PyObject *call_cancelled(Call *call, PyObject *Py_UNUSED(ignored)) {
    return PyBool_FromLong(call->state == CANCELLED);
}

static PyObject *call_when(Call *call, PyObject *Py_UNUSED(ignored)) {
    return PyFloat_FromDouble(call->deadline / 1e9);
}

static PyMethodDef call_methods[] = {
    {"cancel", (PyCFunction)call_cancel, METH_NOARGS, "Do not call it after all. Thread: the hub's."},
    {"cancelled", (PyCFunction)call_cancelled, METH_NOARGS, "Was it cancelled?"},
    {"when", (PyCFunction)call_when, METH_NOARGS, "The deadline on the hub's clock, in seconds."},
    {NULL}};

PyTypeObject CallType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core.Handle",
    .tp_doc = "A function that the loop will call, as asyncio's Handle; made by Hub.call_soon() and its kin.",
    .tp_basicsize = sizeof(Call),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = (traverseproc)call_traverse,
    .tp_clear = (inquiry)call_clear,
    .tp_dealloc = (destructor)call_dealloc,
    .tp_methods = call_methods,
};

/* ---- Job: what Task is made of ---- */

static int job_traverse(Job *job, visitproc visit, void *arg) {
    Py_VISIT(job->value);
    Py_VISIT(job->pending);
    Py_VISIT(job->callbacks);
    Py_VISIT(job->name);
    Py_VISIT(job->guard);
    return call_traverse((Call *)job, visit, arg);
}

static int job_clear(Job *job) {
    Py_CLEAR(job->value);
    Py_CLEAR(job->pending);
    Py_CLEAR(job->callbacks);
    Py_CLEAR(job->name);
    Py_CLEAR(job->guard);
    return call_clear((Call *)job);
}

static void job_dealloc(Job *job) {
    PyObject_GC_UnTrack(job);
    job_clear(job);
    Py_CLEAR(job->hub);
    Py_TYPE(job)->tp_free(job);
}

static PyObject *job_new(PyTypeObject *type, PyObject *arguments, PyObject *Py_UNUSED(names)) {
    PyObject *func, *args, *kwargs, *name;
    int priority, queue;
    if (!PyArg_ParseTuple(arguments, "OO!O!iOp", &func, &PyTuple_Type, &args, &PyDict_Type, &kwargs, &priority, &name,
                          &queue))
        return NULL;
    if (!PyCallable_Check(func))
        return PyErr_Format(PyExc_TypeError, "a task needs a function to run, not %.100s", Py_TYPE(func)->tp_name);
    PyGreenlet *current = PyGreenlet_GetCurrent();
    Hub *hub = current ? get_hub(current) : NULL;
    Py_XDECREF(current);
    Lane *lane = hub && here(hub) ? (priority ? get_lane(hub, priority) : hub->normal) : NULL;
    PyObject *context = lane ? PyContext_CopyCurrent() : NULL;
    Job *job = context ? (Job *)type->tp_alloc(type, 0) : NULL;
    if (!job) {
        Py_XDECREF(context);
        return NULL;
    }
    job->hub = (Hub *)Py_NewRef(hub);
    job->lane = lane;
    job->timer = -1;
    job->kind = JOB;
    job->func = Py_NewRef(func);
    job->args = Py_NewRef(args);
    job->kwargs = PyDict_GET_SIZE(kwargs) ? Py_NewRef(kwargs) : NULL;
    job->name = Py_NewRef(name);
    job->context = context;
    if ((job->following = hub->jobs))
        hub->jobs->previous = job;
    hub->jobs = (Job *)Py_NewRef(job);
    hub->n_jobs++;
    PyObject_GC_UnTrack(job); /* I5 */
    PyObject_GC_UnTrack(context);
    if (queue)
        push((Item *)Py_NewRef(job));
    return (PyObject *)job;
}

static PyObject *job_interrupt(Job *job, PyObject *exception) {
    if (!here(job->hub))
        return NULL;
    PyObject *instance = as_exception(exception);
    if (!instance)
        return NULL;
    if (job->state > READY)
        Py_DECREF(instance);
    else if (job->waiter && !job->shields && job->waiter->state <= READY) {
        PyGreenlet *greenlet = job->waiter->greenlet;
        if (greenlet && !Py_IS_TYPE(greenlet, &FiberType)) /* a child: greenlet turns a GreenletExit into its result, */
            Py_XSETREF(job->pending, Py_NewRef(instance)); /* so the task is told once more */
        settle(job->waiter, instance, 1);
    }
    else
        Py_XSETREF(job->pending, instance);
    Py_RETURN_NONE;
}

static PyObject *job_start(Job *job, PyObject *Py_UNUSED(ignored)) { /* now, if that is safe here; else queue it */
    char *frame = __builtin_frame_address(0);
    Hub *hub = job->hub;
    if (!here(hub))
        return NULL;
    if (job->queued || job->state != NEW)
        return PyErr_Format(GleenletError, "this task was started before");
    if (frame <= hub->floor)
        push((Item *)Py_NewRef(job));
    else
        be_home(hub, INT_MIN, frame, (Item *)Py_NewRef(job));
    Py_RETURN_NONE;
}

static PyObject *job_done(Job *job, PyObject *Py_UNUSED(ignored)) { return PyBool_FromLong(job->state > READY); }

static PyObject *job_cancelled(Job *job, PyObject *Py_UNUSED(ignored)) {
    return PyBool_FromLong(job->state == CANCELLED);
}

static PyObject *job_greenlet(Job *job, void *Py_UNUSED(closure)) {
    return Py_NewRef(job->fiber ? (PyObject *)job->fiber : Py_None);
}

static PyObject *job_priority(Job *job, void *Py_UNUSED(closure)) { return PyLong_FromLong(job->lane->priority); }

static PyMethodDef job_methods[] = {
    {"done", (PyCFunction)job_done, METH_NOARGS, "done($self, /)\n--\n\n"
     "Has it ended, in whatever way?"},
    {"cancelled", (PyCFunction)job_cancelled, METH_NOARGS, "cancelled($self, /)\n--\n\n"
     "Did it end by cancellation?"},
    {"_interrupt", (PyCFunction)job_interrupt, METH_O, "Raise an exception at its wait, or at the next one."},
    {"_start", (PyCFunction)job_start, METH_NOARGS, "Run it up to its first wait, where safe; else queue it."},
    {NULL}};

static PyMemberDef job_members[] = {
    {"_hub", T_OBJECT, offsetof(Job, hub), READONLY, NULL},
    {"_func", T_OBJECT, offsetof(Job, func), READONLY, NULL},
    {"_name", T_OBJECT, offsetof(Job, name), 0, NULL},
    {"_value", T_OBJECT, offsetof(Job, value), READONLY, NULL},
    {"_pending", T_OBJECT, offsetof(Job, pending), 0, NULL},
    {"_guard", T_OBJECT, offsetof(Job, guard), 0, NULL},
    {"_callbacks", T_OBJECT, offsetof(Job, callbacks), 0, NULL},
    {"_waiter", T_OBJECT, offsetof(Job, waiter), READONLY, NULL},
    {"_shields", T_INT, offsetof(Job, shields), 0, NULL},
    {"_state", T_UBYTE, offsetof(Job, state), READONLY, NULL},
    {NULL}};

static PyGetSetDef job_getset[] = {{"greenlet", (getter)job_greenlet, NULL, "The greenlet that runs it, or None.", NULL},
                                   {"priority", (getter)job_priority, NULL, "The GLib priority of its wake-ups.", NULL},
                                   {NULL}};

PyTypeObject JobType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core.Job",
    .tp_basicsize = sizeof(Job),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_new = job_new,
    .tp_traverse = (traverseproc)job_traverse,
    .tp_clear = (inquiry)job_clear,
    .tp_dealloc = (destructor)job_dealloc,
    .tp_methods = job_methods,
    .tp_members = job_members,
    .tp_getset = job_getset,
};

/* ---- Fiber ---- */

static void fiber_dealloc(Fiber *fiber) { /* never while it is active (I5) */
    Py_CLEAR(fiber->hub);
    Py_CLEAR(fiber->job);
    PyGreenlet_Type.tp_dealloc((PyObject *)fiber);
}

static int fiber_traverse(Fiber *fiber, visitproc visit, void *arg) {
    Py_VISIT(fiber->hub);
    Py_VISIT(fiber->job);
    return PyGreenlet_Type.tp_traverse((PyObject *)fiber, visit, arg);
}

/* What greenlet calls. A function of the type, not a method: it does not bind, so no Fiber keeps an object for it. */
static PyMethodDef fiber_run_def = {"run", fiber_run, METH_NOARGS, NULL};

PyTypeObject FiberType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core.Fiber",
    .tp_doc = "A greenlet of the pool, born at the floor; it runs one task after another.",
    .tp_basicsize = sizeof(Fiber),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_dealloc = (destructor)fiber_dealloc,
    .tp_traverse = (traverseproc)fiber_traverse,
};

/* ---- Hub ---- */

static int hub_init(Hub *hub, PyObject *args, PyObject *Py_UNUSED(names)) {
    Py_ssize_t reserve = 0;
    if (!PyArg_ParseTuple(args, "|n", &reserve))
        return -1;
    if (hub->floor || !(hub->floor = find_floor(reserve)))
        return -1;
    hub->thread = this_thread();
    hub->context = context_ref();
    hub->poll_fd = -1;
    hub->level = INT_MIN;
    hub->foreign = PyDict_New();
    if (!hub->foreign || !(hub->idle = get_lane(hub, IDLE_PRIORITY)) || !(hub->normal = get_lane(hub, 0)))
        return -1;
    return 0;
}

static int hub_traverse(Hub *hub, visitproc visit, void *arg) {
    for (int i = 0; i < hub->n_lanes; i++)
        for (Item *item = hub->lanes[i]->head; item; item = item->next)
            Py_VISIT(item);
    for (Py_ssize_t i = 0; i < hub->n_timers; i++)
        Py_VISIT(hub->timers[i].item);
    for (Py_ssize_t i = 0; i < hub->n_held; i++)
        Py_VISIT(hub->held[i]);
    for (Job *job = hub->jobs; job; job = job->following)
        Py_VISIT(job);
    Py_VISIT(hub->pool);
    Py_VISIT(hub->foreign);
    Py_VISIT(hub->crossing);
    Py_VISIT(hub->outside);
    return visit_watches(hub, visit, arg);
}

static PyObject *hub_close(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    hub->closed = 1;
    if (current_hub == hub)
        current_hub = NULL;
    destroy_sources(hub);
    Py_RETURN_NONE;
}

static void hub_dealloc(Hub *hub) { /* nothing is queued or running: each item and each Fiber keeps its hub */
    PyObject_GC_UnTrack(hub);
    if (hub->weakrefs)
        PyObject_ClearWeakRefs((PyObject *)hub);
    if (current_hub == hub)
        current_hub = NULL;
    if (hub->floor)
        close_poll(hub);
    destroy_sources(hub);
    for (int i = 0; i < hub->n_lanes; i++)
        PyMem_Free(hub->lanes[i]);
    PyMem_Free(hub->lanes);
    PyMem_Free(hub->timers);
    PyMem_Free(hub->held);
    if (hub->context)
        context_unref(hub->context);
    Py_CLEAR(hub->foreign);
    Py_CLEAR(hub->crossing);
    Py_CLEAR(hub->outside);
    Py_TYPE(hub)->tp_free(hub);
}

static PyObject *hub_wakeup(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    context_wakeup(hub->context);
    Py_RETURN_NONE;
}

/* _call(func, args, deadline in seconds or None) -> Handle; any thread where there is no deadline */
static PyObject *hub_call(Hub *hub, PyObject *const *args, Py_ssize_t n) {
    int64_t deadline = 0;
    if (n != 3 || !PyTuple_Check(args[1]))
        return PyErr_Format(PyExc_TypeError, "_call() takes a function, a tuple and a deadline");
    if (!PyCallable_Check(args[0]))
        return PyErr_Format(PyExc_TypeError, "a function to call is needed, not %.100s", Py_TYPE(args[0])->tp_name);
    if (hub->closed)
        return here(hub), NULL;
    if (args[2] != Py_None) {
        double seconds = PyFloat_AsDouble(args[2]);
        if ((seconds == -1.0 && PyErr_Occurred()) || !here(hub))
            return NULL;
        if (isnan(seconds))
            return PyErr_Format(PyExc_ValueError, "a deadline must not be NaN");
        deadline = seconds > 9e9 ? INT64_MAX : seconds < 0 ? 0 : (int64_t)(seconds * 1e9);
    }
    Call *call = (Call *)CallType.tp_alloc(&CallType, 0);
    if (!call)
        return NULL;
    call->hub = (Hub *)Py_NewRef(hub);
    call->lane = hub->normal;
    call->timer = -1;
    call->kind = CALL;
    call->func = Py_NewRef(args[0]);
    call->args = Py_NewRef(args[1]);
    call->deadline = deadline;
    if (!(call->context = PyContext_CopyCurrent()) || (args[2] != Py_None && timer_add((Item *)call))) {
        Py_DECREF(call);
        return NULL;
    }
    if (args[2] == Py_None) {
        push((Item *)Py_NewRef(call));
        if (this_thread() != hub->thread)
            context_wakeup(hub->context);
    }
    return (PyObject *)call;
}

/* _switch_later(greenlet, args, kwargs, exception or None): resume it from the loop with greenlet's own switch */
static PyObject *hub_switch_later(Hub *hub, PyObject *const *args, Py_ssize_t n) {
    if (n != 4 || !here(hub))
        return n == 4 ? NULL : PyErr_Format(PyExc_TypeError, "_switch_later() takes 4 arguments");
    PyObject *exception = args[3] == Py_None ? NULL : as_exception(args[3]);
    PyObject *value = exception ? exception : PyErr_Occurred() ? NULL : PyTuple_Pack(2, args[1], args[2]);
    Waiter *waiter = value ? new_waiter(hub) : NULL;
    if (!waiter) {
        Py_XDECREF(value);
        return NULL;
    }
    waiter->by_hand = 1;
    waiter->state = READY;
    waiter->raises = exception != NULL;
    waiter->value = value;
    waiter->greenlet = (PyGreenlet *)Py_NewRef(args[0]);
    push((Item *)waiter);
    Py_RETURN_NONE;
}

/* For a task that runs a loop of its own: should it give way, by sleep(0)? */
static PyObject *hub_must_yield(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    int64_t now = clock_ns();
    int yields = now >= hub->slice_end || (hub->n_timers && hub->timers[0].deadline <= now);
    for (int i = 0; !yields && i < hub->n_lanes && hub->lanes[i]->priority < IDLE_PRIORITY; i++)
        yields = hub->lanes[i]->head != NULL;
    return PyBool_FromLong(yields);
}

static PyObject *hub_tasks(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    PyObject *list = PyList_New(0);
    for (Job *job = hub->jobs; list && job; job = job->following)
        if (PyList_Append(list, (PyObject *)job))
            Py_CLEAR(list);
    if (list && PyList_Reverse(list))
        Py_CLEAR(list);
    return list;
}

static PyMethodDef hub_methods[] = {
    {"tasks", (PyCFunction)hub_tasks, METH_NOARGS, "tasks($self, /)\n--\n\n"
     "The unfinished tasks, oldest first."},
    {"must_yield", (PyCFunction)hub_must_yield, METH_NOARGS, "must_yield($self, /)\n--\n\n"
     "Is the slice over, or does another task wait for its turn?"},
    {"wakeup", (PyCFunction)hub_wakeup, METH_NOARGS, "wakeup($self, /)\n--\n\n"
     "Have the context look at its sources again. Thread: any."},
    {"_close", (PyCFunction)hub_close, METH_NOARGS, NULL},
    {"_nest", (PyCFunction)(void (*)(void))hub_nest, METH_FASTCALL, NULL},
    {"_unnest", (PyCFunction)hub_unnest, METH_O, NULL},
    {"_forget_descriptors", (PyCFunction)hub_forget_descriptors, METH_NOARGS, NULL},
    {"_call", (PyCFunction)(void (*)(void))hub_call, METH_FASTCALL, NULL},
    {"_switch_later", (PyCFunction)(void (*)(void))hub_switch_later, METH_FASTCALL, NULL},
    {NULL}};

static PyMemberDef hub_members[] = {
    {"thread", T_ULONG, offsetof(Hub, thread), READONLY, "The identifier of its thread."},
    {"closed", T_BOOL, offsetof(Hub, closed), READONLY, NULL},
    {"floor", T_ULONGLONG, offsetof(Hub, floor), READONLY, "Where the stack of its tasks begins."},
    {"steps", T_ULONGLONG, offsetof(Hub, steps), READONLY, "How often a task or greenlet was resumed so far."},
    {"_home", T_OBJECT, offsetof(Hub, home), READONLY, "The greenlet that is in the innermost dispatch, or None."},
    {"_home_count", T_INT, offsetof(Hub, home_count), READONLY, NULL},
    {"_crossing", T_OBJECT, offsetof(Hub, crossing), 0, NULL},
    {"_outside", T_OBJECT, offsetof(Hub, outside), 0, NULL},
    {"_foreign", T_OBJECT, offsetof(Hub, foreign), READONLY, NULL},
    {"_complained", T_BOOL, offsetof(Hub, complained), 0, NULL},
    {"_held", T_PYSSIZET, offsetof(Hub, n_held), READONLY, NULL},
    {"_timers", T_PYSSIZET, offsetof(Hub, n_timers), READONLY, NULL},
    {"_pooled", T_INT, offsetof(Hub, n_pool), READONLY, NULL},
    {"_stack_chunk", T_INT, offsetof(Hub, stack_chunk), 0, NULL},
    {NULL}};

PyTypeObject HubType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core.Hub",
    .tp_basicsize = sizeof(Hub),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)hub_init,
    .tp_traverse = (traverseproc)hub_traverse,
    .tp_dealloc = (destructor)hub_dealloc,
    .tp_weaklistoffset = offsetof(Hub, weakrefs),
    .tp_methods = hub_methods,
    .tp_members = hub_members,
};

/* ---- the module ---- */

static PyObject *core_current_task(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    PyGreenlet *current = PyGreenlet_GetCurrent();
    Job *job = current ? owner(current) : NULL;
    Py_XDECREF(current);
    return Py_NewRef(job ? (PyObject *)job : Py_None);
}

static PyObject *core_callback_depth(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromLong(PyThreadState_Get()->gilstate_counter - 1);
}

static PyObject *core_main_depth(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromLong(main_depth());
}

static PyObject *core_current_context(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromVoidPtr(context_peek());
}

/* Not threading's: gevent's monkey patching gives every greenlet an identifier and a local of its own. */
static PyObject *core_get_ident(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromUnsignedLong(this_thread());
}

static PyObject *core_thread_dict(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return Py_XNewRef(PyThreadState_GetDict());
}

static PyObject *core_on_missing_hub(PyObject *Py_UNUSED(module), PyObject *func) {
    Py_XSETREF(find_hub, Py_NewRef(func));
    Py_RETURN_NONE;
}

static PyObject *core_set_guest(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *hub, *block;
    if (!PyArg_ParseTuple(args, "OO", &hub, &block))
        return NULL;
    if (hub != Py_None && !PyGreenlet_Check(hub))
        return PyErr_Format(PyExc_TypeError, "a greenlet is needed, not %.100s", Py_TYPE(hub)->tp_name);
    Py_XSETREF(guest_hub, hub == Py_None ? NULL : Py_NewRef(hub));
    Py_XSETREF(guest_block, block == Py_None ? NULL : Py_NewRef(block));
    Py_RETURN_NONE;
}

static PyMethodDef core_functions[] = {
    {"set_guest", core_set_guest, METH_VARARGS,
     "Tell of another loop's hub, a greenlet, and of a function that waits in that loop's way for its greenlets."},
    {"sleep", core_sleep, METH_O, sleep_doc},
    {"wait_fd", (PyCFunction)(void (*)(void))core_wait_fd, METH_FASTCALL, "Wait for one direction of a descriptor."},
    {"current_task", core_current_task, METH_NOARGS, "The task that runs here, or None."},
    {"callback_depth", core_callback_depth, METH_NOARGS, "How many C callbacks are on this thread's stack (F5)."},
    {"main_depth", core_main_depth, METH_NOARGS, "g_main_depth()."},
    {"current_context", core_current_context, METH_NOARGS, "The address of the thread's default context."},
    {"get_ident", core_get_ident, METH_NOARGS, "The identifier of this thread."},
    {"thread_dict", core_thread_dict, METH_NOARGS, "A dictionary of this thread, which ends with it."},
    {"claim", core_claim, METH_VARARGS, "Is `what` this thread's, bound to `thread` (0: none yet)? Return this thread's."},
    {"own_methods", core_own_methods, METH_O, own_methods_doc},
    {"on_missing_hub", core_on_missing_hub, METH_O, "Tell who makes this thread's hub."},
    {NULL}};

static int add_types(PyObject *module) {
    FiberType.tp_base = &PyGreenlet_Type;
    PyTypeObject *types[] = {&WaiterType, &CallType, &JobType,  &FiberType, &HubType,
                             &RingType,   &EventType, &LockType, &QueueType};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (PyModule_AddType(module, types[i]))
            return -1;
    PyObject *run = PyCFunction_New(&fiber_run_def, NULL);
    int failed = !run || PyDict_SetItemString(FiberType.tp_dict, "run", run);
    Py_XDECREF(run);
    PyType_Modified(&FiberType);
    return failed ? -1 : 0;
}

static int core_exec(PyObject *module) {
    PyObject *errors = NULL, *gi = NULL;
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "gleenlet works in the main interpreter only: GLib's loop is the process's");
        return -1;
    }
    PyGreenlet_Import();
    if (!_PyGreenlet_API || import_greenlet() || !(gi = PyImport_ImportModule("gi._gi")) || load_glib() ||
        !(errors = PyImport_ImportModule("gleenlet._errors")) ||
        !(GleenletError = PyObject_GetAttrString(errors, "GleenletError")) ||
        !(str_finished = PyUnicode_InternFromString("_finished")) ||
        !(str_report = PyUnicode_InternFromString("_report")) || 
        !(str_complain = PyUnicode_InternFromString("_complain")) ||
        !(str_block = PyUnicode_InternFromString("_block")) ||
        !(str_wait_for_place = PyUnicode_InternFromString("_wait_for_place")) ||
        !(str_wait_for_item = PyUnicode_InternFromString("_wait_for_item")) ||
        !(str_stack_saved = PyUnicode_InternFromString("_stack_saved")) || add_types(module) ||
        PyModule_AddIntConstant(module, "IDLE_PRIORITY", IDLE_PRIORITY) ||
        PyModule_AddIntConstant(module, "DONE", DONE) || PyModule_AddIntConstant(module, "FAILED", FAILED) ||
        PyModule_AddIntConstant(module, "CANCELLED", CANCELLED))
        return -1;
    Py_DECREF(errors);
    Py_DECREF(gi);
    return 0;
}

static PyModuleDef_Slot core_slots[] = {{Py_mod_exec, core_exec},
#if PY_VERSION_HEX >= 0x030C0000
                                        {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
                                        {0, NULL}};

static PyModuleDef core_module = {PyModuleDef_HEAD_INIT, .m_name = "gleenlet._core", .m_methods = core_functions,
                                  .m_slots = core_slots};

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&core_module); }
