/* gleenlet._libev: gevent's hub as a guest of GLib's loop. See gevent.py for the Python half.
 *
 * GLib's loop runs as always. gevent's hub runs libev's loop as always too, with one difference: where libev would wait
 * (epoll_wait, called from ev_run), the hub is suspended instead, and two GSources resume it when libev's epoll
 * descriptor is readable, when libev's own timeout is over, or after anything else was dispatched.
 *
 * Words. "Parked" is the hub suspended in epoll_wait. "Home" is the greenlet that resumed the hub: it runs GLib's loop,
 * or drives GLib's context while it waits for gevent (`drive`). "Level" is gilstate_counter as the hub's own frames see
 * it; every callback of gevent's adds one, so a greenlet of gevent's that blocks at any other count has a C callback
 * on its stack (design: the depth probe).
 *
 * Why epoll_wait and not ev_set_loop_release_cb, which libev documents for this: the release callback is not told how
 * long libev is going to wait. The next timer, the idle watchers and, worst, a signal or an async send that came while
 * callbacks ran (libev then skips the write to its pipe and waits for 0 s) are visible only in that timeout. So the
 * import of epoll_wait in the one library that holds libev is redirected; nothing else of the process is touched.
 */
#define PY_SSIZE_T_CLEAN
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <Python.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "greenlet/greenlet.h"

#if PY_VERSION_HEX < 0x030D0000
#define PyObject_GetOptionalAttr _PyObject_LookupAttr
#endif

#define WORK_PRIORITY (-1)   /* libev has events: just above the application's own */
#define YIELD_PRIORITY 200   /* a slice ended with work left: below redraws (120), among the idle */
#define SLICE_NS 1000000LL   /* how long gevent runs before GLib is looked at */
#define AGE_NS 6000000LL     /* how long a yield may wait for busy sources above it */
#define PAUSE_NS 5000000LL   /* how often a paused hub looks whether it may go on */

/* ---- GLib, from the library that PyGObject has loaded ---- */

typedef struct { int fd; unsigned short events, revents; } PollFD; /* GPollFD */

typedef struct {             /* GSource, whose layout is public and frozen (glib/gmain.h) */
    void *callback_data, *callback_funcs;
    const void *source_funcs;
    unsigned ref_count;
    void *context;
    int priority;
    unsigned flags, source_id;
    void *poll_fds, *prev, *next;
    char *name;
    void *priv;
} Source;

typedef struct {
    int (*prepare)(Source *, int *);
    int (*check)(Source *);
    int (*dispatch)(Source *, void *, void *);
    void (*finalize)(Source *);
    void *closure_callback, *closure_marshal;
} SourceFuncs;

static struct {
    Source *(*source_new)(const SourceFuncs *, unsigned);
    void (*source_set_priority)(Source *, int);
    void (*source_set_can_recurse)(Source *, int);
    void (*source_set_name)(Source *, const char *);
    unsigned (*source_attach)(Source *, void *);
    void (*source_add_poll)(Source *, PollFD *);
    void (*source_remove_poll)(Source *, PollFD *);
    void *(*main_context_default)(void);
    int (*main_context_iteration)(void *, int);
    int (*main_context_acquire)(void *);
    void (*main_context_release)(void *);
    int (*main_context_prepare)(void *, int *);
    int (*main_context_query)(void *, int, int *, PollFD *, int);
    int (*main_depth)(void);
} g;

static const char *const names[] = {
    "g_source_new", "g_source_set_priority", "g_source_set_can_recurse", "g_source_set_name", "g_source_attach",
    "g_source_add_poll", "g_source_remove_poll", "g_main_context_default", "g_main_context_iteration",
    "g_main_context_acquire", "g_main_context_release", "g_main_context_prepare", "g_main_context_query",
    "g_main_depth"};

/* ---- the guest: one in a process, as libev has one default loop ---- */

typedef struct Driver {      /* a greenlet that iterates GLib's context until somebody switches to it */
    struct Driver *outer;
    PyGreenlet *greenlet;
    int depth, done;
    PyObject *value, *error; /* owned */
} Driver;

enum { UNBORN, PARKED, RUNNING, AWAY }; /* AWAY: the hub woke its home in the middle of a callback */

