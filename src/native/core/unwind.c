/* Whose stack a loop runs on: asked only before an unusual switch, by walking up the C stack. */
#include "core.h"

#include <dlfcn.h>
#include <unwind.h>

typedef struct {
    void *glib, *greenlet; /* where these libraries begin */
    int own;               /* 1: a frame of GLib's came first, 0: one of greenlet's did, -1: neither */
} Walk;

static void *library_of(void *address) {
    Dl_info info;
    return dladdr(address, &info) ? info.dli_fbase : NULL;
}

static _Unwind_Reason_Code look(struct _Unwind_Context *context, void *walk_) {
    Walk *walk = walk_;
    void *library = library_of((void *)_Unwind_GetIP(context));
    if (library == walk->glib)
        walk->own = 1;
    else if (library == walk->greenlet)
        walk->own = 0;
    return walk->own < 0 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* A greenlet's stack begins in greenlet's library, below the frames of whoever started it. A dispatch that we meet before
 * is the greenlet's own: of a loop that it runs itself. Leaving it would have GLib's outer loop go on in the middle of
 * the inner one's dispatch, and the list of what is pending is one for both (glib/gmain.c, g_main_dispatch). Where the
 * walk ends early nothing is known, and that counts as a loop. */
PyObject *core_runs_loop(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    Walk walk = {library_of(glib_function()), library_of(greenlet_api[PyGreenlet_Switch_NUM]), -1};
    _Unwind_Backtrace(look, &walk);
    return PyBool_FromLong(walk.own != 0);
}
