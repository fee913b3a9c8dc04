/* Waiter: the one private way to block, and who blocks where. The invariants stand in core.h. */
#include "stack.h"

#include <structmember.h>

/* -1: an error is set; 0: no limit; 1: nanoseconds from now are stored. */
static int parse_seconds(PyObject *number, const char *what, int64_t *span) {
    if (number == Py_None)
        return 0;
    double seconds = PyFloat_CheckExact(number)  ? PyFloat_AS_DOUBLE(number)
                     : PyLong_CheckExact(number) ? PyLong_AsDouble(number)
                                                 : PyFloat_AsDouble(number);
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
    *span = (int64_t)(seconds * 1e9 + 0.5); /* what is left until a deadline is a difference of floats */
    return 1;
}

PyObject *core_may_wait(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    PyGreenlet *current = PyGreenlet_GetCurrent();
    Job *job = current ? owner(current) : NULL;
    int may = job && !given(job->guard) && job->hub->context == context_peek() &&
              may_switch(job->hub, current);
    Py_XDECREF(current);
    return PyBool_FromLong(may);
}

/* ---- Waiter: what an item of its kind does ---- */

static void ready(Waiter *waiter) { /* it has something to return or raise: queue who waits */
    if (waiter->state == READY)
        return;
    waiter->state = READY;
    observe(waiter->hub, WAKES, waiter);
    Observer *its = waiter->greenlet ? NULL : guest(waiter->hub);
    if (its)
        its->wake(its, waiter);
    else if (waiter->greenlet && !waiter->queued)
        push((Item *)Py_NewRef(waiter));
}

static inline int is_open(Waiter *waiter) { return waiter->outcome == NONE && waiter->state <= READY; }

static inline void settle(Waiter *waiter, PyObject *value, enum Outcome outcome) { /* of an open one */
    waiter->value = Py_NewRef(value);
    waiter->outcome = outcome;
    drop_timer((Item *)waiter);
    ready(waiter);
}

static void waiter_expire(Item *item) {
    ((Waiter *)item)->outcome = EXPIRED;
    ready((Waiter *)item);
    Py_DECREF(item);
}

static void waiter_run(Hub *hub, Item *item) {
    Waiter *waiter = (Waiter *)item;
    PyGreenlet *greenlet = waiter->greenlet;
    if (!greenlet || waiter->state != READY || greenlet == hub->home.greenlet) {
        if (waiter->from_thread && is_open(waiter))
            settle(waiter, Py_None, WOKEN);
        Py_DECREF(waiter); /* else it left its wait some other way meanwhile */
        return;
    }
    if (!fits(hub, greenlet, waiter->stack)) {
        hold(hub, item);
        return;
    }
    waiter->state = DONE;
    waiter->greenlet = NULL;
    Py_DECREF(waiter);
    resume(hub, greenlet, NULL, NULL, NULL);
}

static PyGreenlet *waiter_hand_over(Lane *lane, PyGreenlet *current) {
    Waiter *waiter = (Waiter *)lane->head;
    PyGreenlet *greenlet = waiter->greenlet;
    if (waiter->state != READY || !greenlet || greenlet == current || !as_fiber(greenlet))
        return NULL;
    take(lane);
    waiter->state = DONE;
    waiter->greenlet = NULL;
    Py_DECREF(waiter);
    return greenlet;
}

static const Kind waiter_kind = {WAITER, waiter_expire, waiter_run, waiter_hand_over};

/* ---- its life ---- */

/* For the greenlet that runs, which is the caller's to release. What it waits on is for who asks: an object, or NULL, and a
 * verb. */
Waiter *waiter_here(PyGreenlet **current, PyObject *on, PyObject *verb) {
    Hub *hub = (*current = PyGreenlet_GetCurrent()) ? get_hub(*current) : NULL;
    Waiter *waiter = hub && here(hub) ? PyObject_New(Waiter, &WaiterType) : NULL;
    if (!waiter)
        return NULL;
    /* In parts that gcc turns into stores: for one as long it takes `rep stos` or a call, which is 3 % of a yield. */
    char *begin = (char *)waiter + sizeof(PyObject);
    _Static_assert(sizeof(Waiter) - sizeof(PyObject) > 128 && sizeof(Waiter) - sizeof(PyObject) <= 192, "three parts");
    memset(begin, 0, 64);
    memset(begin + 64, 0, 64);
    memset(begin + 128, 0, sizeof(Waiter) - sizeof(PyObject) - 128);
    init_item(waiter, hub, &waiter_kind);
    waiter->on = Py_XNewRef(on);
    waiter->verb = Py_XNewRef(verb);
    return waiter;
}

