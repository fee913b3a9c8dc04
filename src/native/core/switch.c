/* The run queue, the timers, the floor, the probe and the hand-over. The invariants stand in core.h. */
#include "platform.h"

void report(Hub *hub, PyObject *what) { /* the current exception, which nobody waits for */
    PyObject *exception = take_exception();
    PyObject *result = PyObject_CallMethodObjArgs((PyObject *)hub, str_report, exception, what, NULL);
    if (!result)
        PyErr_WriteUnraisable(what);
    Py_XDECREF(result);
    Py_XDECREF(exception);
}

int not_here(Hub *hub) { /* 0, with the reason set */
    if (!hub->floor)
        PyErr_SetString(GleenletError, "this hub was not initialized: hubs are made by get_hub()");
    else if (!hub->open)
        PyErr_SetString(GleenletError, "this hub is closed: its thread or its context has ended, or the interpreter "
                                       "is about to");
    else
        PyErr_SetString(GleenletError, "this hub belongs to another thread: "
                                       "use Hub.call_soon_threadsafe() or from_thread() to enter it from here");
    return 0;
}

/* ---- lanes and timers ---- */

void push(Item *item) { /* steals; any thread that holds the GIL */
    Lane *lane = item->lane;
    item->next = NULL;
    item->queued = 1;
    if (lane->head)
        lane->tail->next = item;
    else {
        lane->since = 0;
        lane->head = item;
    }
    lane->tail = item;
}

Item *pop(Lane *lane) {
    Item *item = lane->head;
    lane->head = item->next;
    item->queued = 0;
    if (lane->hub)
        lane->since = lane->hub->now;
    return item;
}

void notify(Hub *hub, PyObject *func) { /* call it; its exception is nobody's */
    Py_INCREF(func);
    PyObject *result = PyObject_CallNoArgs(func);
    if (!result)
        report(hub, func);
    Py_XDECREF(result);
    Py_DECREF(func);
}

void ready(Waiter *waiter) { /* it has something to return or raise: queue who waits */
    if (waiter->state == READY)
        return;
    waiter->state = READY;
    if (waiter->hub->observer)
        observe(waiter->hub, WAKES, waiter);
    if (!waiter->greenlet) {
        if (waiter->hub->neighbour)
            tell_guest(waiter);
    } else if (!waiter->queued)
        push((Item *)Py_NewRef(waiter));
}

/* The heap holds the deadlines themselves: with a crowd asleep, a look at an item is a miss of the cache. */
static int earlier(const Timer *a, const Timer *b) {
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->item->order < b->item->order);
}

static void timer_place(Hub *hub, Timer timer, Py_ssize_t i) { /* sift up, then down */
    Timer *heap = hub->timers;
    for (Py_ssize_t up; i > 0 && earlier(&timer, &heap[up = (i - 1) / 2]); i = up)
        (heap[i] = heap[up]).item->timer = i;
    for (Py_ssize_t down; (down = 2 * i + 1) < hub->n_timers; i = down) {
        if (down + 1 < hub->n_timers && earlier(&heap[down + 1], &heap[down]))
            down++;
        if (!earlier(&heap[down], &timer))
            break;
        (heap[i] = heap[down]).item->timer = i;
    }
    (heap[i] = timer).item->timer = i;
}

int timer_add(Item *item) {
    Hub *hub = item->hub;
    if (hub->n_timers == hub->timers_size) {
        Py_ssize_t size = hub->timers_size ? 2 * hub->timers_size : 64;
        Timer *timers = PyMem_Realloc(hub->timers, size * sizeof *timers);
        if (!timers) {
            PyErr_NoMemory();
            return -1;
        }
        hub->timers = timers;
        hub->timers_size = size;
    }
    Py_INCREF(item);
    item->order = hub->orders++;
    timer_place(hub, (Timer){item->deadline, item}, hub->n_timers++);
    return 0;
}

void timer_remove(Item *item) { /* leaves the reference to the caller */
    Hub *hub = item->hub;
    Py_ssize_t i = item->timer;
    Timer last = hub->timers[--hub->n_timers];
    item->timer = -1;
    if (last.item != item)
        timer_place(hub, last, i);
}

void drop_timer(Item *item) {
    if (item->timer >= 0) {
        timer_remove(item);
        Py_DECREF(item);
    }
}

static void expire(Hub *hub) { /* queue what is due */
    while (hub->n_timers && hub->timers[0].deadline <= hub->now) {
        Item *item = hub->timers[0].item;
        timer_remove(item);
        if (item->kind == WAITER) {
            Waiter *waiter = (Waiter *)item;
            waiter->outcome = EXPIRED;
            ready(waiter);
            Py_DECREF(item);
        } else
            push(item);
    }
}

