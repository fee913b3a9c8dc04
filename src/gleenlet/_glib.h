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

static inline int load_functions(void **table, const char *const *names, size_t n) {
    void *library = dlopen("libglib-2.0.so.0", RTLD_NOLOAD | RTLD_NOW);
    for (size_t i = 0; i < n; i++)
        if (!(table[i] = dlsym(library ? library : RTLD_DEFAULT, names[i]))) {
            PyErr_Format(PyExc_ImportError, "gleenlet needs the GLib that PyGObject has loaded, but it has no %s",
                         names[i]);
            return -1;
        }
    return 0;
}

#endif
