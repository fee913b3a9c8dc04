/* gleenlet.gevent._libev: gevent's hub as a guest of GLib's loop. See gevent.py for the Python half.
 *
 * GLib's loop runs as always. gevent's hub runs libev's loop as always too, with one difference: where libev would wait
 * (epoll_wait, called from ev_run), the hub is suspended instead, and two GSources resume it when libev's epoll
 * descriptor is readable, when libev's own timeout is over, or after anything else was dispatched.
 *
 * Words. "Parked" is the hub suspended in epoll_wait, "away" suspended in the middle of a callback. "Home" is the
 * greenlet that resumed the hub: it runs GLib's loop, or drives GLib's context while it waits for gevent (`drive`).
 * "Level" is gilstate_counter as the hub's own frames see it; every callback of gevent's adds one, so a greenlet of
 * gevent's that blocks at any other count has a C callback on its stack (design: the depth probe).
 *
 * Why epoll_wait and not ev_set_loop_release_cb, which libev documents for this: the release callback is not told how
 * long libev is going to wait. The next timer, the idle watchers and, worst, a signal or an async send that came while
 * callbacks ran (libev then skips the write to its pipe and waits for 0 s) are visible only in that timeout. So the
 * import of epoll_wait in the one library that holds libev is redirected; nothing else of the process is touched.
 *
 * Why no shorter: the redirection, gevent's table of C methods, its queue and the self-tests of all three take a hundred
 * lines, the functions for gevent.py a hundred more. What is left is who runs when (`wanted` and its neighbours) and who
 * may switch (`may_enter` to `switch_hub`): each rule there has a test that fails without it.
 */
#include "../core/core.h"
#include "../glib.h"

#include <link.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#if PY_VERSION_HEX < 0x030D0000
#define PyObject_GetOptionalAttr _PyObject_LookupAttr
#endif

#define WORK_PRIORITY (-1)         /* libev has events: just above the application's own */
#define YIELD_PRIORITY 200         /* a slice ended with work left: below redraws (120), among the idle */
#define GUEST_SLICE_NS 1000000LL   /* how long gevent runs before GLib is looked at */
#define LONG_SLICE_NS 16000000LL   /* at most so long, where frames kept it waiting for even longer */
#define PASSED_OVER_NS 6000000LL   /* how long a yield may wait for busy sources above it */
#define PAUSE_NS 5000000LL         /* how often a paused hub looks whether it may go on */
#define LONG_TURN_NS 50000LL       /* greenlets that run longer than this: the clock is asked after each */

void **greenlet_api; /* this module's own: it is no part of _core */

struct Source {
    SOURCE_HEAD
};

typedef struct Driver {            /* a greenlet that iterates GLib's context until somebody switches to it */
    struct Driver *outer;
    PyGreenlet *greenlet;
    int depth, done;
    PyObject *value, *error;       /* owned */
} Driver;

enum { UNBORN, PARKED, RUNNING, AWAY };

static struct {                    /* the guest: one in a process, as libev has one default loop */
    PyGreenlet *hub;               /* owned, as are the next eight */
    PyGreenlet *host;              /* who was home last */
    Hub *core;
    PyObject *loop, *python;       /* gevent.py */
    PyObject *token;               /* what a suspended hub gives its home */
    PyObject *callbacks;           /* the loop's queue of callbacks */
    PyObject *timer, *io;          /* methods of gevent's own loop */
    Py_ssize_t head;               /* where in `callbacks` its first element is */
    void (*now_update)(void *);
    void *ev_loop;
    PyThreadState *thread;
    PyGreenlet *home;              /* borrowed: it is inside `enter` */
    Driver *driver;
    int state, level;
    int offset;                    /* level - gilstate_counter when the hub was left: -1 in a callback, else 0 */
    int nested_count;              /* gilstate_counter under the last dispatch: for a greenlet that runs a GLib loop */
    char *base;                    /* where the hub's stack begins */
    int plain, testing;
    int luck, tries;               /* did asking epoll once more before parking pay off lately? */
    int busy;                      /* the last look at epoll showed events */
    int tasks;                     /* greenlets of the core's that wait in gevent, and run only when GLib's loop does */
    int alone;                     /* the waiting greenlet cannot drive GLib: its loop runs in another thread */
    int touched;                   /* something may have been started outside the hub */
    int yielded;                   /* suspended with work left */
    int fresh;                     /* main_depth of the last dispatch, until the next iteration begins */
    int complained, probing;
    int turns;                     /* until the clock is asked again */
    int64_t asked, deadline, suspended_at, slice_end, paused_until;
    unsigned long polls, waits;
    PyObject *(*cython_switch)(PyObject *, int);
} L;

