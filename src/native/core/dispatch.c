/* What GLib calls: is there work, for whom, and the dispatch that does it. */
#include "platform.h"
#include "source.h"

/* F8. A lane's source has the lane's priority, so wake-ups compete with the application's own sources as GLib means it.
 * A lane that used up its slice waits for the idle source, below redraws; and what has been passed over for AGE_NS is
 * served by the most urgent source, so that nothing starves. `level` is set to how far down the dispatch may reach. */
static int waits_for_others(Lane *lane, int64_t now) { return lane->spent && now - lane->spent <= AGE_NS; }

static int due(Lane *lane, int64_t now, int *level) {
    Hub *hub = lane->hub;
    *level = lane->priority;
    if (!waits_for_others(lane, now) && (lane->head || (hub->n_timers && hub->timers[0].item->lane == lane &&
                                                        hub->timers[0].deadline <= now)))
        return 1;
    for (int i = 0; i < hub->n_lanes; i++) {
        Lane *other = hub->lanes[i];
        if (lane == hub->idle && (other->spent || (other->head && other->priority <= lane->priority)))
            return 1;
        if (!other->head)
            continue;
        if (!other->since)
            other->since = now;
        else if (lane == hub->lanes[0] && now - other->since > AGE_NS) {
            *level = other->priority;
            return 1;
        }
    }
    return 0;
}

static int readable(Hub *hub) { /* means that poll_ready() has work */
    for (int i = 0; i < hub->n_polled; i++)
        if (hub->polled[i]->revents)
            return 1;
    return 0;
}

static void complain(Lane *lane, int foreign) {
    PyGILState_STATE gil = PyGILState_Ensure();
    Hub *hub = (Hub *)Py_XNewRef(lane->hub);
    lane->told = foreign;
    if (hub && !hub->complained) {
        hub->complained = 1;
        PyObject *self = (PyObject *)hub;
        forget_result(PyObject_CallMethodObjArgs(self, str_complain, foreign ? Py_True : Py_False, NULL), self);
    }
    Py_XDECREF(hub);
    PyGILState_Release(gil);
}

/* May this iteration dispatch us at all? Told once if not, as soon as somebody waits for it: he is queued, or, where it is
 * our own thread and so ours to look at, due or readable. In another thread the hub may be going at this moment, so only
 * the Lane is looked at (I7). */
static int usable(Lane *lane, char *frame) {
    Hub *hub = lane->hub;
    if (!hub)
        return 0;
    int foreign = this_thread() != lane->thread;
    if (!foreign && frame > lane->floor)
        return 1;
    if (foreign ? lane->head && !lane->told
                : !hub->complained && (lane->head || (hub->n_timers && hub->timers[0].deadline <= hub_clock(hub)) ||
                                       readable(hub)))
        complain(lane, foreign);
    return 0;
}

static int until_first_timer(Hub *hub, int64_t now) { /* milliseconds, as GLib's poll counts; -1: there is none */
    int64_t left = hub->n_timers && hub->clock < 0 ? hub->timers[0].deadline - now : INT64_MAX; /* another clock may stand */
    return left < SPIN_NS ? 0 : left < INT_MAX * 1000000LL ? (int)((left + 999999) / 1000000) : -1;
}

static int source_prepare(Source *source, int *timeout) {
    char *frame = __builtin_frame_address(0);
    Lane *lane = &source->lane;
    int level;
    *timeout = -1;
    if (!usable(lane, frame)) {
        if (this_thread() == lane->thread && lane->hub && lane->hub->complained)
            hear(lane->hub, 0); /* nobody can be served, and what is readable would keep poll() from sleeping */
        else if (this_thread() == lane->thread && lane->hub)
            *timeout = until_first_timer(lane->hub, hub_clock(lane->hub)); /* to complain then */
        return 0;
    }
    Hub *hub = lane->hub;
    hear(hub, 1);
    if (hub->held && lane == hub->lanes[0] && frame > hub->held_at + 512)
        return 1;
    int64_t now = hub_clock(hub);
    if (due(lane, now, &level))
        return 1;
    if (lane == hub->lanes[0])
        *timeout = until_first_timer(hub, now);
    return 0;
}

/* F19. From 3.14 on sys.remote_exec() leaves a script for the main thread's next safe point, of which a loop that sleeps in
 * poll() has none. Who asks wakes our poll; then a function in Python is called, whose beginning is one. */
static int script_waits(void) {
#if PY_VERSION_HEX >= 0x030E0000
    PyThreadState *state = PyGILState_GetThisThreadState(); /* the thread's own, with or without the GIL */
    return state && state->remote_debugger_support.debugger_pending_call;
#else
    return 0;
#endif
}

static int source_check(Source *source) {
    Lane *lane = &source->lane;
    int level;
    if (!usable(lane, __builtin_frame_address(0)))
        return 0;
    int64_t now = hub_clock(lane->hub);
    return due(lane, now, &level) ||
           (readable(lane->hub) && !waits_for_others(lane, now)) || (lane == lane->hub->lanes[0] && script_waits());
}

static int source_dispatch(Source *source, void *Py_UNUSED(callback), void *Py_UNUSED(data)) {
    char *frame = __builtin_frame_address(0);
    Lane *lane = &source->lane;
    int level;
    if (!usable(lane, frame))
        return 1;
    PyGILState_STATE gil = PyGILState_Ensure();
    Hub *hub = (Hub *)Py_NewRef(lane->hub);
    if (script_waits()) /* what it raises is a signal's handler's, which was due, too */
        report_failed(hub, PyObject_CallMethodNoArgs((PyObject *)hub, str_safe_point), (PyObject *)hub);
    if (readable(hub))
        poll_ready(hub);
    while (hub->held && frame > hub->held_at) {
        Item *item = hub->held;
        hub->held = item->next;
        push(item);
    }
    if (hub->open) {
        due(lane, hub_clock(hub), &level);
        be_home(hub, level, frame, NULL);
    }
    Py_DECREF(hub);
    PyGILState_Release(gil);
    return 1;
}

static const SourceFuncs source_funcs = {source_prepare, source_check, source_dispatch, NULL, NULL, NULL};

int ready_dispatch(void) { return load_glib(&source_funcs); }
