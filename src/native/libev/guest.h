/* gleenlet.gevent._libev: gevent's hub as a guest of GLib's loop. See gleenlet/gevent/_guest.py for the Python half.
 *
 * GLib's loop runs as always. gevent's hub runs libev's loop as always too, with one difference: where libev would wait
 * (epoll_wait, called from ev_run), the hub is suspended instead, and two GSources resume it when libev's epoll
 * descriptor is readable, when libev's own timeout is over, or after anything else was dispatched.
 *
 * Files. redirect.c: how libev's wait comes to us. park.c: to the hub and back. source.c: GLib, and when the hub has its
 * turn. switch.c: Hub.switch, and who may wait where. patch.c: gevent's methods that are replaced. module.c: what
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

/* The guest: one in a process, as libev has one default loop. */

typedef struct {                   /* what is gevent's; objects are owned */
    PyGreenlet *hub;
    PyObject *loop;
    PyObject *callbacks;           /* the loop's queue of callbacks */
    Py_ssize_t head;               /* where in `callbacks` its first element is */
    void *ev_loop;
    void (*now_update)(void *);
    PyObject *timer, *io;          /* methods of gevent's own loop */
    PyObject *(*cython_switch)(PyObject *, int);
    int trial;                     /* of switch_hub in its place: see use_slot */
    PyObject *module;              /* _guest.py */
} Gevent;

typedef struct {                   /* where the hub runs */
    PyThreadState *thread;
    Hub *core;                     /* owned */
    PyGreenlet *home;              /* borrowed: it is inside `enter` */
    PyGreenlet *host;              /* owned: who was home last */
    PyObject *token;               /* what a suspended hub gives its home */
    Driver *driver;                /* the innermost */
    char *base;                    /* where the hub's stack begins */
    int level;
    int offset;                    /* level - gilstate_counter when the hub was left: -1 in a callback, else 0 */
    int nested_count;              /* gilstate_counter under the last dispatch: for a greenlet that runs a GLib loop */
    int plain;                     /* a forked child: gevent runs as if we were not there */
    int alone;                     /* the waiting greenlet cannot drive GLib: its loop runs in another thread */
} Stack;

typedef struct {                   /* when the hub runs */
    enum { UNBORN, PARKED, RUNNING, AWAY } state;
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
    unsigned long polls, waits;    /* how often the hub was suspended, and libev would have waited: for tests */
} Turn;

extern Gevent gevent;
extern Stack stack;
extern Turn turn;

/* redirect.c */
int redirect(void *inside, const char *name, void *function);

/* park.c */
PyObject *enter(void);
PyObject *go_home(int state, int yielded, int64_t now);
int guest_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout);

/* source.c */
int load_glib(void);
int glib_depth(void);
int iterate_glib(void);            /* once; 0: another thread runs its loop */
PyObject *glib_alive(PyObject *module, PyObject *ignored);
void attach_sources(void);
void poll_epoll(int fd);           /* have GLib poll libev's epoll; -1: none */

/* switch.c */
int may_enter(char *frame, int count);
int descends(PyGreenlet *greenlet, PyGreenlet *from);
PyObject *switch_hub(PyObject *self, int skip_dispatch);

/* patch.c */
PyObject *find_head(PyObject *module, PyObject *args);
PyObject *use_method(PyObject *module, PyObject *args);
PyObject *use_slot(PyObject *module, PyObject *args);

/* module.c */
extern PyObject *str_switch_out;
void tell(const char *method);     /* _guest.py, with the current exception if there is one */
PyObject *ask(const char *method); /* _guest.py: what does it return or raise? */
void find_hub(void);

#endif