static struct {
    PyGreenlet *hub;         /* owned, as are the next five */
    PyObject *loop, *python; /* gevent.py */
    PyObject *token;         /* what a hub that parks gives its home */
    PyObject *callbacks;     /* the loop's queue of callbacks */
    PyObject *timer_type, *io_type;
    Py_ssize_t head;         /* where in `callbacks` its first element is */
    void (*now_update)(void *);
    void *ev_loop;
    PyThreadState *thread;
    PyGreenlet *home;        /* borrowed: it is inside `enter` */
    Driver *driver;
    int state, level, left;
    int nested_count;        /* gilstate_counter under the last dispatch: for a greenlet that runs a GLib loop */
    char *base;              /* where the hub's stack begins */
    int epfd, learn, plain;
    int luck, tries;         /* did asking epoll once more before parking pay off lately? */
    int busy;                /* the last look at epoll showed events */
    int tasks;               /* greenlets of the core's that wait in gevent, and run only when GLib's loop does */
    int alone;               /* the waiting greenlet cannot drive GLib: its loop runs in another thread */
    int recursed;            /* libev's loop ran again while the hub was parked in it */
    int touched;             /* a watcher was made outside the hub */
    int64_t deadline, parked_at, slice_end, paused_until;
    int yielded, complained, probing;
    unsigned iteration, served;
    int served_depth;
    unsigned long polls;
    PyObject *(*cython_switch)(PyObject *, int);
    int testing;
} L = {.epfd = -1};

static Source *work_source, *yield_source, *first_source;
static PollFD pollfd = {-1, 1, 0};
static PyObject *str_switch_out;

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static PyObject *ask(const char *method) { return PyObject_CallMethod(L.python, method, NULL); }

static PyObject *take_exception(void) {
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

/* Birth below every frame that GLib's loop will ever use, so that no switch moves one (design: the stack floor). */
__attribute__((noinline)) static PyObject *switch_at_base(PyGreenlet *greenlet, char *base) {
    char *frame = __builtin_frame_address(0);
    char *padding = __builtin_alloca(frame > base ? frame - base : 16);
    __asm__ volatile("" ::"r"(padding) : "memory");
    PyObject *result = PyGreenlet_Switch(greenlet, NULL, NULL);
    __asm__ volatile("" ::"r"(padding) : "memory");
    return result;
}

static char *find_base(char *frame) {
    pthread_attr_t attributes;
    void *bottom = NULL;
    size_t size = 0, reserve;
    if (pthread_getattr_np(pthread_self(), &attributes))
        return frame - 65536;
    pthread_attr_getstack(&attributes, &bottom, &size);
    pthread_attr_destroy(&attributes);
    reserve = size / 8 < 65536 ? 65536 : size / 8 > 1048576 ? 1048576 : size / 8;
    char *base = (char *)bottom + size - reserve;
    return frame - 65536 < base ? frame - 65536 : base;
}

/* Give control to the hub until it parks (returns the token) or until somebody switches to the current greenlet. */
static PyObject *enter(void) {
    PyGreenlet *current = PyGreenlet_GetCurrent(), *home = L.home, *hub = (PyGreenlet *)Py_NewRef(L.hub);
    PyThreadState *thread = PyThreadState_Get();
    int nested = L.state == RUNNING, born = L.state != UNBORN, level = L.level;
    PyObject *result;
    if (nested)
        L.left = level + 1;
    L.level = born ? level + thread->gilstate_counter - L.left : thread->gilstate_counter;
    L.home = current;
    L.state = RUNNING;
    L.touched = L.yielded = 0;
    L.paused_until = 0;
    L.slice_end = now_ns() + SLICE_NS;
    if (born)
        result = PyGreenlet_Switch(hub, NULL, NULL);
    else {
        L.base = find_base(__builtin_frame_address(0));
        result = switch_at_base(hub, L.base);
    }
    L.left = thread->gilstate_counter;
    L.home = home;
    if (result != L.token && L.state == RUNNING)
        L.state = nested ? RUNNING : AWAY;
    if (nested)
        L.level = level;
    Py_DECREF(hub);
    Py_DECREF(current);
    return result;
}

/* ---- libev's side ---- */

static int park(struct epoll_event *events, int max, int timeout, int64_t now) {
    PyThreadState *thread = L.thread;
    PyEval_RestoreThread(thread);
    PyGreenlet *current = PyGreenlet_GetCurrent();
    int ours = current == L.hub && L.home;
    Py_DECREF(current);
    if (!ours) { /* loop.run() called by hand */
        PyEval_SaveThread();
        return epoll_wait(L.epfd, events, max, timeout);
    }
    L.parked_at = now;
    L.yielded = !timeout || L.busy;
    L.deadline = timeout < 0 ? INT64_MAX : now + timeout * 1000000LL;
    L.recursed = L.touched = 0;
    L.polls++;
    L.state = PARKED;
    PyObject *args = PyTuple_Pack(1, L.token);
    PyObject *result = args ? PyGreenlet_Switch(L.home, args, NULL) : NULL;
    Py_XDECREF(args);
    L.level = thread->gilstate_counter;
    L.state = RUNNING;
    if (!result && PyErr_Occurred()) { /* thrown into the hub: HubDestroyed, mostly */
        PyObject *error = take_exception();
        PyObject *done = PyObject_CallMethod(L.python, "thrown", "O", error);
        if (!done)
            PyErr_WriteUnraisable(L.loop);
        Py_XDECREF(done);
        Py_DECREF(error);
        L.recursed = 1;
    }
    Py_XDECREF(result);
    int skip = L.recursed || L.plain; /* then `events` may be gone, or the descriptor the parent's */
    PyEval_SaveThread();
    int n = skip ? 0 : epoll_wait(L.epfd, events, max, 0);
    L.busy = n > 0;
    return n;
}

static int guest_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout) {
    if (L.learn && PyGILState_GetThisThreadState() == L.thread) {
        L.learn = 0;
        if (epfd != L.epfd) {
            if (work_source && L.epfd >= 0)
                g.source_remove_poll(work_source, &pollfd);
            pollfd.fd = L.epfd = epfd;
            if (work_source)
                g.source_add_poll(work_source, &pollfd);
        }
    }
    if (epfd != L.epfd || L.plain || L.alone)
        return epoll_wait(epfd, events, max, timeout);
    if (L.state != RUNNING) {
        L.recursed = 1;
        return epoll_wait(epfd, events, max, timeout);
    }
    int64_t now = now_ns();
    if (now < L.slice_end && !(L.tasks && L.busy) && (!timeout || L.luck > 0 || !(++L.tries & 15))) {
        int n = epoll_wait(epfd, events, max, 0);
        L.busy = n > 0;
        if (timeout)
            L.luck = n > 0 ? 4 : L.luck > 0 ? L.luck - 1 : 0;
        if (n || !timeout)
            return n;
    }
    if (now < L.slice_end && !L.tasks)
        L.busy = 0; /* it has time left, and asks GLib only because nothing is ready */
    return park(events, max, timeout, now);
}