static Source *work_source;
static PollFD pollfd = {-1, 1, 0};
static PyObject *str_switch_out;

static void tell(const char *method) { /* gevent.py, with the current exception if there is one */
    PyObject *error = PyErr_Occurred() ? take_exception() : Py_NewRef(Py_None);
    PyObject *done = PyObject_CallMethod(L.python, method, "O", error);
    if (!done)
        PyErr_Print(); /* SystemExit exits */
    Py_XDECREF(done);
    Py_DECREF(error);
}

static PyObject *refuse(const char *method) { return PyObject_CallMethod(L.python, method, NULL); }

/* Give control to the hub until it is suspended (returns the token) or until somebody switches to the current greenlet. */
static PyObject *enter(void) {
    PyGreenlet *current = PyGreenlet_GetCurrent(), *home = L.home, *hub = (PyGreenlet *)Py_NewRef(L.hub);
    char *frame = __builtin_frame_address(0);
    PyThreadState *thread = PyThreadState_Get();
    int state = L.state, level = L.level;
    L.level = thread->gilstate_counter + (state == RUNNING ? -1 : state == UNBORN ? 0 : L.offset);
    L.home = current;
    Py_XSETREF(L.host, (PyGreenlet *)Py_NewRef(current));
    L.state = RUNNING;
    L.paused_until = 0;
    L.asked = clock_ns();
    int64_t slice = L.yielded ? (L.asked - L.suspended_at) / 2 : 0; /* beside a window that never comes to rest: a third */
    slice = slice > LONG_SLICE_NS ? LONG_SLICE_NS : slice;
    L.slice_end = L.asked + (slice > GUEST_SLICE_NS ? slice : GUEST_SLICE_NS);
    L.touched = L.yielded = 0;
    if (state == UNBORN)
        L.base = frame - 65536 < L.core->floor ? frame - 65536 : L.core->floor;
    PyObject *result = state == UNBORN ? switch_at_floor(L.base, hub, NULL, NULL) : PyGreenlet_Switch(hub, NULL, NULL);
    L.home = home;
    if (home)
        Py_XSETREF(L.host, (PyGreenlet *)Py_NewRef(home));
    L.offset = L.level - thread->gilstate_counter;
    if (result != L.token && L.state == RUNNING && state != RUNNING)
        L.state = AWAY;
    if (state == RUNNING) /* a greenlet of gevent's runs a GLib loop, which has brought us here */
        L.level = level;
    Py_DECREF(hub);
    Py_DECREF(current);
    return result;
}

/* ---- libev's side ---- */

/* Suspend the hub. Where nobody is home, a greenlet that was switched to by hand has ended: back to the loop. */
static PyObject *go_home(int state, int yielded, int64_t now) {
    L.suspended_at = now;
    L.yielded = yielded;
    L.touched = 0;
    L.polls++;
    L.state = state;
    PyObject *args = PyTuple_Pack(1, L.home ? L.token : Py_False);
    PyObject *result = args ? PyGreenlet_Switch(L.home ? L.home : L.host, args, NULL) : NULL;
    Py_XDECREF(args);
    return result;
}

static int park(int epfd, struct epoll_event *events, int max, int timeout, int64_t now) {
    PyThreadState *thread = L.thread;
    PyEval_RestoreThread(thread);
    PyGreenlet *current = PyGreenlet_GetCurrent();
    Py_DECREF(current);
    if (current != L.hub || !L.host) { /* loop.run() called by hand */
        PyEval_SaveThread();
        return epoll_wait(epfd, events, max, timeout);
    }
    if (epfd != pollfd.fd) { /* the first time, and after a reinit() */
        if (pollfd.fd >= 0)
            g.source_remove_poll(work_source, &pollfd);
        pollfd.fd = epfd;
        g.source_add_poll(work_source, &pollfd);
    }
    L.deadline = timeout < 0 ? INT64_MAX : now + timeout * 1000000LL;
    PyObject *result = go_home(PARKED, !timeout || L.busy, now);
    L.level = thread->gilstate_counter;
    L.state = RUNNING;
    L.yielded = 0;
    if (!result && PyErr_Occurred()) /* thrown into the hub: HubDestroyed, mostly */
        tell("thrown");
    Py_XDECREF(result);
    PyEval_SaveThread();
    int n = L.plain ? 0 : epoll_wait(epfd, events, max, 0); /* in a child the descriptor is the parent's */
    L.busy = n > 0;
    return n;
}

