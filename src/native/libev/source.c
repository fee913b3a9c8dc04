/* What we call of the GLib that PyGObject has loaded: sources, their descriptor, the default context. */
#include "source.h"

int load_glib(void) { return load_glib_functions(); }

int glib_depth(void) { return g.main_depth(); }

Source *add_source(const SourceFuncs *funcs, int priority, Guest *guest) {
    Source *source = new_source(funcs, sizeof(Source), "gleenlet.gevent", priority);
    source->guest = guest;
    g.source_attach(source, g.main_context_default());
    return source;
}

void poll_epoll(Guest *guest, int fd) {
    if (fd == guest->epoll.fd)
        return;
    if (guest->epoll.fd >= 0)
        g.source_remove_poll(guest->work, &guest->epoll);
    guest->epoll.fd = fd; /* the first one, or after a reinit() */
    if (fd >= 0)
        g.source_add_poll(guest->work, &guest->epoll);
}

int iterate_glib(void) {
    if (!g.main_context_acquire(g.main_context_default()))
        return 0;
    Py_BEGIN_ALLOW_THREADS
    g.main_context_iteration(NULL, 1);
    Py_END_ALLOW_THREADS
    g.main_context_release(g.main_context_default());
    return 1;
}

/* May anything of GLib's still wake the hub? Yes if its loop runs; else if it polls a descriptor or has a timeout. */
PyObject *glib_alive(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    Guest *guest = &gevent.guest;
    PollFD fds[16];
    int depth = g.main_depth(), priority, timeout = -1, ready, n;
    if (guest->plain)
        Py_RETURN_FALSE;
    if (depth > (guest->driver ? guest->driver->depth + 1 : 0))
        Py_RETURN_TRUE;
    void *context = g.main_context_default();
    if (!g.main_context_acquire(context))
        Py_RETURN_TRUE;
    guest->probing = 1;
    Py_BEGIN_ALLOW_THREADS
    ready = g.main_context_prepare(context, &priority);
    n = g.main_context_query(context, INT_MAX, &timeout, fds, 16);
    Py_END_ALLOW_THREADS
    guest->probing = 0;
    g.main_context_release(context);
    return PyBool_FromLong(ready || timeout >= 0 || n > 1 + (guest->epoll.fd >= 0));
}