typedef struct { void *inside; const char *name; void *function; int found; } Patch;

static int redirect(struct dl_phdr_info *info, size_t Py_UNUSED(size), void *data) {
    Patch *patch = data;
    const ElfW(Phdr) *dynamic = NULL, *relro = NULL;
    char *base = (char *)info->dlpi_addr;
    int here = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = info->dlpi_phdr + i;
        char *start = base + p->p_vaddr;
        if (p->p_type == PT_LOAD && (char *)patch->inside >= start && (char *)patch->inside < start + p->p_memsz)
            here = 1;
        else if (p->p_type == PT_DYNAMIC)
            dynamic = p;
        else if (p->p_type == PT_GNU_RELRO)
            relro = p;
    }
    if (!here || !dynamic)
        return 0;
    ElfW(Sym) *symbols = NULL;
    const char *strings = NULL;
    ElfW(Rela) *tables[2] = {NULL, NULL};
    size_t sizes[2] = {0, 0};
    for (ElfW(Dyn) *d = (ElfW(Dyn) *)(base + dynamic->p_vaddr); d->d_tag != DT_NULL; d++) {
        char *pointer = (char *)d->d_un.d_ptr; /* glibc has relocated it, musl has not */
        if (pointer < base)
            pointer += (size_t)base;
        if (d->d_tag == DT_SYMTAB)
            symbols = (ElfW(Sym) *)pointer;
        else if (d->d_tag == DT_STRTAB)
            strings = pointer;
        else if (d->d_tag == DT_JMPREL)
            tables[0] = (ElfW(Rela) *)pointer;
        else if (d->d_tag == DT_RELA)
            tables[1] = (ElfW(Rela) *)pointer;
        else if (d->d_tag == DT_PLTRELSZ)
            sizes[0] = d->d_un.d_val / sizeof(ElfW(Rela));
        else if (d->d_tag == DT_RELASZ)
            sizes[1] = d->d_un.d_val / sizeof(ElfW(Rela));
    }
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; symbols && strings && tables[t] && i < sizes[t]; i++) {
            ElfW(Rela) *r = tables[t] + i;
            size_t symbol = sizeof(void *) == 8 ? r->r_info >> 32 : r->r_info >> 8;
            if (strcmp(strings + symbols[symbol].st_name, patch->name))
                continue;
            void **slot = (void **)(base + r->r_offset);
            size_t page = sysconf(_SC_PAGESIZE);
            char *start = (char *)((uintptr_t)slot & ~(page - 1));
            int locked = relro && (char *)slot >= base + relro->p_vaddr &&
                         (char *)slot < base + relro->p_vaddr + relro->p_memsz;
            if (locked && mprotect(start, page, PROT_READ | PROT_WRITE))
                continue;
            *slot = patch->function;
            if (locked)
                mprotect(start, page, PROT_READ);
            patch->found++;
        }
    return 1;
}

