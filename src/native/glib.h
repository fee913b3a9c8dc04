/* What we use of GLib's structures and functions. A file that includes this, after core.h, defines
 * `struct Source`, beginning with SOURCE_HEAD. */
#ifndef GLEENLET_GLIB_H
#define GLEENLET_GLIB_H
#include "library.h"

typedef struct Source Source;

#define SOURCE_HEAD                         /* GSource, whose layout is public and frozen (glib/gmain.h) */           \
    void *callback_data, *callback_funcs;                                                                             \
    const void *source_funcs;                                                                                         \
    unsigned ref_count;                                                                                               \
    void *context;                                                                                                    \
    int priority;                                                                                                     \
    unsigned flags, source_id;                                                                                        \
    void *poll_fds, *prev, *next;                                                                                     \
    char *name;                                                                                                       \
    void *priv;

typedef struct {                            /* GSourceFuncs; prepare and check may be NULL: never */
    int (*prepare)(Source *, int *);
    int (*check)(Source *);
    int (*dispatch)(Source *, void *, void *);
    void (*finalize)(Source *);
    void *closure_callback, *closure_marshal;
} SourceFuncs;

#define GLIB_FUNCTIONS(X)                                                                                             \
    X(Source *, source_new, (const SourceFuncs *, unsigned))                                                          \
    X(void, source_set_priority, (Source *, int))                                                                     \
    X(void, source_set_can_recurse, (Source *, int))                                                                  \
    X(void, source_set_name, (Source *, const char *))                                                                \
    X(unsigned, source_attach, (Source *, void *))                                                                    \
    X(void, source_set_callback, (Source *, int (*)(void *), void *, void (*)(void *)))                               \
    X(void, source_destroy, (Source *))                                                                               \
    X(void, source_unref, (Source *))                                                                                 \
    X(void, source_add_poll, (Source *, PollFD *))                                                                    \
    X(void, source_remove_poll, (Source *, PollFD *))                                                                 \
    X(void *, main_context_default, (void))                                                                           \
    X(void *, main_context_ref, (void *))                                                                             \
    X(void *, main_context_get_thread_default, (void))                                                                \
    X(void, main_context_unref, (void *))                                                                             \
    X(void, main_context_wakeup, (void *))                                                                            \
    X(int, main_context_iteration, (void *, int))                                                                     \
    X(int, main_context_acquire, (void *))                                                                            \
    X(void, main_context_release, (void *))                                                                           \
    X(int, main_context_prepare, (void *, int *))                                                                     \
    X(int, main_context_query, (void *, int, int *, PollFD *, int))                                                   \
    X(Source *, main_context_find_source_by_id, (void *, unsigned))                                                   \
    X(int, main_depth, (void))

static struct {
    GLIB_FUNCTIONS(FUNCTION)
} g;

static inline int load_glib_functions(void) { /* fills g; -1 and an exception if one is missing */
    static const char *const names[] = {GLIB_FUNCTIONS(FUNCTION_NAME)};
    return load_functions((void **)&g, names, sizeof names / sizeof *names);
}

/* Zeroed behind its head; GLib aborts rather than return NULL. Nested loops dispatch it, too: it sees to that itself. */
static inline Source *new_source(const SourceFuncs *funcs, unsigned size, const char *name, int priority) {
    Source *source = g.source_new(funcs, size);
    g.source_set_name(source, name);
    g.source_set_priority(source, priority);
    g.source_set_can_recurse(source, 1);
    return source;
}

#endif