static int guest_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout) {
    L.waits++;
    if (PyGILState_GetThisThreadState() != L.thread || L.plain || L.alone)
        return epoll_wait(epfd, events, max, timeout);
    int64_t now = clock_ns();
    if (L.state == RUNNING && now < L.slice_end && !(L.tasks && L.busy) && (!timeout || L.luck > 0 || !(++L.tries & 15))) {
        int n = epoll_wait(epfd, events, max, 0);
        L.busy = n > 0;
        if (timeout)
            L.luck = n > 0 ? 4 : L.luck > 0 ? L.luck - 1 : 0;
        if (n || !timeout)
            return n;
    }
    if (now < L.slice_end && !L.tasks)
        L.busy = 0; /* it has time left, and asks GLib only because nothing is ready */
    return park(epfd, events, max, timeout, now);
}

/* Let the library that contains `inside` call `function` for its import `name`. How often was it found? The page stays
 * writable where the linker had locked it. */
static int redirect(void *inside, const char *name, void *function) {
    Dl_info info;
    struct link_map *map;
    void *library = dladdr(inside, &info) ? dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    if (!library || dlinfo(library, RTLD_DI_LINKMAP, &map)) /* glibc's dladdr1 would do, but musl has none */
        return 0;
    dlclose(library); /* whoever calls us has it loaded */
    char *base = (char *)map->l_addr, *start[DT_JMPREL + 1] = {NULL};
    size_t size[2] = {0, 0}, page = sysconf(_SC_PAGESIZE);
    int found = 0;
    for (ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_RELASZ || d->d_tag == DT_PLTRELSZ)
            size[d->d_tag == DT_PLTRELSZ] = d->d_un.d_val / sizeof(ElfW(Rela));
        else if (d->d_tag > 0 && d->d_tag <= DT_JMPREL) /* an address: glibc has relocated it, musl has not */
            start[d->d_tag] = (char *)d->d_un.d_ptr + (d->d_un.d_ptr < map->l_addr ? map->l_addr : 0);
    ElfW(Sym) *symbols = (ElfW(Sym) *)start[DT_SYMTAB];
    for (int t = 0; t < 2; t++) {
        ElfW(Rela) *r = (ElfW(Rela) *)start[t ? DT_JMPREL : DT_RELA];
        for (size_t i = 0; symbols && r && i < size[t]; i++, r++) {
            size_t symbol = sizeof(void *) == 8 ? r->r_info >> 32 : r->r_info >> 8;
            void **slot = (void **)(base + r->r_offset);
            if (strcmp(start[DT_STRTAB] + symbols[symbol].st_name, name) ||
                mprotect((void *)((uintptr_t)slot & ~(page - 1)), page, PROT_READ | PROT_WRITE))
                continue;
            *slot = function;
            found++;
        }
    }
    return found;
}

/* ---- GLib's side ---- */

static int usable(int64_t now) {
    return !L.probing && L.loop && !L.plain && now >= L.paused_until && PyGILState_GetThisThreadState() == L.thread;
}

static int has_callbacks(void) {
    return L.callbacks && *(PyObject **)((char *)L.callbacks + L.head) != Py_None;
}

/* The first of every iteration. Did anything but the hub run since it was suspended? Not so if the last thing at this
 * depth was our own dispatch. */
static int first_prepare(Source *Py_UNUSED(source), int *timeout) {
    if (L.state == PARKED && !L.yielded && L.fresh != g.main_depth() + 1)
        L.touched = 1;
    L.fresh = 0;
    *timeout = -1;
    return 0;
}

static int never(Source *Py_UNUSED(source)) { return 0; }

static int wanted(int64_t now, int *timeout) { /* has the hub something to do? */
    *timeout = -1;
    if (!usable(now)) {
        if (now < L.paused_until)
            *timeout = (int)((L.paused_until - now) / 1000000) + 1;
        return 0;
    }
    if (L.yielded) {
        *timeout = 0;
        return now - L.suspended_at > PASSED_OVER_NS;
    }
    if (L.state == UNBORN && !L.hub)
        return has_callbacks() || L.touched;
    if (L.state != PARKED || now >= L.deadline || L.touched || has_callbacks())
        return 1;
    if (L.deadline != INT64_MAX && (L.deadline - now) / 1000000 < INT_MAX)
        *timeout = (int)((L.deadline - now + 999999) / 1000000);
    return 0;
}