/* ---- GLib's side ---- */

static int has_callbacks(void) {
    return L.callbacks && *(PyObject **)((char *)L.callbacks + L.head) != Py_None;
}

static int first_prepare(Source *Py_UNUSED(source), int *timeout) { /* always the first of its iteration: counts */
    L.iteration++;
    *timeout = -1;
    return 0;
}

static int never(Source *Py_UNUSED(source)) { return 0; }

/* Has the hub something to do? Not so if all that happened since it parked is one iteration that served only it. */
static int wanted(int64_t now, int *timeout) {
    *timeout = -1;
    if (L.probing || !L.loop || L.plain || PyGILState_GetThisThreadState() != L.thread)
        return 0;
    if (now < L.paused_until) {
        *timeout = (int)((L.paused_until - now) / 1000000) + 1;
        return 0;
    }
    if (L.state == UNBORN && !L.hub)
        return has_callbacks() || L.touched;
    if (L.state != PARKED)
        return 1;
    if (L.yielded) {
        *timeout = 0;
        return now - L.parked_at > AGE_NS;
    }
    if (now >= L.deadline || L.touched || has_callbacks())
        return 1;
    if (L.deadline != INT64_MAX && (L.deadline - now) / 1000000 < INT_MAX)
        *timeout = (int)((L.deadline - now + 999999) / 1000000);
    return 0;
}

static int work_prepare(Source *Py_UNUSED(source), int *timeout) {
    int64_t now = now_ns();
    /* What nobody here will read must not wake this loop again and again. */
    pollfd.events = !L.plain && now >= L.paused_until && PyGILState_GetThisThreadState() == L.thread;
    int served = L.iteration == L.served + 1 && g.main_depth() == L.served_depth - 1;
    if (!served && L.state == PARKED && !L.yielded)
        L.touched = 1;
    return wanted(now, timeout);
}

static int work_check(Source *Py_UNUSED(source)) {
    int timeout;
    if (wanted(now_ns(), &timeout))
        return 1;
    return pollfd.events && pollfd.revents && L.loop && !L.yielded;
}

static int yield_prepare(Source *Py_UNUSED(source), int *timeout) {
    *timeout = -1;
    return L.state == PARKED && L.yielded && L.loop && !L.plain && now_ns() >= L.paused_until && !L.probing;
}

static int yield_check(Source *source) {
    int timeout;
    return yield_prepare(source, &timeout);
}

static void settle(Driver *driver, PyObject *value) { /* steals; keeps the first outcome unless an error follows */
    if (value) {
        if (driver->done)
            Py_DECREF(value);
        else
            driver->value = value;
    } else {
        Py_CLEAR(driver->value);
        Py_XSETREF(driver->error, take_exception());
    }
    driver->done = 1;
}

/* A dispatcher that lies deeper than the hub's base would be moved by the switch: harmless if only GLib's dispatch is on
 * its stack, deadly with an emission there. */
static int may_enter(char *frame, int count) {
    if (L.state == UNBORN)
        return 1;
    if (L.state == RUNNING) /* a greenlet of gevent's has begun to run a GLib loop */
        return count == L.level + 1;
    return frame > L.base || count <= 1 || (L.home && count == L.nested_count);
}

