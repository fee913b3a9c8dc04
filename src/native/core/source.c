/* GLib's side: one GSource a lane, in C, on the GLib that PyGObject has loaded. */
#include "platform.h"

#include "../glib.h"

#include <stddef.h>

struct Source {
    SOURCE_HEAD
    Lane lane;
};

int load_glib(void) { return load_glib_functions(); }

/* ---- the source: one a lane ---- */

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

/* ---- descriptors ---- */

static int readable(Hub *hub) { /* means that poll_ready() has work */
    for (int i = 0; i < hub->n_polled; i++)
        if (hub->polled[i]->revents)
            return 1;
    return 0;
}

/* Not g_source_add_unix_fd(): GLib dispatches such a source whenever the descriptor is ready, even if check() says that it
 * has to wait for others (glib/gmain.c, g_main_context_check). */
static void poll_in(Hub *hub, PollFD *poll, void (*change)(Source *, PollFD *)) { /* change: g.source_add_poll, ..remove.. */
    poll->revents = 0;
    for (int i = 0; i < hub->n_lanes && hub->lanes[i]->priority <= 0; i++)
        if (hub->lanes[i]->source)
            change(hub->lanes[i]->source, poll);
}

int poll_in_lanes(Hub *hub, PollFD *poll) {
    PollFD **polled = PyMem_Realloc(hub->polled, (hub->n_polled + 1) * sizeof *polled);
    if (!polled)
        return -1;
    hub->polled = polled;
    polled[hub->n_polled++] = poll;
    poll_in(hub, poll, g.source_add_poll);
    return 0;
}

void poll_no_more(Hub *hub, PollFD *poll) {
    int i = 0;
    while (hub->polled[i] != poll)
        i++;
    hub->polled[i] = hub->polled[--hub->n_polled];
    poll_in(hub, poll, g.source_remove_poll);
}

/* ---- who is served when ---- */

static void complain(Lane *lane, int foreign) {
    PyGILState_STATE gil = PyGILState_Ensure();
    Hub *hub = (Hub *)Py_XNewRef(lane->hub);
    lane->told = foreign;
    if (hub && !hub->complained) {
        hub->complained = 1;
        PyObject *result =
            PyObject_CallMethodObjArgs((PyObject *)hub, str_complain, foreign ? Py_True : Py_False, NULL);
        if (!result)
            PyErr_WriteUnraisable((PyObject *)hub);
        Py_XDECREF(result);
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
    int64_t left = hub->n_timers && !hub->clock ? hub->timers[0].deadline - now : INT64_MAX; /* another clock may stand */
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

static void reach_safe_point(Hub *hub) {
    PyObject *result = PyObject_CallMethodNoArgs((PyObject *)hub, str_safe_point);
    if (!result)
        report(hub, (PyObject *)hub); /* a signal's handler raised it: it was due, too */
    Py_XDECREF(result);
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
    if (script_waits())
        reach_safe_point(hub);
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

/* The idle lane's callback is never called, but its destroy function is, whoever destroys the GSource: we, or the context
 * when its last reference goes, in whatever thread. */
static int never_called(void *Py_UNUSED(data)) { return 1; }

static void context_ended(void *data) {
    Lane *lane = data;
    if (!lane->hub || !Py_IsInitialized())
        return;
    PyGILState_STATE gil = PyGILState_Ensure();
    if (lane->hub)
        end_hub(lane->hub);
    PyGILState_Release(gil);
}

static const SourceFuncs source_funcs = {source_prepare, source_check, source_dispatch, NULL, NULL, NULL};

Lane *get_lane(Hub *hub, int priority) {
    int i = 0;
    while (i < hub->n_lanes && hub->lanes[i]->priority < priority)
        i++;
    if (i < hub->n_lanes && hub->lanes[i]->priority == priority)
        return hub->lanes[i];
    Lane **lanes = PyMem_Realloc(hub->lanes, (hub->n_lanes + 1) * sizeof *lanes);
    if (lanes)
        hub->lanes = lanes;
    if (!lanes) {
        PyErr_NoMemory();
        return NULL;
    }
    Source *source = g.source_new(&source_funcs, sizeof(Source)); /* zeroed; GLib aborts rather than return NULL */
    Lane *lane = &source->lane;
    lane->hub = hub;
    lane->priority = priority;
    lane->source = source;
    lane->thread = hub->thread;
    lane->floor = hub->floor;
    g.source_set_name(source, "gleenlet");
    if (priority == IDLE_PRIORITY)
        g.source_set_callback(source, never_called, lane, context_ended);
    g.source_set_priority(lane->source, priority);
    g.source_set_can_recurse(lane->source, 1); /* nested loops under a Handle: their dispatch is checked like any other */
    for (int k = 0; k < hub->n_polled && priority <= 0; k++)
        g.source_add_poll(lane->source, hub->polled[k]);
    memmove(lanes + i + 1, lanes + i, (hub->n_lanes - i) * sizeof *lanes);
    lanes[i] = lane;
    hub->n_lanes++;
    g.source_attach(lane->source, hub->context);
    return lane;
}

void destroy_sources(Hub *hub) {
    for (int i = 0; i < hub->n_lanes; i++) {
        Lane *lane = hub->lanes[i];
        lane->hub = NULL;
        if (lane->source)
            g.source_destroy(lane->source);
        lane->source = NULL;
    }
}

void free_sources(Hub *hub) { /* the lanes with them, once no other thread looks at them */
    for (int i = 0; i < hub->n_lanes; i++)
        g.source_unref((Source *)((char *)hub->lanes[i] - offsetof(Source, lane)));
    PyMem_Free(hub->lanes);
    PyMem_Free(hub->polled);
}

int context_acquire(void *context) {
    if (!g.main_context_acquire(context))
        return 0;
    g.main_context_ref(context);
    return 1;
}

void context_release(void *context) {
    g.main_context_release(context);
    g.main_context_unref(context);
}

int context_iterate(void *context, int may_block) {
    int dispatched;
    Py_BEGIN_ALLOW_THREADS;
    dispatched = g.main_context_iteration(context, may_block);
    Py_END_ALLOW_THREADS;
    return dispatched;
}

void context_renew_wakeup(void *context) { /* it is among what the context polls */
    PollFD fds[256];
    int timeout;
    if (!g.main_context_acquire(context))
        return; /* another thread ran it, which does not live on in the child */
    int n = g.main_context_query(context, INT_MAX, &timeout, fds, 256);
    g.main_context_release(context);
    for (int i = 0; i < n && i < 256; i++)
        renew_wakeup(fds[i].fd);
}

void *context_peek(void) {
    void *context = g.main_context_get_thread_default();
    return context ? context : g.main_context_default();
}

void context_wakeup(void *context) { g.main_context_wakeup(context); }

int main_depth(void) { return g.main_depth(); }

void *glib_function(void) { return (void *)g.main_depth; }