static inline Lane *next_lane(Hub *hub) { /* the most urgent with work, unless a lesser one has waited too long */
    Lane *first = NULL;
    for (int i = 0; i < hub->n_lanes && hub->lanes[i]->priority <= hub->home.level; i++) {
        Lane *lane = hub->lanes[i];
        if (!lane->head)
            continue;
        if (!lane->since)
            lane->since = hub->now;
        if (!first)
            first = lane;
        else if (hub->now - lane->since > AGE_NS)
            return lane;
    }
    return first;
}

Lane *first_lane(Hub *hub) { return next_lane(hub); }

static inline uint64_t processor_ticks(void) {
#ifdef __x86_64__
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

static void ask_clock(Hub *hub) {
    hub->ticks = processor_ticks();
    hub->now = hub_clock(hub);
}

/* The slice is checked at every step, and asking CLOCK_MONOTONIC takes a twelfth of one. So where the processor has a
 * counter of its own, the clock is asked only when that has gone on by TICKS, 20 to 100 us, or when a deadline is near. A
 * counter that jumps, because the thread has moved to another processor, only has the clock asked once more. */
void tell_time(Hub *hub) {
    uint64_t ticks = processor_ticks();
    if (!ticks || ticks - hub->ticks >= TICKS || (hub->n_timers && hub->timers[0].deadline - hub->now <= NEAR_NS))
        ask_clock(hub);
}

static Lane *next_step(Hub *hub) { /* NULL: nothing is ready here, or the slice is over */
    tell_time(hub);
    if (hub->n_timers && hub->timers[0].deadline <= hub->now)
        expire(hub);
    if (hub->directed)
        return choose(hub);
    return hub->now < hub->home.slice_end ? next_lane(hub) : NULL;
}

/* ---- the stack ---- */

char *find_floor(size_t reserve) {
    char *top;
    size_t size;
    if (find_stack(&top, &size)) {
        PyErr_SetString(GleenletError, "this thread's stack cannot be found out (pthread_getattr_np failed)");
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
static int fits(Hub *hub, PyGreenlet *greenlet, char *stack) {
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

static void hold(Hub *hub, Item *item) { /* steals; until a shallower dispatch */
    Item **link = &hub->held;
    while (*link)
        link = &(*link)->next;
    *link = item;
    item->next = NULL;
    item->queued = 1; /* another outcome meanwhile queues it no second time */
    hub->held_at = hub->home.frame;
}

/* ---- switching ---- */

/* F5, I2: may the current greenlet be switched away from? */
int may_switch(Hub *hub, PyGreenlet *current) {
    return hub->home.greenlet && hub->home.greenlet != current && callback_count(PyThreadState_Get()) == hub->home.count;
}

/* The hand-over (F7): from a Fiber straight to the next one that is ready, else home. Returns what switch() gave to
 * whoever comes back to us. */
PyObject *leave(Hub *hub, PyGreenlet *current) {
    PyGreenlet *target = NULL;
    Lane *lane = as_fiber(current) && !hub->directed ? next_step(hub) : NULL;
    Item *item = lane ? lane->head : NULL;
    if (item && item->kind == WAITER) {
        Waiter *waiter = (Waiter *)item;
        if (waiter->state == READY && waiter->greenlet && waiter->greenlet != current && as_fiber(waiter->greenlet)) {
            pop(lane);
            if (hub->observer)
                observe(hub, BEGINS, item);
            item->state = DONE;
            target = waiter->greenlet;
            waiter->greenlet = NULL;
            Py_DECREF(item);
        }
    } else if (item && item->kind == JOB && hub->pool) {
        Fiber *fiber = hub->pool;
        pop(lane);
        if (hub->observer)
            observe(hub, BEGINS, item);
        hub->pool = fiber->next;
        hub->n_pool--;
        fiber->job = (Job *)item;
        target = fiber->greenlet;
    }
    if (target) {
        hub->home.running = as_fiber(target);
        hub->steps++;
    } else {
        hub->home.leaving = 1;
        /* With no home somebody switched to us by hand from outside any dispatch: back to him. */
        target = hub->home.greenlet ? (PyGreenlet *)Py_NewRef(hub->home.greenlet) : PyGreenlet_GET_PARENT(current);
    }
    /* The target is ours until we are back: it may die meanwhile, and greenlet looks at it once more after a switch. */
    PyObject *result = PyGreenlet_Switch(target, NULL, NULL);
    Py_XDECREF(target);
    return result;
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
    if (hub->observer)
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
    if (PyObject_IS_GC(job->value) || Py_TYPE(job)->tp_base != &JobType) /* else it is in no cycle: a plain Task's slots */
        PyObject_GC_Track(job);
    Py_CLEAR(job->context);
    if (job->callbacks || job->state == FAILED) {
        PyObject *done = PyObject_CallMethodNoArgs((PyObject *)job, str_finished);
        for (int i = 0; !done && i < 10 && PyErr_ExceptionMatches(PyExc_MemoryError); i++) { /* nobody must wait on */
            PyErr_Clear();
            done = PyObject_CallMethodNoArgs((PyObject *)job, str_finished);
        }
        if (!done)
            report(hub, (PyObject *)job);
        Py_XDECREF(done);
    }
    Py_DECREF(job); /* the list's */
}

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
PyObject *fiber_run(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
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
        job->state = WAITING;
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
        Lane *lane = hub->directed ? NULL : next_step(hub);
        if (lane && lane->head->kind == JOB) {
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

static PyObject *switch_to_job(Hub *hub, Job *job) { /* steals; from home only: birth needs the floor */
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
            push((Item *)job);
            return NULL;
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
        result = Py_NewRef(Py_None);
    }
    Py_DECREF(greenlet);
    return result;
}

static Fiber *heir(PyGreenlet *greenlet) { /* of a dead greenlet that is not ours: the first that lives, if that is ours */
    PyGreenlet *parent = PyGreenlet_GET_PARENT(greenlet);
    Fiber *fiber = !parent ? NULL : PyGreenlet_ACTIVE(parent) ? as_fiber(parent) : heir(parent);
    Py_XDECREF(parent);
    return fiber;
}

/* Resume a greenlet from home. Steals it. */
static PyObject *resume(Hub *hub, PyGreenlet *greenlet, PyObject *args, PyObject *kwargs, PyObject *exception) {
    PyObject *result = NULL;
    hub->home.running = as_fiber(greenlet);
    hub->steps++;
    if (exception)
        result = PyGreenlet_Throw(greenlet, (PyObject *)Py_TYPE(exception), exception, NULL);
    else if (PyGreenlet_STARTED(greenlet))
        result = PyGreenlet_Switch(greenlet, args, kwargs);
    else if (!PyObject_SetAttrString((PyObject *)greenlet, "_gleenlet_floor", Py_True) &&
             !PyGreenlet_SetParent(greenlet, hub->home.greenlet))
        result = switch_at_floor(hub->floor, greenlet, args, kwargs);
    if (!hub->home.running && !PyGreenlet_ACTIVE(greenlet)) /* it has ended, so who runs on is the one it returned to */
        hub->home.running = heir(greenlet);
    Py_DECREF(greenlet);
    return result;
}

static PyObject *switch_to_waiter(Hub *hub, Waiter *waiter) { /* steals; from home only */
    PyGreenlet *greenlet = waiter->greenlet;
    if (!greenlet || waiter->state != READY || greenlet == hub->home.greenlet) {
        Py_DECREF(waiter); /* it left its wait some other way meanwhile */
        Py_RETURN_NONE;
    }
    if (!fits(hub, greenlet, waiter->stack)) {
        hold(hub, (Item *)waiter);
        Py_RETURN_NONE;
    }
    waiter->state = DONE;
    waiter->greenlet = NULL;
    Py_DECREF(waiter);
    return resume(hub, greenlet, NULL, NULL, NULL);
}

static void switch_dealloc(Switch *item) {
    Py_XDECREF(item->greenlet);
    Py_XDECREF(item->args);
    Py_XDECREF(item->kwargs);
    Py_XDECREF(item->exception);
    Py_XDECREF(item->hub);
    PyObject_Free(item);
}

PyTypeObject SwitchType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Switch",
    .tp_doc = "A greenlet that the loop will resume with greenlet's own switch() or throw().",
    .tp_basicsize = sizeof(Switch),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)switch_dealloc,
};

Switch *new_switch(Hub *hub, PyGreenlet *greenlet) { /* not yet queued */
    Switch *item = PyObject_New(Switch, &SwitchType);
    if (!item)
        return NULL;
    memset((char *)item + sizeof(PyObject), 0, sizeof *item - sizeof(PyObject));
    item->hub = (Hub *)Py_NewRef(hub);
    item->lane = hub->normal;
    item->timer = -1;
    item->kind = SWITCH;
    item->greenlet = (PyGreenlet *)Py_NewRef(greenlet);
    return item;
}

static PyObject *switch_by_hand(Hub *hub, Switch *item) { /* steals; from home only */
    if (item->greenlet == hub->home.greenlet) {
        Py_DECREF(item);
        Py_RETURN_NONE;
    }
    if (!fits(hub, item->greenlet, NULL)) {
        hold(hub, (Item *)item);
        Py_RETURN_NONE;
    }
    PyObject *result = resume(hub, (PyGreenlet *)Py_NewRef(item->greenlet), item->args, item->kwargs, item->exception);
    Py_DECREF(item);
    return result;
}

static PyObject *run_call(Call *call) { /* steals */
    PyObject *result = NULL;
    call->state = DONE;
    if (!call->func)
        result = Py_NewRef(Py_None);
    else if (!PyContext_Enter(call->context)) {
        PyObject *func = Py_NewRef(call->func), *context = Py_NewRef(call->context);
        result = PyObject_Call(func, call->args, call->kwargs);
        PyObject *exception = result ? NULL : take_exception();
        PyContext_Exit(context);
        if (exception) {
            raise_exception(exception);
            report(call->hub, func);
            result = Py_NewRef(Py_None);
        }
        Py_DECREF(context);
        Py_DECREF(func);
    }
    Py_DECREF(call);
    return result;
}

/* A task that switched to the loop's greenlet with greenlet's own switch() has yielded: let it go on below redraws. */
static void requeue_by_hand(Hub *hub, PyGreenlet *current) {
    Fiber *fiber = hub->home.running;
    if (hub->home.leaving || !fiber || !fiber->job || fiber->job->waiter || fiber->greenlet == current)
        return;
    Switch *item = new_switch(hub, fiber->greenlet);
    if (!item) {
        PyErr_WriteUnraisable(NULL);
        return;
    }
    item->lane = hub->idle;
    push((Item *)item);
    hub->home.slice_end = 0; /* he asked for the loop: let it turn */
}

static void run_step(Hub *hub, Item *item) { /* steals */
    PyObject *result, *what = NULL;
    PyGreenlet *home = hub->home.greenlet;
    hub->home.leaving = 0;
    hub->home.running = NULL;
    if (hub->observer)
        observe(hub, BEGINS, item);
    if (item->kind == CALL)
        result = run_call((Call *)item);
    else if (item->kind == JOB)
        result = switch_to_job(hub, (Job *)item);
    else if (item->kind == WAITER) {
        what = Py_XNewRef(((Waiter *)item)->greenlet);
        result = switch_to_waiter(hub, (Waiter *)item);
    } else {
        what = Py_NewRef(((Switch *)item)->greenlet);
        result = switch_by_hand(hub, (Switch *)item);
    }
    requeue_by_hand(hub, home);
    hub->home.running = NULL;
    if (hub->observer)
        observe(hub, RETURNS, NULL);
    if (!result)
        report(hub, what ? what : (PyObject *)hub);
    Py_XDECREF(result);
    Py_XDECREF(what);
}

/* Be home for what `first` (steals) starts, or, where it is NULL, for everything that is ready up to `level`. */
void be_home(Hub *hub, int level, char *frame, Item *first) {
    Home outer = hub->home;
    PyGreenlet *current = PyGreenlet_GetCurrent();
    ask_clock(hub); /* here and at the end exactly: between two dispatches others run */
    int64_t start = hub->now;
    hub->home = (Home){current, frame, callback_count(PyThreadState_Get()), level, 0, NULL, 0};
    if (hub->neighbour)
        tell_turn(hub, 1);
    if (first)
        run_step(hub, first);
    else {
        /* The slice is a budget over all dispatches until the next idle one, which proves that everything more urgent
         * had its turn: short dispatches that follow each other without a pause starve redraws as a long one does. */
        if (level >= IDLE_PRIORITY || hub->budget <= 0)
            hub->budget = SLICE_NS;
        hub->home.slice_end = start + hub->budget;
        hub->choices = CHOICES;
        for (int i = 0; i < hub->n_lanes && hub->lanes[i]->priority <= level; i++)
            hub->lanes[i]->spent = 0;
        for (Lane *lane; (lane = next_step(hub));)
            run_step(hub, pop(lane));
        ask_clock(hub);
        hub->budget = level >= IDLE_PRIORITY ? SLICE_NS : hub->budget - (hub->now - start);
        for (int i = 0; i < hub->n_lanes && hub->lanes[i]->priority < IDLE_PRIORITY && hub->budget <= 0; i++)
            hub->lanes[i]->spent = hub->now;
    }
    if (hub->neighbour)
        tell_turn(hub, 0);
    hub->home = outer;
    Py_DECREF(current);
}