static int dispatch(Source *Py_UNUSED(source), void *Py_UNUSED(callback), void *Py_UNUSED(data)) {
    PyGILState_STATE gil = PyGILState_Ensure();
    int depth = g.main_depth();
    if (!L.hub) {
        PyObject *hub = ask("find_hub");
        if (!hub)
            PyErr_WriteUnraisable(NULL);
        else if (hub != Py_None)
            L.hub = (PyGreenlet *)Py_NewRef(hub);
        Py_XDECREF(hub);
        L.touched = 0;
    }
    if (!L.hub)
        ;
    else if (!may_enter(__builtin_frame_address(0), PyThreadState_Get()->gilstate_counter - 1)) {
        L.paused_until = now_ns() + PAUSE_NS;
        if (!L.complained) {
            L.complained = 1;
            PyObject *said = ask("paused");
            if (!said)
                PyErr_WriteUnraisable(NULL);
            Py_XDECREF(said);
        }
    } else
        for (;;) {
            PyGreenlet *current = PyGreenlet_GetCurrent();
            PyObject *result = enter();
            Driver *driver = L.driver && L.driver->greenlet == current ? L.driver : NULL;
            Py_DECREF(current);
            if (result == L.token) {
                Py_DECREF(result);
                L.nested_count = PyThreadState_Get()->gilstate_counter - 1;
                break;
            }
            if (driver) {
                settle(driver, result);
                if (driver->depth == depth - 1)
                    break;
            } else if (result)
                Py_DECREF(result);
            else { /* thrown at the greenlet that runs GLib's loop */
                PyObject *error = take_exception();
                PyObject *done = PyObject_CallMethod(L.python, "stray", "O", error);
                if (!done)
                    PyErr_Print();
                Py_XDECREF(done);
                Py_DECREF(error);
            }
            if (!L.hub || L.state == UNBORN)
                break;
        }
    L.served = L.iteration;
    L.served_depth = L.yielded ? -1 : depth;
    PyGILState_Release(gil);
    return 1;
}

static const SourceFuncs work_funcs = {work_prepare, work_check, dispatch, NULL, NULL, NULL};
static const SourceFuncs yield_funcs = {yield_prepare, yield_check, dispatch, NULL, NULL, NULL};
static const SourceFuncs first_funcs = {first_prepare, never, NULL, NULL, NULL, NULL};

static Source *add_source(const SourceFuncs *funcs, int priority) {
    Source *source = g.source_new(funcs, sizeof(Source));
    g.source_set_priority(source, priority);
    g.source_set_can_recurse(source, 1);
    g.source_set_name(source, "gleenlet.gevent");
    g.source_attach(source, g.main_context_default());
    return source;
}

/* ---- Hub.switch ---- */

/* The current greenlet waits for gevent and no GLib loop runs: iterate GLib's context until somebody switches here.
 * Where another thread runs GLib's loop, or in a forked child, libev waits by itself. */
static PyObject *drive(void) {
    PyObject *result = enter();
    while (result == L.token) {
        if (L.plain || !g.main_context_acquire(g.main_context_default())) {
            Py_DECREF(result);
            L.alone++;
            result = enter();
            L.alone--;
            continue;
        }
        Driver driver = {.outer = L.driver, .greenlet = PyGreenlet_GetCurrent(), .depth = g.main_depth()};
        L.driver = &driver;
        Py_BEGIN_ALLOW_THREADS
        g.main_context_iteration(NULL, 1);
        Py_END_ALLOW_THREADS
        L.driver = driver.outer;
        g.main_context_release(g.main_context_default());
        Py_DECREF(driver.greenlet);
        if (!driver.done)
            continue;
        Py_DECREF(result);
        result = driver.value;
        if (!result) {
            PyErr_SetObject((PyObject *)Py_TYPE(driver.error), driver.error);
            Py_DECREF(driver.error);
        }
    }
    return result;
}

static PyObject *switch_out(PyGreenlet *current, PyObject *hub) { /* as SwitchOutGreenletWithLoop.switch */
    PyObject *method, *done;
    if (PyObject_GetOptionalAttr((PyObject *)current, str_switch_out, &method) < 0)
        return NULL;
    if (method) {
        done = PyObject_CallNoArgs(method);
        Py_DECREF(method);
        if (!done)
            return NULL;
        Py_DECREF(done);
    }
    return PyGreenlet_Switch((PyGreenlet *)hub, NULL, NULL);
}

static int descends(PyGreenlet *greenlet, PyGreenlet *from) { /* steals `greenlet` */
    while (greenlet && greenlet != from) {
        PyGreenlet *parent = PyGreenlet_GET_PARENT(greenlet);
        Py_DECREF(greenlet);
        greenlet = parent;
    }
    Py_XDECREF(greenlet);
    return greenlet != NULL;
}