static int work_prepare(Source *Py_UNUSED(source), int *timeout) {
    int64_t now = clock_ns();
    pollfd.events = usable(now); /* what nobody here will read must not wake this loop again and again */
    return wanted(now, timeout);
}

static int work_check(Source *Py_UNUSED(source)) {
    int timeout;
    return wanted(clock_ns(), &timeout) || (pollfd.events && pollfd.revents && L.loop && !L.yielded);
}

static int yield_check(Source *Py_UNUSED(source)) { return L.yielded && usable(clock_ns()); }

static int yield_prepare(Source *source, int *timeout) {
    *timeout = -1;
    return yield_check(source);
}

static void note_outcome(Driver *driver, PyObject *value) { /* steals; keeps the first outcome unless an error follows */
    if (!value) {
        Py_CLEAR(driver->value);
        Py_XSETREF(driver->error, take_exception());
    } else if (driver->done)
        Py_DECREF(value);
    else
        driver->value = value;
    driver->done = 1;
}

/* A dispatcher that lies deeper than the hub's base would be moved by the switch: harmless if only GLib's dispatch is on
 * its stack, deadly with an emission there. `count` is gilstate_counter without our own dispatch. */
static int may_enter(char *frame, int count) {
    if (L.state == UNBORN)
        return 1;
    if (L.state == RUNNING) /* a greenlet of gevent's has begun to run a GLib loop */
        return count == L.level + 1;
    return frame > L.base || count <= 1 - L.offset || (L.home && count == L.nested_count);
}

static void find_hub(void) { /* made, but nothing has waited in it yet */
    PyObject *hub = PyObject_CallMethod(L.python, "find_hub", NULL);
    if (!hub)
        PyErr_WriteUnraisable(NULL);
    else if (hub != Py_None && hub != (PyObject *)L.hub) {
        Py_XSETREF(L.hub, (PyGreenlet *)Py_NewRef(hub));
        L.state = UNBORN;
    }
    Py_XDECREF(hub);
    L.touched = 0;
}

static void serve(void) { /* be the hub's home until it is suspended */
    PyObject *result = NULL;
    while (L.hub && (result = enter()) != L.token) {
        PyGreenlet *current = PyGreenlet_GetCurrent();
        Driver *driver = L.driver && L.driver->greenlet == current ? L.driver : NULL;
        Py_DECREF(current);
        if (driver) {
            note_outcome(driver, result);
            return;
        } else if (result)
            Py_DECREF(result);
        else
            tell("stray"); /* thrown at the greenlet that runs GLib's loop */
        if (L.state == UNBORN)
            return;
    }
    if (!L.hub)
        return;
    Py_DECREF(result);
    L.nested_count = PyThreadState_Get()->gilstate_counter - 1;
}

static int dispatch(Source *Py_UNUSED(source), void *Py_UNUSED(callback), void *Py_UNUSED(data)) {
    PyGILState_STATE gil = PyGILState_Ensure();
    if (!L.hub)
        find_hub();
    if (L.hub && !may_enter(__builtin_frame_address(0), PyThreadState_Get()->gilstate_counter - 1)) {
        L.paused_until = clock_ns() + PAUSE_NS;
        if (!L.complained++)
            tell("paused");
    } else
        serve();
    L.fresh = g.main_depth();
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
        if (!result)
            raise_exception(driver.error);
    }
    return result;
}

