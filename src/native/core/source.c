/* What we call of the GLib that PyGObject has loaded: sources, their descriptors, contexts. */
#include "source.h"

#include <stddef.h>

static const SourceFuncs *called; /* by GLib, for each source */

int load_glib(const SourceFuncs *funcs) {
    called = funcs;
    return load_glib_functions();
}

/* ---- descriptors ---- */

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

/* ---- one source a lane ---- */

Lane *get_lane(Hub *hub, int priority) {
    int i = 0;
    while (i < hub->n_lanes && hub->lanes[i]->priority < priority)
        i++;
    if (i < hub->n_lanes && hub->lanes[i]->priority == priority)
        return hub->lanes[i];
    Lane **lanes = PyMem_Realloc(hub->lanes, (hub->n_lanes + 1) * sizeof *lanes);
    if (!lanes)
        return (Lane *)PyErr_NoMemory();
    hub->lanes = lanes;
    Source *source = new_source(called, sizeof(Source), "gleenlet", priority);
    Lane *lane = &source->lane;
    lane->hub = hub;
    lane->priority = priority;
    lane->source = source;
    lane->thread = hub->thread;
    lane->floor = hub->floor;
    for (int k = 0; k < hub->n_polled && priority <= 0; k++)
        g.source_add_poll(lane->source, hub->polled[k]);
    memmove(lanes + i + 1, lanes + i, (hub->n_lanes - i) * sizeof *lanes);
    lanes[i] = lane;
    hub->n_lanes++;
    g.source_attach(lane->source, hub->context);
    return lane;
}

/* A callback that is never called, but for its destroy function, whoever destroys the GSource: we, or the context when its
 * last reference goes, in whatever thread. */
static int never_called(void *Py_UNUSED(data)) { return 1; }

void when_destroyed(Lane *lane, void (*func)(void *)) {
    g.source_set_callback(lane->source, never_called, lane, func);
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

/* ---- contexts ---- */

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

int context_polls(void *context, PollFD *fds, int size) {
    int timeout, n;
    if (!g.main_context_acquire(context))
        return 0;
    n = g.main_context_query(context, INT_MAX, &timeout, fds, size);
    g.main_context_release(context);
    return n < size ? n : size;
}

void *context_peek(void) {
    void *context = g.main_context_get_thread_default();
    return context ? context : g.main_context_default();
}

void context_wakeup(void *context) { g.main_context_wakeup(context); }

int main_depth(void) { return g.main_depth(); }

void *glib_function(void) { return (void *)g.main_depth; }