static PyObject *switch_slowly(PyObject *self, PyGreenlet *current) {
    PyThreadState *thread = PyThreadState_Get();
    if ((PyObject *)L.hub != self && L.loop && thread == L.thread && !L.plain) {
        PyObject *loop = PyObject_GetAttrString(self, "loop");
        if (!loop)
            return NULL;
        Py_DECREF(loop);
        if (loop == L.loop) { /* the first wait of this hub */
            Py_XSETREF(L.hub, (PyGreenlet *)Py_NewRef(self));
            L.state = UNBORN;
        }
    }
    if ((PyObject *)L.hub != self || (PyObject *)current == self || L.plain || !L.loop)
        return switch_out(current, self);
    int guest = descends((PyGreenlet *)Py_NewRef(current), L.hub);
    if (guest && L.home) { /* parked: it has run a GLib loop of its own */
        int expected = L.state == RUNNING ? L.level + 1 : L.nested_count;
        return thread->gilstate_counter == expected ? switch_out(current, self) : ask("refuse");
    }
    if (L.state == RUNNING && g.main_depth() == 0)
        return ask("refuse");
    if (g.main_depth() > 0)
        return ask("outside");
    if (!may_enter(__builtin_frame_address(0), thread->gilstate_counter))
        return ask("refuse");
    return drive();
}

static PyObject *switch_hub(PyObject *self, int skip_dispatch) {
    PyGreenlet *current;
    PyObject *result;
    if (L.testing) {
        L.testing = skip_dispatch ? 2 : 3;
        Py_RETURN_NONE;
    }
    if (!skip_dispatch && self != (PyObject *)L.hub)
        return L.cython_switch(self, 0);
    current = PyGreenlet_GetCurrent();
    if (L.state == RUNNING && self == (PyObject *)L.hub && !L.plain &&
        PyThreadState_Get()->gilstate_counter == L.level + 1)
        result = switch_out(current, self);
    else
        result = switch_slowly(self, current);
    Py_DECREF(current);
    return result;
}

static PyObject *hub_switch(PyObject *self, PyObject *Py_UNUSED(ignored)) { return switch_hub(self, 1); }

static PyMethodDef hub_method = {"switch", hub_switch, METH_NOARGS, "Let the hub run until it switches back."};

/* ---- loop.timer and loop.io ---- */

/* Make a watcher with all arguments in their places, as gevent's own compiled methods do: keywords cost more. */
static PyObject *make(PyObject *type, PyObject *loop, PyObject *const *names, PyObject *const *defaults,
                      PyObject *const *args, Py_ssize_t n, PyObject *keywords) {
    PyObject *all[5] = {loop, defaults[0], defaults[1], defaults[2], defaults[3]};
    Py_ssize_t given = keywords ? PyTuple_GET_SIZE(keywords) : 0;
    L.touched |= loop == L.loop;
    if (n > 4)
        return PyErr_Format(PyExc_TypeError, "at most 4 arguments are taken, not %zd", n);
    for (Py_ssize_t i = 0; i < n; i++)
        all[i + 1] = args[i];
    for (Py_ssize_t k = 0; k < given; k++) {
        PyObject *name = PyTuple_GET_ITEM(keywords, k);
        Py_ssize_t i = n;
        while (i < 4 && name != names[i] && PyUnicode_Compare(name, names[i]))
            i++;
        if (i == 4)
            return PyErr_Format(PyExc_TypeError, "unexpected keyword argument %R", name);
        all[i + 1] = args[n + k];
    }
    for (int i = 0; i < 4; i++)
        if (!all[i + 1])
            return PyErr_Format(PyExc_TypeError, "missing argument: %U", names[i]);
    return PyObject_Vectorcall(type, all, 5, NULL);
}

static PyObject *timer_names[4], *timer_defaults[4], *io_names[4], *io_defaults[4];

static int init_arguments(void) {
    static const char *const timer[] = {"after", "repeat", "ref", "priority"};
    static const char *const io[] = {"fd", "events", "ref", "priority"};
    for (int i = 0; i < 4; i++)
        if (!(timer_names[i] = PyUnicode_InternFromString(timer[i])) ||
            !(io_names[i] = PyUnicode_InternFromString(io[i])))
            return -1;
    if (!(timer_defaults[1] = PyFloat_FromDouble(0.0)))
        return -1;
    timer_defaults[2] = io_defaults[2] = Py_NewRef(Py_True);
    timer_defaults[3] = io_defaults[3] = Py_NewRef(Py_None);
    return 0;
}

/* A timer counts from libev's notion of now, which is stale while anything but libev has run: refresh it first. */
static PyObject *loop_timer(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *keywords) {
    if (self == L.loop)
        L.now_update(L.ev_loop);
    return make(L.timer_type, self, timer_names, timer_defaults, args, n, keywords);
}

static PyObject *loop_io(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *keywords) {
    return make(L.io_type, self, io_names, io_defaults, args, n, keywords);
}

static PyMethodDef timer_method = {"timer", (PyCFunction)(void (*)(void))loop_timer, METH_FASTCALL | METH_KEYWORDS,
                                   "timer(after, repeat=0.0, ref=True, priority=None) -> timer watcher"};