Waiter *timed_waiter(PyObject *timeout, PyGreenlet **current, PyObject *on, PyObject *verb) { /* as waiter_here() */
    int64_t span = 0;
    int limited = parse_seconds(timeout, "timeout", &span);
    *current = NULL;
    Waiter *waiter = limited < 0 ? NULL : waiter_here(current, on, verb);
    if (waiter && limited && !(waiter->deadline = hub_clock(waiter->hub) + span))
        waiter->deadline = 1; /* 0 means none */
    return waiter;
}

static PyObject *waiter_vectorcall(PyObject *Py_UNUSED(type), PyObject *const *args, size_t flags, PyObject *names) {
    Py_ssize_t n = PyVectorcall_NARGS(flags);
    if (n > 3 || (names && PyTuple_GET_SIZE(names)))
        return PyErr_Format(PyExc_TypeError, "Waiter() takes a timeout, what it waits on, and a verb, by position");
    PyGreenlet *current;
    Waiter *waiter = timed_waiter(n ? args[0] : Py_None, &current, n > 1 ? args[1] : NULL, n > 2 ? args[2] : NULL);
    Py_XDECREF(current);
    return (PyObject *)waiter;
}

static void waiter_dealloc(Waiter *waiter) {
    Py_XDECREF(waiter->on);
    Py_XDECREF(waiter->verb);
    Py_XDECREF(waiter->interrupt);
    Py_XDECREF(waiter->value);
    Py_XDECREF(waiter->greenlet);
    Py_XDECREF(waiter->hub);
    PyObject_Free(waiter);
}

/* A cancellation comes before any outcome, that of before and that of after: the wait goes on underneath, its timer too,
 * so that it can be taken back until it is raised (job_take_back). */
void interrupt(Waiter *waiter, PyObject *exception) { /* steals; NEW, WAITING or READY -> READY */
    Py_XSETREF(waiter->interrupt, exception);
    ready(waiter);
}

int wake(Waiter *waiter, PyObject *value, enum Outcome outcome) { /* 1; 0: too late; -1: an error is set */
    if (!here(waiter->hub))
        return -1;
    if (!is_open(waiter))
        return 0;
    settle(waiter, value, outcome);
    return 1;
}

static PyObject *decide(Waiter *waiter, PyObject *value, enum Outcome outcome) {
    int woken = wake(waiter, value, outcome);
    return woken < 0 ? NULL : PyBool_FromLong(woken);
}

static PyObject *waiter_wake(Waiter *waiter, PyObject *const *args, Py_ssize_t n) {
    if (n > 1)
        return PyErr_Format(PyExc_TypeError, "wake() takes at most one value");
    return decide(waiter, n ? args[0] : Py_None, WOKEN);
}

/* Nothing is allocated: who calls has no other way to say that it is over. The hub's thread does the rest, at its turn (I4). */
static PyObject *waiter_wake_threadsafe(Waiter *waiter, PyObject *Py_UNUSED(ignored)) {
    int in_time = waiter->hub->open && is_open(waiter) && !waiter->from_thread;
    if (in_time) {
        waiter->from_thread = 1;
        if (!waiter->queued)
            push((Item *)Py_NewRef(waiter));
        context_wakeup(waiter->hub->context);
    }
    return PyBool_FromLong(in_time);
}

/* In a callback whose caller needs what the task does, a frame of a window for one: the callback is home for this one step,
 * as for job_start(). Not where whoever waits is driving the loop himself (no greenlet), and not below the floor. */