static int note_switch(PyGreenlet *current) { /* as SwitchOutGreenletWithLoop.switch does */
    PyObject *method, *done = NULL;
    if (PyObject_GetOptionalAttr((PyObject *)current, str_switch_out, &method) < 0)
        return -1;
    if (!method)
        return 0;
    done = PyObject_CallNoArgs(method);
    Py_DECREF(method);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static PyObject *switch_out(PyGreenlet *current, PyObject *hub) {
    return note_switch(current) ? NULL : PyGreenlet_Switch((PyGreenlet *)hub, NULL, NULL);
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
    if ((PyObject *)L.hub != self && L.loop && thread == L.thread && !L.plain)
        find_hub();
    if ((PyObject *)L.hub != self || (PyObject *)current == self || L.plain || !L.loop)
        return switch_out(current, self);
    if (L.home && descends((PyGreenlet *)Py_NewRef(current), L.hub)) {
        if (thread->gilstate_counter != (L.state == RUNNING ? L.level + 1 : L.nested_count))
            return refuse("refuse");
        if (L.state != RUNNING) /* it has run a GLib loop of its own, which the hub has left */
            L.level = thread->gilstate_counter + L.offset;
        L.state = RUNNING;
        L.yielded = 0;
        return switch_out(current, self);
    }
    if (g.main_depth() > 0) /* resumed by hand from a callback, or something that the core runs */
        return refuse(!L.core->home.greenlet && descends((PyGreenlet *)Py_NewRef(current), L.hub) ? "refuse" : "outside");
    if (L.state == RUNNING || !may_enter(__builtin_frame_address(0), thread->gilstate_counter))
        return refuse("refuse");
    return drive();
}

/* The current greenlet waits. gevent itself looks at the clock once in 50 callbacks; so here, too, is it seen that the slice
 * is over, and then the hub stays where it is, in the callback that resumed this greenlet. */
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
    if (L.state != RUNNING || self != (PyObject *)L.hub || L.plain ||
        PyThreadState_Get()->gilstate_counter != L.level + 1)
        result = switch_slowly(self, current);
    else if (L.turns-- > 0)
        result = switch_out(current, self);
    else {
        int64_t now = clock_ns();
        L.turns = now - L.asked > LONG_TURN_NS ? 0 : 8;
        L.asked = now;
        if (now < L.slice_end || L.alone)
            result = switch_out(current, self);
        else
            result = note_switch(current) ? NULL : go_home(AWAY, 1, now);
    }
    Py_DECREF(current);
    return result;
}

static PyObject *hub_switch(PyObject *self, PyObject *Py_UNUSED(ignored)) { return switch_hub(self, 1); }

/* ---- loop.timer and loop.io ---- */

static PyObject *call_method(PyObject *method, PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *keywords) {
    PyObject *all[8];
    Py_ssize_t count = n + (keywords ? PyTuple_GET_SIZE(keywords) : 0);
    L.touched |= self == L.loop;
    if (count > 7)
        return PyErr_Format(PyExc_TypeError, "at most 4 arguments are taken, not %zd", count);
    all[0] = self;
    memcpy(all + 1, args, count * sizeof *all);
    return PyObject_Vectorcall(method, all, n + 1, keywords);
}

/* A timer counts from libev's notion of now, which is stale while anything but libev has run: refresh it first. */
static PyObject *loop_timer(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *keywords) {
    if (self == L.loop)
        L.now_update(L.ev_loop);
    return call_method(L.timer, self, args, n, keywords);
}

static PyObject *loop_io(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *keywords) {
    return call_method(L.io, self, args, n, keywords);
}

static PyMethodDef overrides[] = {
    {"switch", hub_switch, METH_NOARGS, "Let the hub run until it switches back."},
    {"timer", (PyCFunction)(void (*)(void))loop_timer, METH_FASTCALL | METH_KEYWORDS,
     "timer(after, repeat=0.0, ref=True, priority=None) -> timer watcher"},
    {"io", (PyCFunction)(void (*)(void))loop_io, METH_FASTCALL | METH_KEYWORDS,
     "io(fd, events, ref=True, priority=None) -> io watcher"}};

/* ---- the module ---- */