static PyMethodDef io_method = {"io", (PyCFunction)(void (*)(void))loop_io, METH_FASTCALL | METH_KEYWORDS,
                                "io(fd, events, ref=True, priority=None) -> io watcher"};

/* ---- the module ---- */

static PyObject *setup(PyObject *Py_UNUSED(module), PyObject *args) { /* setup(path of corecext, gevent.py, timer, io) */
    const char *path;
    PyObject *python, *timer, *io;
    if (!PyArg_ParseTuple(args, "sOOO", &path, &python, &timer, &io))
        return NULL;
    void *library = dlopen(path, RTLD_NOLOAD | RTLD_NOW), *run = library ? dlsym(library, "ev_run") : NULL;
    L.now_update = (void (*)(void *))(library ? dlsym(library, "ev_now_update") : NULL);
    if (!run || !L.now_update)
        return PyErr_Format(PyExc_ImportError,
                            "this gevent was built without libev's symbols (no ev_run in %s): "
                            "gleenlet.gevent needs gevent from PyPI or from Debian",
                            path);
    Patch patch = {run, "epoll_wait", guest_epoll_wait, 0};
    dl_iterate_phdr(redirect, &patch);
    if (!patch.found)
        return PyErr_Format(PyExc_ImportError, "this gevent's libev (%s) does not wait with epoll_wait", path);
    Py_XSETREF(L.python, Py_NewRef(python));
    Py_XSETREF(L.timer_type, Py_NewRef(timer));
    Py_XSETREF(L.io_type, Py_NewRef(io));
    Py_RETURN_NONE;
}

static PyObject *find_head(PyObject *Py_UNUSED(module), PyObject *args) { /* find_head(queue, its only callback) */
    PyObject *queue, *callback;
    if (!PyArg_ParseTuple(args, "OO", &queue, &callback))
        return NULL;
    for (Py_ssize_t i = sizeof(PyObject); i + (Py_ssize_t)sizeof(void *) <= Py_TYPE(queue)->tp_basicsize;
         i += sizeof(void *))
        if (*(PyObject **)((char *)queue + i) == callback)
            return PyLong_FromSsize_t(L.head = i);
    return PyErr_Format(PyExc_ImportError, "gevent's queue of callbacks is not laid out as expected");
}

static PyObject *attach(PyObject *Py_UNUSED(module), PyObject *args) { /* attach(loop, ptr, queue): before learn() */
    PyObject *loop, *queue;
    Py_ssize_t pointer;
    if (!PyArg_ParseTuple(args, "OnO", &loop, &pointer, &queue))
        return NULL;
    Py_CLEAR(L.hub);
    Py_XSETREF(L.loop, Py_NewRef(loop));
    Py_XSETREF(L.callbacks, Py_NewRef(queue));
    L.ev_loop = (void *)pointer;
    L.thread = PyThreadState_Get();
    L.state = UNBORN;
    L.plain = L.touched = 0;
    if (!work_source) {
        first_source = add_source(&first_funcs, INT_MIN);
        work_source = add_source(&work_funcs, WORK_PRIORITY);
        yield_source = add_source(&yield_funcs, YIELD_PRIORITY);
    }
    Py_RETURN_NONE;
}

static PyObject *learn(PyObject *Py_UNUSED(module), PyObject *flag) { /* the next wait tells the epoll descriptor */
    int before = L.learn;
    L.thread = PyThreadState_Get();
    L.learn = PyObject_IsTrue(flag);
    return PyBool_FromLong(before);
}

static PyObject *release(PyObject *Py_UNUSED(module), PyObject *flag) { /* release(hub only?) */
    Py_CLEAR(L.hub);
    L.state = UNBORN;
    if (!PyObject_IsTrue(flag)) {
        Py_CLEAR(L.loop);
        Py_CLEAR(L.callbacks);
        if (work_source && L.epfd >= 0)
            g.source_remove_poll(work_source, &pollfd);
        L.epfd = -1;
    }
    Py_RETURN_NONE;
}

static PyObject *forked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    L.plain = 1;
    Py_RETURN_NONE;
}

static PyObject *touch(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    L.touched = 1;
    Py_RETURN_NONE;
}

static PyObject *is_guest(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyBool_FromLong(L.hub && L.home && !L.plain && PyThreadState_Get() == L.thread &&
                           descends(PyGreenlet_GetCurrent(), L.hub));
}

static PyObject *tasks(PyObject *Py_UNUSED(module), PyObject *change) {
    L.tasks += PyLong_AsLong(change);
    Py_RETURN_NONE;
}