static PyObject *waiter_resume(Waiter *waiter, PyObject *value) {
    char *frame = __builtin_frame_address(0);
    Hub *hub = waiter->hub;
    if (!here(hub))
        return NULL;
    if (!is_open(waiter))
        Py_RETURN_FALSE;
    if (waiter->state != WAITING || !waiter->greenlet || frame <= hub->floor)
        return decide(waiter, value, WOKEN);
    waiter->queued = 1; /* as if in its lane: settle() leaves it to us */
    settle(waiter, value, WOKEN);
    waiter->queued = 0;
    be_home(hub, INT_MIN, frame, (Item *)Py_NewRef(waiter));
    Py_RETURN_TRUE;
}

static PyObject *waiter_throw(Waiter *waiter, PyObject *exception) {
    PyObject *instance = as_exception(exception);
    PyObject *result = instance ? decide(waiter, instance, THROWN) : NULL;
    Py_XDECREF(instance);
    return result;
}

static PyObject *waiter_interrupt(Waiter *waiter, PyObject *exception) {
    PyObject *instance = here(waiter->hub) ? as_exception(exception) : NULL;
    if (!instance)
        return NULL;
    if (waiter->state <= READY)
        interrupt(waiter, instance);
    else
        Py_DECREF(instance);
    return PyBool_FromLong(waiter->state == READY);
}

/* Where a plain switch is not allowed, the hub's _block() says what to do: it raises, or drives the loop until there is
 * an outcome (False), or has us go back to whoever switched to this greenlet by hand (True). */
