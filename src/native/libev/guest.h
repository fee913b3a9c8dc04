/* gleenlet.gevent._libev: gevent's hub as a guest of GLib's loop. See gleenlet/gevent/_guest.py for the Python half.
 *
 * GLib's loop runs as always. gevent's hub runs libev's loop as always too, with one difference: where libev would wait
 * (epoll_wait, called from ev_run), the hub is suspended instead, and two GSources resume it when libev's epoll
 * descriptor is readable, when libev's own timeout is over, or after anything else was dispatched.
 *
 * Files, from below. redirect.c: how libev's wait comes to us. guest.c: what both halves keep, and what is asked of the one
 * in Python. source.c: what we call of GLib. park.c: to the hub and back. dispatch.c: what GLib calls, and so when the hub
 * has its turn. switch.c: Hub.switch, and who may wait where. patch.c: gevent's methods that are replaced. module.c: what
 * _guest.py calls.
 *
 * The hub's states. Only `enter` leads in, always from a greenlet that is "home" then: it runs GLib's loop, or drives
 * GLib's context while it waits for gevent (`drive`).
 *
 *                enter(): born at the floor              park(): libev would wait
 *     UNBORN ---------------------------------> RUNNING ---------------------------> PARKED
 *       ^                                       ^  |  ^                                |
 *       | attach(), release()                   |  |  +------------- enter() ----------+
 *                                               |  |
 *                   enter(), or switch_slowly() |  | Hub.switch: the slice is over, in the middle of a callback of the
 *                                               |  v hub's; or that callback itself has switched to home
 *                                               AWAY
 *
 * "Level" is gilstate_counter as the hub's own frames see it; every callback of gevent's adds one, so a greenlet of
 * gevent's that blocks at any other count has a C callback on its stack (F5, the depth probe).
 *
 * Why epoll_wait and not ev_set_loop_release_cb, which libev documents for this: the release callback is not told how
 * long libev is going to wait. The next timer, the idle watchers and, worst, a signal or an async send that came while
 * callbacks ran (libev then skips the write to its pipe and waits for 0 s) are visible only in that timeout. So the
 * import of epoll_wait in the one library that holds libev is redirected; nothing else of the process is touched.
 */
#ifndef GLEENLET_GUEST_H
#define GLEENLET_GUEST_H
#include "../core/core.h"

struct epoll_event;

typedef struct Driver {            /* a greenlet that iterates GLib's context until somebody switches to it */
    struct Driver *outer;
    PyGreenlet *greenlet;
    int depth, done;
    PyObject *value, *error;       /* owned */
} Driver;

typedef struct {                   /* a hub, and the loop that it runs, or will; objects are owned */
    Observer seam;                 /* the core's, while the hub runs; `self`: the hub */
    /* what is gevent's */
    PyGreenlet *hub;
    PyObject *loop;
    PyObject *callbacks;           /* the loop's queue of callbacks */
    void *ev_loop;
    /* where the hub runs */
    PyThreadState *thread;
    Hub *core;
    PyGreenlet *home;              /* borrowed: it is inside `enter` */
    PyGreenlet *host;              /* who was home last */
    Driver *driver;                /* the innermost */
    char *base;                    /* where the hub's stack begins */
    int level;
    int offset;                    /* level - gilstate_counter when the hub was left: -1 in a callback, else 0 */
    int nested_count;              /* gilstate_counter under the last dispatch: for a greenlet that runs a GLib loop */
    int plain;                     /* a forked child: gevent runs as if we were not there */
    int alone;                     /* the waiting greenlet cannot drive GLib: its loop runs in another thread */
    /* when the hub runs */
    enum { UNBORN, PARKED, RUNNING, AWAY } state;
    struct Source *work;           /* the GSource that resumes it; made once, for good (F13) */
    PollFD epoll;                  /* libev's, which GLib polls; fd -1: none */
    int touched;                   /* something may have been started outside the hub */
    int yielded;                   /* suspended with work left */
    int fresh;                     /* main_depth of the last dispatch, until the next iteration begins */
    int busy;                      /* the last look at epoll showed events */
    int luck, tries;               /* did asking epoll once more before parking pay off lately? */
    int tasks;                     /* greenlets of the core's that wait in gevent, and run only when GLib's loop does */
    int unasked;                   /* so many steps until the clock is asked again */
    int probing;                   /* glib_alive() asks GLib: the hub is not wanted */
    int complained;
    int64_t asked, deadline, suspended_at, slice_end, paused_until;
    unsigned long polls;           /* how often the hub was suspended: for tests */
} Guest;

typedef struct {                   /* what is the process's: found, or patched, when _guest.py is imported */
    PyObject *python;              /* _guest.py */
    PyObject *token;               /* what a suspended hub gives its home */
    PyObject *switch_out;          /* a method's name */
    PyObject *timer;               /* the method of gevent's own loop */
    void (*now_update)(void *);
    Py_ssize_t head;               /* where in a queue of callbacks its first element is */
    PyObject *(*cython_switch)(PyObject *, int);
    int trial;                     /* of switch_hub in its place: see use_slot */
    unsigned long waits;           /* how often libev would have waited, in any loop */
    Guest guest;                   /* one, as libev has one default loop: who comes from libev or from gevent means this one */
} Gevent;

extern Gevent gevent;

/* redirect.c */
int redirect(void *inside, const char *name, void *function);

/* guest.c */
PyObject *ask(const char *method, PyObject *arg); /* _guest.py: what does it return or raise? */
void tell(const char *method);     /* it, with the current exception if there is one */
int descends(PyGreenlet *greenlet, PyGreenlet *from);
void find_hub(Guest *guest);

/* source.c */
int load_glib(void);
int glib_depth(void);
void poll_epoll(Guest *guest, int fd); /* have GLib poll libev's epoll; -1: none */
int iterate_glib(void);            /* once; 0: another thread runs its loop */
PyObject *glib_alive(PyObject *module, PyObject *ignored);

/* park.c */
int may_enter(Guest *guest, char *frame, int count);
PyObject *enter(Guest *guest);
PyObject *go_home(Guest *guest, int state, int yielded, int64_t now);
int guest_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout);

/* dispatch.c */
void attach_sources(Guest *guest);

/* switch.c */
PyObject *switch_hub(PyObject *self, int skip_dispatch);

/* patch.c */
PyObject *find_head(PyObject *module, PyObject *args);
PyObject *use_method(PyObject *module, PyObject *args);
PyObject *use_slot(PyObject *module, PyObject *args);

#endif