static PyObject *polls(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromUnsignedLong(L.polls);
}

/* May anything of GLib's still wake the hub? Yes if its loop runs; else if it polls a descriptor or has a timeout. */
static PyObject *glib_alive(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    PollFD fds[16];
    int depth = g.main_depth(), priority, timeout = -1, ready, n;
    if (L.plain)
        Py_RETURN_FALSE;
    if (depth > (L.driver ? L.driver->depth + 1 : 0))
        Py_RETURN_TRUE;
    void *context = g.main_context_default();
    if (!g.main_context_acquire(context))
        Py_RETURN_TRUE;
    L.probing = 1;
    Py_BEGIN_ALLOW_THREADS
    ready = g.main_context_prepare(context, &priority);
    n = g.main_context_query(context, INT_MAX, &timeout, fds, 16);
    Py_END_ALLOW_THREADS
    L.probing = 0;
    g.main_context_release(context);
    return PyBool_FromLong(ready || timeout >= 0 || n > 2);
}

static PyObject *use_method(PyObject *Py_UNUSED(module), PyObject *args) { /* use_method(class, its name) */
    PyTypeObject *type;
    const char *name;
    if (!PyArg_ParseTuple(args, "O!s", &PyType_Type, &type, &name))
        return NULL;
    PyMethodDef *def = !strcmp(name, "switch") ? &hub_method : !strcmp(name, "timer") ? &timer_method : &io_method;
    PyObject *method = PyDescr_NewMethod(type, def);
    if (!method || PyObject_SetAttrString((PyObject *)type, name, method) < 0) {
        Py_XDECREF(method);
        return NULL;
    }
    Py_DECREF(method);
    Py_RETURN_NONE;
}

/* Compiled code calls hub.switch() through a table of C functions that belongs to the class. An override in Python costs it
 * a look-up a call; our function in the table costs nothing. Used only if a trial call shows that it is the right slot. */
static PyObject *use_slot(PyObject *Py_UNUSED(module), PyObject *args) { /* use_slot(hub, offset, capsule, waiter.get) */
    PyObject *hub, *capsule, *call;
    Py_ssize_t offset;
    if (!PyArg_ParseTuple(args, "OnOO", &hub, &offset, &capsule, &call))
        return NULL;
    void **table = PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));
    if (!table)
        return NULL;
    if (offset + (Py_ssize_t)sizeof(void *) > Py_TYPE(hub)->tp_basicsize || *(void ***)((char *)hub + offset) != table)
        Py_RETURN_FALSE;
    if (table[0] == (void *)switch_hub)
        Py_RETURN_TRUE;
    L.cython_switch = (PyObject * (*)(PyObject *, int)) table[0];
    table[0] = (void *)switch_hub;
    L.testing = 1;
    PyObject *result = PyObject_CallNoArgs(call);
    int right = L.testing == 3;
    L.testing = 0;
    Py_XDECREF(result);
    if (!right)
        table[0] = (void *)L.cython_switch;
    if (!result)
        return NULL;
    return PyBool_FromLong(right);
}

static PyMethodDef methods[] = {
    {"setup", setup, METH_VARARGS, NULL},          {"find_head", find_head, METH_VARARGS, NULL},
    {"attach", attach, METH_VARARGS, NULL},        {"learn", learn, METH_O, NULL},
    {"release", release, METH_O, NULL},            {"forked", forked, METH_NOARGS, NULL},
    {"touch", touch, METH_NOARGS, NULL},           {"is_guest", is_guest, METH_NOARGS, NULL},
    {"tasks", tasks, METH_O, NULL},                {"polls", polls, METH_NOARGS, NULL},           {"glib_alive", glib_alive, METH_NOARGS, NULL},
    {"use_method", use_method, METH_VARARGS, NULL}, {"use_slot", use_slot, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};

static PyModuleDef module_def = {PyModuleDef_HEAD_INIT, "_libev", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__libev(void) {
    void *library = dlopen("libglib-2.0.so.0", RTLD_NOLOAD | RTLD_NOW);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!(((void **)&g)[i] = dlsym(library ? library : RTLD_DEFAULT, names[i])))
            return PyErr_Format(PyExc_ImportError, "gleenlet needs the GLib that PyGObject has loaded, but it has no %s",
                                names[i]);
    PyGreenlet_Import();
    if (!_PyGreenlet_API || !(str_switch_out = PyUnicode_InternFromString("switch_out")) ||
        !(L.token = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type)) || init_arguments())
        return NULL;
    return PyModule_Create(&module_def);
}