__attribute__((noinline)) static int block_elsewhere(Hub *hub, Waiter *waiter, PyGreenlet *current) {
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

static void refuse_switch_by_hand(void) {
    PyErr_SetString(GleenletError, "somebody switched to this greenlet by hand while it was waiting: "
                                   "use schedule_switch() or schedule_throw()");
}

/* The guest's hub switched here by hand: what it brings becomes the outcome, but the task runs when its turn comes, not
 * on the guest's time. An exception, gevent's Timeout for one, may come in any wait and is no wake-up; a value only where
 * the guest is what we wait for. */
__attribute__((noinline)) static PyObject *go_back_to_guest(Waiter *waiter, PyObject *back) { /* steals */
    Observer *its = guest(waiter->hub);
    while (its && (waiter->state == WAITING || (waiter->state == READY && waiter->queued))) {
        if (back && waiter->state == WAITING && waiter->on != its->self) {
            Py_CLEAR(back);
            refuse_switch_by_hand();
        }
        if (!back && waiter->interrupt) /* a cancellation, which came first */
            PyErr_Clear();
        else if (!back)
            interrupt(waiter, take_exception());
        else if (waiter->state == WAITING)
            settle(waiter, back, WOKEN);
        Py_XDECREF(back);
        back = PyGreenlet_Switch((PyGreenlet *)its->self, NULL, NULL);
    }
    return back;
}

static inline int block_here(Hub *hub, Waiter *waiter, PyGreenlet *current) { /* a plain switch away, and back */
    waiter->greenlet = (PyGreenlet *)Py_NewRef(current);
    if (waiter->state == READY)
        push((Item *)Py_NewRef(waiter));
    PyObject *back = leave(hub, current);
    if (hub->observers && hub->open) /* else it is dropped */
        back = go_back_to_guest(waiter, back);
    Py_XDECREF(back);
    return back ? 0 : -1;
}

/* A greenlet that is not ours. Not inlined: the frames of a wait are copied at every switch, so they had better be small. */
__attribute__((noinline)) static int block_stranger(Hub *hub, Waiter *waiter, PyGreenlet *current) {
    waiter->stack = __builtin_frame_address(0);
    if (PyDict_SetItem(hub->foreign, (PyObject *)current, (PyObject *)waiter))
        return -1;
    Observer *its = guest(hub);
    int failed = its ? its->block(its, waiter) : 0;
    if (failed >= 0)
        failed = failed                    ? 0
                 : may_switch(hub, current) ? block_here(hub, waiter, current)
                                            : block_elsewhere(hub, waiter, current);
    PyObject *exception = take_exception();
    if (PyDict_DelItem(hub->foreign, (PyObject *)current))
        PyErr_Clear();
    restore_exception(exception);
    return failed;
}

static inline PyObject **interruption(Job *job) { /* the slot of one that a wait here has to raise, or NULL */
    if (!(job->pending || job->strike) || given(job->guard))
        return NULL;
    return job->pending && !given(job->shield) ? &job->pending : job->strike ? &job->strike : NULL;
}

/* The one private way to block. `late` is returned if the time is up, borrowed; NULL: TimeoutError is raised. A Waiter that
 * has EXPIRED already yields: it is ready at once, but behind everything else. */
PyObject *wait_for(Waiter *waiter, PyGreenlet *current, PyObject *late) {
    Hub *hub = waiter->hub;
    Job *job = owner(current);
    int failed = 0, ours = as_fiber(current) != NULL;
    if (waiter->state == WAITING || waiter->state == DONE || waiter->greenlet)
        return PyErr_Format(GleenletError, "another task already waits here: make a Waiter for each wait");
    if (job && given(job->guard) && waiter->state == NEW) {
        PyObject *result = PyObject_CallNoArgs(job->guard);
        if (result) {
            Py_DECREF(result);
            PyErr_SetString(GleenletError, "this task must not wait here");
        }
        return NULL;
    }
    PyObject **due = job ? interruption(job) : NULL;
    if (due) {
        Py_XSETREF(waiter->interrupt, *due);
        *due = NULL;
    } else if (waiter->state == NEW) {
        int yields = waiter->outcome == EXPIRED;
        waiter->lane = job ? job->lane : hub->normal;
        if (yields && waiter->lane->priority < IDLE_PRIORITY)
            waiter->lane = hub->idle;
        if (yields && !ours && guest(hub)) {
            waiter->deadline = hub_clock(hub);
            waiter->outcome = NONE;
            yields = 0;
        }
        waiter->state = yields ? READY : WAITING;
        waiter->since = hub->home.greenlet ? hub->now : hub_clock(hub); /* outside dispatches nobody tells the time */
        waiter->job = job;
        if (waiter->deadline && timer_add((Item *)waiter))
            return NULL;
        observe(hub, WAITS, waiter);
        if (job) {
            if (!ours) /* his wait may outlive the task */
                Py_INCREF(job);
            waiter->outer = job->waiter;
            job->waiter = waiter;
        }
        if (!ours)
            failed = block_stranger(hub, waiter, current);
        else if (may_switch(hub, current))
            failed = block_here(hub, waiter, current);
        else
            failed = block_elsewhere(hub, waiter, current);
        drop_timer((Item *)waiter);
        Py_CLEAR(waiter->greenlet);
        Py_CLEAR(waiter->on); /* which may well refer to us */
        if (job) {
            Waiter **link = &job->waiter;
            while (*link != waiter)
                link = &(*link)->outer;
            *link = waiter->outer;
            waiter->job = NULL;
            if (!ours)
                Py_DECREF(job);
        }
    }
    uint8_t state = waiter->state;
    waiter->state = DONE;
    if (failed)
        return NULL;
    PyObject **slot = waiter->interrupt ? &waiter->interrupt : &waiter->value, *value = *slot;
    *slot = NULL;
    if (slot == &waiter->interrupt || waiter->outcome == THROWN)
        raise_exception(value);
    else if (state == WAITING)
        refuse_switch_by_hand();
    else if (waiter->outcome != EXPIRED)
        return value ? value : Py_NewRef(Py_None);
    else if (late)
        return Py_NewRef(late);
    else
        PyErr_SetNone(PyExc_TimeoutError);
    return NULL;
}

static PyObject *waiter_wait(Waiter *waiter, PyObject *const *args, Py_ssize_t n) {
    if (n > 1)
        return PyErr_Format(PyExc_TypeError, "wait() takes at most one value");
    if (!here(waiter->hub))
        return NULL;
    PyGreenlet *current = PyGreenlet_GetCurrent();
    PyObject *result = current ? wait_for(waiter, current, n ? args[0] : NULL) : NULL;
    Py_XDECREF(current);
    return result;
}

static PyObject *waiter_done(Waiter *waiter, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(waiter->state > WAITING);
}

static PyObject *waiter_woken(Waiter *waiter, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(waiter->outcome == WOKEN || waiter->outcome == THROWN || waiter->from_thread);
}

static PyMethodDef waiter_methods[] = {
    {"wait", (PyCFunction)(void (*)(void))waiter_wait, METH_FASTCALL,
     "Block until there is an outcome: return it or raise it. If the time is up, return the argument, where there is one."},
    {"wake", (PyCFunction)(void (*)(void))waiter_wake, METH_FASTCALL, "Have wait() return a value; False if too late."},
    {"wake_threadsafe", (PyCFunction)waiter_wake_threadsafe, METH_NOARGS,
     "As wake(), for any thread; False, too, if the hub has ended. It never fails."},
    {"resume", (PyCFunction)waiter_resume, METH_O,
     "As wake(), in a callback: whoever waits runs before this returns, up to its next wait, where that is safe."},
    {"throw", (PyCFunction)waiter_throw, METH_O, "Have wait() raise an exception; False if too late."},
    {"interrupt", (PyCFunction)waiter_interrupt, METH_O,
     "As throw(), from somebody who does not know what it waits for: no wake-up, and not too late before wait() is back."},
    {NULL}};

static PyMemberDef waiter_members[] = {
    {"greenlet", T_OBJECT, offsetof(Waiter, greenlet), READONLY, "who waits, or None"},
    {"job", T_OBJECT, offsetof(Waiter, job), READONLY, "the task that waits, or None"},
    {"on", T_OBJECT, offsetof(Waiter, on), READONLY, "what it waits on, or None"},
    {"verb", T_OBJECT, offsetof(Waiter, verb), READONLY, "what it waits for there, or None"},
    {NULL}};

static PyObject *waiter_since(Waiter *waiter, void *Py_UNUSED(closure)) {
    return PyFloat_FromDouble(waiter->since / 1e9);
}

static PyObject *waiter_deadline(Waiter *waiter, void *Py_UNUSED(closure)) {
    return waiter->deadline ? PyFloat_FromDouble(waiter->deadline / 1e9) : Py_NewRef(Py_None);
}

static PyGetSetDef waiter_getset[] = {
    {"since", (getter)waiter_since, NULL, "when the wait began, on the hub's clock", NULL},
    {"deadline", (getter)waiter_deadline, NULL, "when it ends unasked, on the hub's clock, or None", NULL},
    {"woken", (getter)waiter_woken, NULL, "wake() or throw() decided this wait", NULL},
    {"done", (getter)waiter_done, NULL, "there is an outcome", NULL}, {NULL}};

PyTypeObject WaiterType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Waiter",
    .tp_doc = "One wait of one greenlet.",
    .tp_basicsize = sizeof(Waiter),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = (destructor)waiter_dealloc,
    .tp_vectorcall = waiter_vectorcall,
    .tp_methods = waiter_methods,
    .tp_members = waiter_members,
    .tp_getset = waiter_getset,
};