static PyObject *setup(PyObject *Py_UNUSED(module), PyObject *args) { /* setup(path of corecext, gevent.py, its loop) */
    const char *path;
    PyObject *python, *loop;
    if (!PyArg_ParseTuple(args, "sOO", &path, &python, &loop))
        return NULL;
    void *library = dlopen(path, RTLD_NOLOAD | RTLD_NOW), *run = library ? dlsym(library, "ev_run") : NULL;
    L.now_update = (void (*)(void *))(library ? dlsym(library, "ev_now_update") : NULL);
    if (!run || !L.now_update)
        return PyErr_Format(PyExc_ImportError,
                            "this gevent was built without libev's symbols (no ev_run in %s): "
                            "gleenlet.gevent needs gevent from PyPI or from Debian",
                            path);
    if (!redirect(run, "epoll_wait", guest_epoll_wait))
        return PyErr_Format(PyExc_ImportError, "this gevent's libev (%s) does not wait with epoll_wait", path);
    Py_XSETREF(L.python, Py_NewRef(python));
    Py_XSETREF(L.timer, PyObject_GetAttrString(loop, "timer"));
    Py_XSETREF(L.io, PyObject_GetAttrString(loop, "io"));
    return L.timer && L.io ? Py_NewRef(Py_None) : NULL;
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

static PyObject *attach(PyObject *Py_UNUSED(module), PyObject *args) { /* attach(loop, ptr, queue, core) */
    PyObject *loop, *queue, *core;
    Py_ssize_t pointer;
    if (!PyArg_ParseTuple(args, "OnOO", &loop, &pointer, &queue, &core))
        return NULL;
    Py_CLEAR(L.hub);
    Py_XSETREF(L.loop, Py_NewRef(loop));
    Py_XSETREF(L.callbacks, Py_NewRef(queue));
    L.ev_loop = (void *)pointer;
    Py_XSETREF(L.core, (Hub *)Py_NewRef(core));
    L.thread = PyThreadState_Get();
    L.state = UNBORN;
    L.plain = L.touched = L.yielded = 0;
    if (!work_source) {
        add_source(&first_funcs, INT_MIN);
        work_source = add_source(&work_funcs, WORK_PRIORITY);
        add_source(&yield_funcs, YIELD_PRIORITY);
    }
    Py_RETURN_NONE;
}

static PyObject *release(PyObject *Py_UNUSED(module), PyObject *hub_only) {
    Py_CLEAR(L.hub);
    L.state = UNBORN;
    L.yielded = 0;
    if (!PyObject_IsTrue(hub_only)) {
        Py_CLEAR(L.loop);
        Py_CLEAR(L.callbacks);
        if (pollfd.fd >= 0)
            g.source_remove_poll(work_source, &pollfd);
        pollfd.fd = -1;
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

static PyObject *is_parked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyBool_FromLong(L.state == PARKED && !L.plain && PyThreadState_Get() == L.thread);
}

static PyObject *tasks(PyObject *Py_UNUSED(module), PyObject *change) {
    L.tasks += PyLong_AsLong(change);
    Py_RETURN_NONE;
}

static PyObject *polls(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromUnsignedLong(L.polls);
}

static PyObject *waits(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromUnsignedLong(L.waits);
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
    return PyBool_FromLong(ready || timeout >= 0 || n > 1 + (pollfd.fd >= 0));
}

static PyObject *use_method(PyObject *Py_UNUSED(module), PyObject *args) { /* use_method(class, name) */
    PyTypeObject *type;
    const char *name;
    PyMethodDef *def = overrides;
    if (!PyArg_ParseTuple(args, "O!s", &PyType_Type, &type, &name))
        return NULL;
    while (strcmp(def->ml_name, name))
        def++;
    PyObject *method = PyDescr_NewMethod(type, def);
    int failed = !method || PyObject_SetAttrString((PyObject *)type, name, method) < 0;
    Py_XDECREF(method);
    return failed ? NULL : Py_NewRef(Py_None);
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
    L.cython_switch = (PyObject * (*)(PyObject *, int)) table[0];
    table[0] = (void *)switch_hub;
    L.testing = 1;
    PyObject *result = PyObject_CallNoArgs(call);
    int right = L.testing == 3;
    L.testing = 0;
    if (!right)
        table[0] = (void *)L.cython_switch;
    Py_XDECREF(result);
    return result ? PyBool_FromLong(right) : NULL;
}

static PyMethodDef methods[] = {
    {"setup", setup, METH_VARARGS, NULL},
    {"find_head", find_head, METH_VARARGS, NULL},
    {"attach", attach, METH_VARARGS, NULL},
    {"release", release, METH_O, NULL},
    {"forked", forked, METH_NOARGS, NULL},
    {"touch", touch, METH_NOARGS, NULL},
    {"is_guest", is_guest, METH_NOARGS, NULL},
    {"is_parked", is_parked, METH_NOARGS, NULL},
    {"tasks", tasks, METH_O, NULL},
    {"polls", polls, METH_NOARGS, NULL},
    {"waits", waits, METH_NOARGS, NULL},
    {"glib_alive", glib_alive, METH_NOARGS, NULL},
    {"use_method", use_method, METH_VARARGS, NULL},
    {"use_slot", use_slot, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL}};

static PyModuleDef module_def = {PyModuleDef_HEAD_INIT, "_libev", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__libev(void) {
    if (load_functions())
        return NULL;
    PyGreenlet_Import();
    if (!_PyGreenlet_API || !(str_switch_out = PyUnicode_InternFromString("switch_out")) ||
        !(L.token = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type)))
        return NULL;
    return PyModule_Create(&module_def);
}
