/* Who owns a hub, and how its end is told: of its thread, of its context, of the interpreter, in a forked child. The rules
 * stand in core.h (I7). */
#include "platform.h"

/* ---- the thread ---- */

/* In the dict of a thread's state, which CPython clears in the thread as it ends: that is how we know. An identifier of
 * pthread's would not tell, the next thread gets the same one (F14). */
typedef struct {
    PyObject_HEAD
    Hub *hubs;                              /* owned; also those that have ended but could not be abandoned yet */
    unsigned long thread;
} Thread;

static __thread int ending;                 /* this thread's hubs are being dropped: no new ones */
static __thread uint64_t ended;             /* nor while the rest goes of the thread state with this identifier */

static PyObject *make_hub;
static __thread Hub *current_hub;           /* borrowed: the one this thread asked for last */

static int exiting;                         /* the interpreter is about to end, and runs no task any more */

static int finalizing(void) {
    if (exiting)
        return 1;
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

static Thread *this_threads_hubs(int make) { /* borrowed; NULL: there is none, or an error is set */
    PyObject *dict = PyThreadState_GetDict();
    Thread *thread = dict ? (Thread *)PyDict_GetItemWithError(dict, str_hubs) : NULL;
    if (!thread && make && dict && !PyErr_Occurred() && (thread = PyObject_New(Thread, &ThreadType))) {
        thread->hubs = NULL;
        thread->thread = this_thread();
        if (PyDict_SetItem(dict, str_hubs, (PyObject *)thread))
            Py_CLEAR(thread);
        else
            Py_DECREF(thread);
    }
    return thread;
}

/* ---- abandoning ---- */

/* As greenlet itself ends one that nobody holds any more. Who catches that and waits again gets a GleenletError. */
static void drop_greenlet(PyGreenlet *greenlet) {
    PyGreenlet *current = PyGreenlet_GetCurrent();
    PyObject *exit = PyObject_CallNoArgs(PyExc_GreenletExit), *result = NULL;
    if (current && exit && greenlet != current && PyGreenlet_STARTED(greenlet) && PyGreenlet_ACTIVE(greenlet) &&
        !PyGreenlet_SetParent(greenlet, current)) /* so that its end comes back to us */
        result = PyGreenlet_Throw(greenlet, PyExc_GreenletExit, exit, NULL);
    if (!result && PyErr_Occurred())
        PyErr_WriteUnraisable((PyObject *)greenlet);
    Py_XDECREF(result);
    Py_XDECREF(exit);
    Py_XDECREF(current);
}

static void drop_job(Hub *hub, Job *job) {
    Py_CLEAR(job->callbacks); /* nobody is told: it has not ended, its loop has */
    if (job->fiber) {
        PyGreenlet *greenlet = (PyGreenlet *)Py_NewRef(job->fiber->greenlet);
        drop_greenlet(greenlet);
        Py_DECREF(greenlet);
    } else if (job->state == NEW) {
        PyErr_SetNone(PyExc_GreenletExit);
        finish(hub, job, NULL);
    }
}

/* Take out all that the hub is to do, and hand each item with its reference to `each`. */
static void take_all(Hub *hub, void (*each)(Item *, PyObject *), PyObject *list) {
    while (hub->n_timers) {
        Item *item = hub->timers[0].item;
        timer_remove(item);
        each(item, list);
    }
    for (int i = 0; i < hub->n_lanes; i++)
        while (hub->lanes[i]->head)
            each(pop(hub->lanes[i]), list);
    while (hub->held) {
        Item *item = hub->held;
        hub->held = item->next;
        item->queued = 0;
        each(item, list);
    }
}

static void drop_item(Item *item, PyObject *Py_UNUSED(list)) { Py_DECREF(item); }

static void abandon(Hub *hub) { /* it has ended; in its own thread, above the floor */
    take_all(hub, drop_item, NULL);
    PyObject *tasks = hub_tasks(hub, NULL);
    for (Py_ssize_t i = tasks ? PyList_GET_SIZE(tasks) : 0; i-- > 0;)
        drop_job(hub, (Job *)PyList_GET_ITEM(tasks, i));
    Py_XDECREF(tasks);
    PyObject *waiters = PyDict_Values(hub->foreign);
    for (Py_ssize_t i = 0; waiters && i < PyList_GET_SIZE(waiters); i++)
        Py_CLEAR(((Waiter *)PyList_GET_ITEM(waiters, i))->greenlet);
    PyDict_Clear(hub->foreign); /* whom nobody else holds goes by this */
    Py_XDECREF(waiters);
    PyErr_Clear();
    while (hub->pool) {
        Fiber *fiber = hub->pool;
        PyGreenlet *greenlet = fiber->greenlet; /* the pool's reference is ours now */
        hub->pool = fiber->next;
        hub->n_pool--;
        drop_greenlet(greenlet);
        Py_DECREF(greenlet);
    }
}

/* Drop what this thread's hubs left that have ended: all of it that is safe to drop from here. */
static void sweep(Thread *thread) {
    char *frame = __builtin_frame_address(0);
    for (Hub **link = &thread->hubs; *link;) {
        Hub *hub = *link;
        if (hub->open || hub->home.greenlet || frame <= hub->floor) {
            link = &hub->next;
            continue;
        }
        *link = hub->next;
        hub->next = NULL;
        PyObject *exception = take_exception();
        abandon(hub);
        restore_exception(exception);
        Py_DECREF(hub);
        link = &thread->hubs; /* anything may have happened meanwhile */
    }
}

/* ---- ends ---- */

static void say_ended(Hub *hub) { /* to who waits in another thread */
    PyObject *exception = take_exception();
    forget_result(PyObject_CallMethodNoArgs((PyObject *)hub, str_ended), (PyObject *)hub);
    restore_exception(exception);
}

static void forget_watches(Hub *hub) {
    Watch *watches = hub->watches;
    int n = hub->n_watches;
    forget_descriptors(hub);
    hub->watches = NULL;
    hub->n_watches = 0;
    for (int fd = 0; fd < n; fd++)
        Py_XDECREF(watches[fd].nested);
    PyMem_Free(watches);
}

static void end_hub(Hub *hub) {
    if (!hub->open)
        return;
    hub->open = 0;
    hub->home.slice_end = 0;
    Py_INCREF(hub);
    forget_watches(hub);
    destroy_sources(hub);
    say_ended(hub);
    if (this_thread() == hub->thread && !ending && !finalizing()) {
        Thread *thread = this_threads_hubs(0);
        current_hub = NULL;
        if (thread)
            sweep(thread);
    }
    Py_DECREF(hub);
}

static void context_ended(void *data) { /* in whatever thread */
    Lane *lane = data;
    if (!lane->hub || !Py_IsInitialized())
        return;
    PyGILState_STATE gil = PyGILState_Ensure();
    if (lane->hub)
        end_hub(lane->hub);
    PyGILState_Release(gil);
}

int own_hub(Hub *hub) { /* by this thread, until it or the context ends */
    if (ending || ended == PyThreadState_GetID(PyThreadState_Get())) {
        PyErr_SetString(GleenletError, "this thread is ending: there is no loop here any more");
        return -1;
    }
    Thread *thread = this_threads_hubs(1);
    if (!thread)
        return -1;
    hub->next = thread->hubs;
    thread->hubs = (Hub *)Py_NewRef(hub);
    when_destroyed(hub->idle, context_ended);
    return 0;
}

static Hub *hub_of_context(void *context) { /* this thread's for that context, borrowed; NULL: none, or an error is set */
    Thread *thread = this_threads_hubs(0);
    if (!thread)
        return NULL;
    if (!exiting)
        sweep(thread);
    for (Hub *hub = thread->hubs; hub; hub = hub->next)
        if (hub->open && hub->context == context)
            return hub;
    return NULL;
}

Hub *get_hub(PyGreenlet *current) { /* borrowed: of this greenlet, else of this thread and its context */
    Fiber *fiber = as_fiber(current);
    if (fiber)
        return fiber->hub;
    void *context = context_peek();
    if (current_hub && current_hub->open && current_hub->context == context)
        return current_hub;
    Hub *hub = hub_of_context(context);
    if (!hub && !PyErr_Occurred()) {
        PyObject *made = PyObject_CallNoArgs(make_hub);
        Py_XDECREF(made); /* its thread keeps it */
        hub = (Hub *)made;
    }
    return hub ? current_hub = hub : NULL;
}

PyObject *core_on_missing_hub(PyObject *Py_UNUSED(module), PyObject *func) {
    Py_XSETREF(make_hub, Py_NewRef(func));
    Py_RETURN_NONE;
}

static void thread_dealloc(Thread *thread) {
    if (this_thread() == thread->thread && !finalizing()) {
        ending = 1;
        for (Hub *hub = thread->hubs; hub; hub = hub->next)
            end_hub(hub);
        sweep(thread);
        current_hub = NULL;
        ending = 0;
        ended = PyThreadState_GetID(PyThreadState_Get());
    } else
        /* The interpreter goes, or this is a forked child and that thread is not in it: its locks may be held for ever,
         * so nothing of GLib's is touched, and what there is stays. */
        for (Hub *hub = thread->hubs; hub; hub = hub->next) {
            hub->open = 0;
            for (int i = 0; i < hub->n_lanes; i++)
                hub->lanes[i]->hub = NULL;
        }
    PyObject_Free(thread);
}

PyTypeObject ThreadType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Thread",
    .tp_doc = "The hubs of one thread; they end with it.",
    .tp_basicsize = sizeof(Thread),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)thread_dealloc,
};