const char sleep_doc[] = PyDoc_STR("sleep(seconds, /)\n--\n\n"
"Suspend the current task for a time.\n\n"
"Args:\n"
"    seconds: how long, as a float; 0 lets everything else run first: other tasks, and GLib's sources,\n"
"        redraws and idle ones included, as soon as the time slice (2 ms) is over; but nobody is passed over\n"
"        for more than 10 ms. Infinity is for ever.\n\n"
"Raises:\n"
"    TypeError, ValueError: not a number, negative or NaN.\n"
"    Cancelled: the task was cancelled.\n"
"    UnsafeSwitchError: a GLib callback is on the stack here.\n\n"
"Thread: any; it blocks the caller's task, or drives the loop at top level.\n\n"
">>> sleep(0.001)\n");

PyObject *core_sleep(PyObject *Py_UNUSED(module), PyObject *seconds) {
    int64_t span = 0;
    if (seconds == Py_None)
        return PyErr_Format(PyExc_TypeError, "seconds must be a number of seconds, not NoneType");
    int limited = parse_seconds(seconds, "seconds", &span);
    if (limited < 0)
        return NULL;
    PyGreenlet *current;
    Waiter *waiter = waiter_here(&current, NULL, verb_sleep);
    PyObject *result = NULL;
    if (waiter) {
        if (limited && span)
            waiter->deadline = hub_clock(waiter->hub) + span;
        else if (limited)
            waiter->outcome = EXPIRED;
        result = wait_for(waiter, current, Py_None);
        Py_DECREF(waiter);
    }
    Py_XDECREF(current);
    return result;
}
