/* GLib's structures and functions, without its headers and without a second copy: from the library that PyGObject has
 * loaded (F7c). A file that includes this defines `struct Source`, beginning with SOURCE_HEAD. */
#ifndef GLEENLET_GLIB_H
#define GLEENLET_GLIB_H
#include <Python.h>
#include <dlfcn.h>

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

typedef struct {                            /* GSourceFuncs */
    int (*prepare)(Source *, int *);
    int (*check)(Source *);
    int (*dispatch)(Source *, void *, void *);
    void (*finalize)(Source *);
    void *closure_callback, *closure_marshal;
} SourceFuncs;

typedef struct {                            /* GPollFD */
    int fd;
    unsigned short events, revents;
} PollFD;

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
    X(int, main_depth, (void))

#define X(result, name, arguments) result(*name) arguments;
static struct {
    GLIB_FUNCTIONS(X)
} g;
#undef X

static inline int load_functions(void) { /* fills g; -1 and an exception if one is missing */
#define X(result, name, arguments) "g_" #name,
    static const char *const names[] = {GLIB_FUNCTIONS(X)};
#undef X
    void *library = dlopen("libglib-2.0.so.0", RTLD_NOLOAD | RTLD_NOW);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!(((void **)&g)[i] = dlsym(library ? library : RTLD_DEFAULT, names[i]))) {
            PyErr_Format(PyExc_ImportError, "gleenlet needs the GLib that PyGObject has loaded, but it has no %s",
                         names[i]);
            return -1;
        }
    return 0;
}

#endif