PyObject *hub_close(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    end_hub(hub);
    Py_RETURN_NONE;
}

/* exit(): close this thread's hubs. What still waits is left as it is, as daemon threads are. */
PyObject *core_exit(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    Thread *thread = this_threads_hubs(0);
    exiting = 1;
    for (Hub *hub = thread ? thread->hubs : NULL; hub; hub = hub->next)
        end_hub(hub);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

PyObject *core_hubs(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    Thread *thread = this_threads_hubs(0);
    PyObject *list = PyErr_Occurred() ? NULL : PyList_New(0);
    for (Hub *hub = thread ? thread->hubs : NULL; list && hub; hub = hub->next)
        if (PyList_Append(list, (PyObject *)hub))
            Py_CLEAR(list);
    return list;
}

static void note_handle(Item *item, PyObject *handles) { /* and free nothing */
    if (item->kind->is == HANDLE && PyList_Append(handles, (PyObject *)item))
        PyErr_Clear();
}

/* forget_in_child() -> the tasks and the handles that are forgotten. In a forked child: keep the task that runs, forget all
 * else, as the child has it only because memory is copied whole. Nothing is ended or freed: no code of the parent's may run here. */
PyObject *hub_forget_in_child(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    PollFD fds[256];
    PyGreenlet *current = PyGreenlet_GetCurrent();
    Job *mine = current ? owner(current) : NULL;
    PyObject *forgotten = PyList_New(0), *handles = PyList_New(0), *exit = PyObject_CallNoArgs(PyExc_GreenletExit);
    Py_XDECREF(current);
    if (!forgotten || !handles || !exit) {
        Py_XDECREF(forgotten);
        Py_XDECREF(handles);
        Py_XDECREF(exit);
        return NULL;
    }
    /* What is forgotten is not resumed either, whatever the task that is kept sets, releases or returns. */
    for (Job *job = hub->jobs; job; job = job->following)
        for (Waiter *waiter = job->waiter; waiter; waiter = waiter->outer)
            waiter->state = DONE;
    PyObject *greenlet, *waiter;
    for (Py_ssize_t i = 0; PyDict_Next(hub->foreign, &i, &greenlet, &waiter);)
        if (((Waiter *)waiter)->greenlet) /* the others drive the loop, here as well */
            ((Waiter *)waiter)->state = DONE;
    for (Job *job = hub->jobs; job; job = job->following)
        if (job != mine) {
            job->state = CANCELLED;
            job->value = Py_NewRef(exit);
            if (PyList_Append(forgotten, (PyObject *)job))
                PyErr_Clear();
        }
    Py_DECREF(exit);
    hub->jobs = mine && mine->hub == hub ? mine : NULL;
    hub->n_jobs = hub->jobs != NULL;
    if (hub->jobs)
        mine->previous = mine->following = NULL;
    take_all(hub, note_handle, handles);
    hub->pool = NULL;
    hub->n_pool = 0;
    PyDict_Clear(hub->foreign);
    forget_watches(hub);
    if (hub->open)
        for (int i = 0, n = context_polls(hub->context, fds, 256); i < n; i++)
            renew_wakeup(fds[i].fd);
    return Py_BuildValue("(NN)", forgotten, handles);
}
