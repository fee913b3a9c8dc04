/* gleenlet._core._native: the stack floor, the depth probe, the run queue and the hand-over.
 *
 * It knows greenlets, the C stack and GLib's sources; of a task it knows the function, the name and that a shield puts
 * things off, not its scopes nor what signals it waits for. On top of it, in the same library for the sake of direct
 * calls: Event, Lock and Queue, which only wait and wake.
 *
 * Files, from below: none calls into one that comes later, but by a pointer that it was given. words.c. report.c:
 * what went wrong. timers.c, lanes.c: what is due, what is ready. ring.c, func.c, chunk.c: a deque, a task's
 * function, where a Python stack begins. source.c: what we call of GLib. platform.h, with linux.c or plain.c: what is
 * one system's own. stack.c: floor, probe, who fits. seams.c: who looks on, whose time it is, who chooses. Then kinds
 * of items and who runs them: handle.c, raw.c (who is resumed by hand), switch.c (home and the hand-over), fiber.c;
 * ends.c: who owns a hub, and how its end is told; waiter.c (the one way to block), job.c. line.c, event.c, lock.c,
 * queue.c, descriptors.c: who waits in order, and for what. unwind.c: whose stack a loop runs on. dispatch.c: what
 * GLib calls. hub.c, module.c: what Python sees.
 *
 * Words. A Hub belongs to one thread and one GMainContext. A Lane is one priority of it: a queue and a GSource. Items
 * queue in lanes: a Handle (a function for the loop, or a greenlet that somebody resumes by hand), a Job (a task not
 * yet started) and a Waiter (a greenlet whose wait is over, or one that another thread has woken); what each does
 * when its turn comes its Kind says. A Fiber is a greenlet of ours; it runs one Job after another. "Home" is the
 * greenlet inside the innermost dispatch: who blocks goes to the next ready Fiber or home.
 *
 * Invariants.
 *  I1  The floor. Every Fiber is first switched to from an address below `floor` (F4: `switch_at_floor`), and no
 *      dispatch runs from a frame below it. So a switch between Fibers and home never moves a frame of the loop.
 *  I2  The probe. Who waits is switched away from only while `callback_count` has the value it had when home dispatched:
 *      then no C callback and no collection is on its stack. (Two ways more. Where no dispatch is under way, who was
 *      switched to by hand goes back by hand: see Hub._block. And by a guest loop's rules wait its own greenlets, and goes
 *      back to it whom it has switched to by hand.)
 *  I3  A greenlet whose stack may begin above the dispatch is not resumed from it: see `fits`.
 *  I4  Everything is changed with the GIL held, and in the hub's thread only: but for `push`, a Waiter's `from_thread`, who
 *      ends a hub (`end_hub`, `thread_dealloc`), and who says that another thread runs our context (`told`, `complained`).
 *      prepare and check run without the GIL. In the hub's thread they read and write what only it, or a push, writes; in
 *      another one they read words of the Lane.
 *  I5  An item in a lane, in the timers or held is owned by it, a Job by its hub until it is finished, a Fiber that has
 *      started by itself until it ends. These two, and a Job's context, cannot be garbage until then, so they are off
 *      the collector's lists: with a crowd asleep, looking at all of them again and again took a third of the time.
 *  I6  Whoever registers a Waiter unregisters it on every way out: value, exception, death of the greenlet. So the
 *      Lines borrow them. Who may wake one from elsewhere after its wait, as another thread does, owns it, and is told
 *      that it is too late.
 *  I7  Ends. A GSource owns what its C functions read: the Lane is part of it. A thread owns its hubs (the Thread in its
 *      dict); a hub owns its GSources, descriptors, timers and what is queued, and no context but one that was made for its
 *      thread (Hub._own_context). It ends with its thread, whose dict goes, or with its context, which destroys its
 *      GSources: whichever is first. `end_hub` then closes what GLib and the system know of it and may run in any thread;
 *      from there on every use is a GleenletError, but to undo something (`here_or_ended`). `abandon` drops what is queued and
 *      the suspended greenlets, as greenlet drops one that nobody holds (GreenletExit), and needs the hub's own thread
 *      above the floor. A forked child keeps the task it runs in, and nothing else.
 */
#ifndef GLEENLET_CORE_H
#define GLEENLET_CORE_H
#define PY_SSIZE_T_CLEAN
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <Python.h>
#include <limits.h>
#include <pthread.h>
#include <time.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#include "greenlet/greenlet.h"
#pragma GCC diagnostic pop
#define _PyGreenlet_API greenlet_api        /* greenlet.h gives each file a table of functions; this is one for all */
extern void **greenlet_api;

#include "words.h"

#define IDLE_PRIORITY 201                   /* yields: below redraws (120) and below everything idle (200) */
#define SLICE_NS 2000000LL                  /* how long tasks may run before all others get a turn: an eighth of a frame */
#define AGE_NS 10000000LL                   /* ready work passed over for so long is served whatever its priority */
#define SPIN_NS 50000LL                     /* a deadline nearer than this is polled for: GLib's poll counts in ms */
#define TICKS 100000                        /* of the processor's counter, between two looks at the clock */
#define NEAR_NS 200000LL                    /* more than TICKS take: a deadline as near has the clock asked each time */
#define CHOICES 64                          /* steps of a dispatch under a clock of another's, which may stand still */
#define POOL_MAX 1000                       /* idle Fibers kept for the next tasks */

typedef struct Hub Hub;
typedef struct Fiber Fiber;
typedef struct Waiter Waiter;

typedef struct {                            /* GPollFD */
    int fd;
    unsigned short events, revents;
} PollFD;

typedef struct Lane {                       /* part of its GSource, and so as long-lived (I7) */
    Hub *hub;                               /* borrowed; NULL once the hub has ended */
    struct Source *source;                  /* NULL once destroyed */
    unsigned long thread;                   /* the hub's, for who has no GIL and must not look at the hub */
    char *floor;
    uint8_t told;                           /* another thread was told that it runs our context */
    int priority;
    int64_t spent;                          /* when the slice was used up: wait until all others had their turn; or 0 */
    int64_t since;                          /* not served since; 0: not yet looked at */
    struct Item *head, *tail;
} Lane;

/* What an Observer is told. The item: a Job that is SPAWNED or ENDS; whatever BEGINS to run in a step, any Item; a
 * Waiter that WAITS or WAKES (what was decided, it runs in a later step); the Job that is INTERRUPTED. A step
 * RETURNS, with no item, when home has the thread back: with hand-overs that is after several that began. */
enum Event { SPAWNED, BEGINS, WAITS, WAKES, INTERRUPTED, ENDS, RETURNS };

/* The first seam: who looks on, or lives beside us on this thread, as another loop does. Its functions run in the hub's
 * thread, with the GIL and some in the middle of a switch: they must neither wait nor raise. NULL: it need not know. */
typedef struct Observer {
    void (*see)(struct Observer *, Hub *, int event, struct Item *);
    void (*turn)(struct Observer *, Hub *, int ours); /* our tasks begin to run, or others go on */
    /* A greenlet that is not ours waits: 1: it has, in the observer's way; 0: it is none of its; -1: an error is set. */
    int (*block)(struct Observer *, Waiter *);
    void (*wake)(struct Observer *, Waiter *); /* it has an outcome, and no greenlet of its own to be resumed */
    void (*drop)(struct Observer *);        /* it observes no more: free it */
    PyObject *self;                         /* owned; where it has greenlets here, the one that runs its loop */
    struct Observer *next;
} Observer;

enum { HANDLE, JOB, WAITER, SWITCH };

/* What an item is to lanes, timers and the switch, which know no more of it. */
typedef struct Kind {
    int is;                                 /* for who looks on */
    void (*expire)(struct Item *);          /* its time is up; steals */
    void (*run)(Hub *, struct Item *);      /* it is its turn, from home; steals. Who fails is reported */
    PyGreenlet *(*hand_over)(Lane *, PyGreenlet *current); /* from a Fiber: take it and say whom to switch to, or leave it
                                                              to home and return NULL. NULL: always home's */
} Kind;

enum State { NEW, STARTED, WAITING, READY, DONE, FAILED, CANCELLED }; /* STARTED: a Job; WAITING, READY: a Waiter */
enum Outcome { NONE, WOKEN, THROWN, EXPIRED }; /* of a wait: wake(), throw(), or the end of its time */

#define ITEM_HEAD                                                                                                     \
    PyObject_HEAD                                                                                                     \
    struct Item *next;                      /* in its lane */                                                        \
    Hub *hub;                                                                                                         \
    Lane *lane;                                                                                                       \
    int64_t deadline;                       /* CLOCK_MONOTONIC, ns */                                                \
    uint64_t order;                         /* first come, first served among equal deadlines */                     \
    Py_ssize_t timer;                       /* place in the timers, -1: none */                                      \
    const Kind *kind;                                                                                                 \
    uint8_t state, queued;

typedef struct Item {
    ITEM_HEAD
} Item;

typedef struct {
    int64_t deadline;                       /* the item's */
    Item *item;
} Timer;

struct Waiter {
    ITEM_HEAD
    uint8_t outcome;                        /* the first one counts */
    uint8_t from_thread;                    /* another thread has woken it, in time: the outcome, if none comes before */
    PyGreenlet *greenlet;                   /* who waits */
    PyObject *value;                        /* to be returned, or raised: what it was woken with */
    PyObject *interrupt;                    /* to be raised instead of any outcome, unless it is taken back before */
    struct Job *job;                        /* of the task that waits, or NULL; borrowed while it waits */
    struct Waiter *outer;                   /* of the same task, begun before: several greenlets of one may wait */
    PyObject *on, *verb;                    /* what it waits for, for who asks; NULL: nobody said */
    int64_t since;                          /* when the wait began, on the hub's clock */
    struct Waiter *beside, *ahead;          /* its neighbours in a Line */
    char *stack;                            /* of a greenlet that is not ours: where it blocked; NULL: unknown */
};

#define CALL_HEAD                                                                                                     \
    ITEM_HEAD                                                                                                         \
    PyObject *func, *args, *kwargs, *context;

typedef struct {
    CALL_HEAD
} Handle;

typedef struct Job {
    CALL_HEAD                               /* func: after the end its name, if somebody may still ask for it */
    PyObject *value;                        /* result or exception */
    PyObject *shield;                       /* the innermost one that it is in; or None, or NULL */
    PyObject *pending;                      /* interruption that no wait has raised yet; shields put it off */
    PyObject *strike;                       /* the same, but shields do not: a scope inside them gives up */
    PyObject *callbacks;                    /* list or NULL */
    PyObject *name;
    PyObject *guard;                        /* called instead of waiting; it raises */
    Waiter *waiter;                         /* the newest of its waits; borrowed: each is its wait()'s */
    Fiber *fiber;                           /* borrowed: see I5 */
    struct Job *previous, *following;       /* the hub's unfinished jobs */
    void *tally;                            /* what an observer keeps of it, of PyMem_Malloc(); NULL: nothing */
    uint8_t plain;                          /* a Task, of no subclass that may refer to more */
    uint8_t held;                           /* somebody had it at its end */
} Job;

/* Who waits, in order: a Waiter is in it as long as its wait lasts and it is not woken (I6). It is part of what is waited on,
 * which the wait keeps, or of a hub. Who was woken by wake_next() has something promised to him until he runs: newcomers
 * wait behind him. */
typedef struct {
    Waiter *first, *last;
    Py_ssize_t promised;                    /* to so many */
} Line;

typedef struct {                            /* of one descriptor */
    Line readers, writers;
    PyObject *nested;                       /* called whenever something new is ready in it */
} Watch;

/* What a greenlet of ours is known by: it is its __dict__. The greenlet itself is of greenlet's own type, for that
 * checks the type of each greenlet a dozen times a switch, and a subclass is a search every time. */
struct Fiber {
    PyDictObject dict;
    PyGreenlet *greenlet;                   /* borrowed: it owns us */
    Hub *hub;
    Job *job;                               /* owned while it runs */
    Fiber *next;                            /* in the pool, which owns the greenlet */
    char *base;
};

/* The innermost dispatch. That of the one around it is on the C stack meanwhile, in be_home(). It is copied and not pointed
 * to, as a greenlet that somebody else started may lie where that frame is: a switch by hand puts it there. */
typedef struct {
    PyGreenlet *greenlet;                   /* NULL: no dispatch is under way */
    char *frame;
    int count;                              /* of callbacks then (I2) */
    int level;                              /* how far down it reaches: lanes up to this priority */
    int64_t slice_end;
    Fiber *running;                         /* whom we switched to last; borrowed */
    uint8_t leaving;                        /* whoever came back did so by us, not by hand */
} Home;

struct Hub {
    PyObject_HEAD
    /* looked at in every step: together, so that they are few lines of the cache */
    unsigned long thread;
    Lane **lanes;                           /* by priority, most urgent first */
    Lane *normal, *idle;                    /* PRIORITY_DEFAULT, and where yields go */
    int n_lanes;
    uint8_t open, complained;               /* open: made, and neither its thread nor its context has ended */
    Lane *(*choose)(struct Hub *);          /* there is another clock or a chooser: this one says what is next (seams.c) */
    Py_ssize_t n_timers;
    Timer *timers;                          /* a heap by (deadline, order) */
    Home home;
    int observed;                           /* by so many observers that see(); below 0 while one of Python's does */
    int64_t now;                            /* see tell_time */
    uint64_t ticks;
    uint64_t steps;
    Fiber *pool;
    int n_pool;
    int stack_chunk;                        /* bytes of a Fiber's first Python stack chunk; 0: as CPython has it */
    Job *jobs;
    Py_ssize_t n_jobs;
    /* the rest */
    PyObject *weakrefs;
    Hub *next;                              /* of the same thread, which owns it (ends.c) */
    void *context;                          /* borrowed: its end is ours, too */
    char *floor;
    Py_ssize_t timers_size;
    uint64_t orders;
    int64_t budget;                         /* what is left of the slice, over several dispatches */
    int n_watches, n_polled;
    Watch *watches;                         /* by descriptor */
    struct Polls *polls;                    /* the platform's; NULL: not yet needed */
    PollFD **polled;                        /* what GLib polls for us, in all lanes from PRIORITY_DEFAULT up */
    Item *held;                             /* Waiters whose greenlets do not fit the dispatch they met (I3) */
    char *held_at;
    PyObject *foreign;                      /* dict: greenlets that are not ours -> the Waiter they wait in */
    Observer *observers;                    /* the first seam */
    PyObject *fatal;                        /* for whoever drives the context: raised as soon as it is back */
    int64_t clock;                          /* the second seam: where it stands; -1: it is CLOCK_MONOTONIC's */
    PyObject *chooser;                      /* the third: who says which of the ready is next; NULL: we do */
    int choices;                            /* steps left in this dispatch, where time may stand */
};

typedef struct {                            /* a deque in C */
    PyObject **slots;
    Py_ssize_t head, count, size;           /* size: 0 or a power of two */
} Ring;

typedef struct {                            /* what Event, Lock and the others begin with */
    PyObject_HEAD
    unsigned long thread;                   /* 0: nobody has used it yet */
    PyObject *weakrefs;
} ThreadBound;

extern PyTypeObject HubType, WaiterType, HandleType, JobType, FiberType, LineType, ThreadBoundType,
    EventType, LockType;

extern PyObject *GleenletError, *QueueEmpty, *QueueFull, *QueueShutDown; /* errors.py's */

static inline unsigned long this_thread(void) { return (unsigned long)pthread_self(); } /* PyThread_get_thread_ident() */

int not_here(Hub *hub);

static inline int here(Hub *hub) { /* is this the hub's thread, and is the hub open? (I7: no later thread passes for its own) */
    return (this_thread() == hub->thread && hub->open) || not_here(hub);
}

static inline int here_or_ended(Hub *hub) { return !hub->open || here(hub); } /* then nothing is left to undo, for any thread */

static inline Fiber *as_fiber(PyGreenlet *greenlet) { /* NULL: it is not ours */
    return greenlet->dict && Py_IS_TYPE(greenlet->dict, &FiberType) ? (Fiber *)greenlet->dict : NULL;
}

static inline int has_ended(const Job *job) { return job->state >= DONE; }

static inline int given(PyObject *slot) { return slot && slot != Py_None; } /* Python empties one by None */

static inline void init_item(void *made, Hub *hub, const Kind *kind) { /* all else is zero */
    Item *item = made;
    item->hub = (Hub *)Py_NewRef(hub);
    item->lane = hub->normal;
    item->timer = -1;
    item->kind = kind;
}

static inline int64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static inline int64_t hub_clock(Hub *hub) { return hub->clock < 0 ? clock_ns() : hub->clock; }

static inline PyObject *take_exception(void) {
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

static inline void raise_exception(PyObject *exception) { /* steals */
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_DECREF(exception);
}

static inline void restore_exception(PyObject *exception) { /* what take_exception() gave: one, or NULL */
    PyErr_Clear();
    if (exception)
        raise_exception(exception);
}

/* words.c */
int know_words(void);
int know_errors(void);

/* source.c */
void *context_peek(void);                   /* the thread's default context, borrowed */
int context_acquire(void *context);         /* with a reference, if this thread may run it now */
void context_release(void *context);
int context_iterate(void *context, int may_block); /* without the GIL */
int context_polls(void *context, PollFD *fds, int size); /* how many: what it would poll, if this thread may run it */
void context_wakeup(void *context);
int main_depth(void);
void *glib_function(void);                  /* any one, to find the library by */
Lane *get_lane(Hub *hub, int priority);
void when_destroyed(Lane *lane, void (*func)(void *lane));
void destroy_sources(Hub *hub);             /* GLib forgets them */
void free_sources(Hub *hub);

/* report.c */
void report(Hub *hub, PyObject *what);
void report_failed(Hub *hub, PyObject *result, PyObject *what);
void forget_result(PyObject *result, PyObject *whose);
PyObject *as_exception(PyObject *exception);

/* lanes.c */
void push(Item *item);
Item *pop(Lane *lane);
Lane *first_lane(Hub *hub);
Lane *next_step(Hub *hub);

/* timers.c */
int timer_add(Item *item);
void timer_remove(Item *item);
void drop_timer(Item *item);
void expire(Hub *hub);
void ask_clock(Hub *hub);
void tell_time(Hub *hub);

/* switch.c */
PyObject *leave(Hub *hub, PyGreenlet *current);
void be_home(Hub *hub, int level, char *frame, Item *first);

/* raw.c */
int switch_later(Hub *hub, Lane *lane, PyGreenlet *greenlet, PyObject *args, PyObject *kwargs);
void resume(Hub *hub, PyGreenlet *greenlet, PyObject *args, PyObject *kwargs, PyObject *exception);
Waiter *waiter_of(Hub *hub, PyGreenlet *greenlet);
PyObject *hub_waiter_of(Hub *hub, PyObject *greenlet);
PyObject *hub_switch_later(Hub *hub, PyObject *const *args, Py_ssize_t n);

/* handle.c */
PyObject *call(Handle *handle);
Handle *new_handle(Hub *hub, const Kind *kind, PyObject *func, PyObject *args);
PyObject *hub_call(Hub *hub, PyObject *const *args, Py_ssize_t n);

/* fiber.c */
extern const Kind job_kind;
void finish(Hub *hub, Job *job, PyObject *result);
PyObject *hub_tasks(Hub *hub, PyObject *ignored);
Job *owner(PyGreenlet *greenlet);
int ready_fiber_type(void);

/* chunk.c */
void begin_python_stack(int size);
PyObject *core_try_stack_chunk(PyObject *module, PyObject *args);

/* seams.c */
PyObject *hub_observe(Hub *hub, PyObject *func);
PyObject *hub_unobserve(Hub *hub, PyObject *func);
PyObject *hub_set_clock(Hub *hub, PyObject *seconds);
PyObject *hub_next_deadline(Hub *hub, PyObject *ignored);
void observers_see(Hub *hub, int event, Item *item);

static inline void observe(Hub *hub, int event, void *item) { /* one test while nobody sees */
    if (hub->observed > 0)
        observers_see(hub, event, item);
}

static inline Item *take(Lane *lane) { /* its head, whose turn it is */
    Item *item = pop(lane);
    observe(lane->hub, BEGINS, item);
    return item;
}

static inline void add_observer(Hub *hub, Observer *observer) {
    observer->next = hub->observers;
    hub->observers = observer;
    hub->observed += observer->see != NULL;
}

static inline int remove_observer(Hub *hub, Observer *observer) { /* and drop it; 0: it is none */
    Observer **link = &hub->observers;
    while (*link && *link != observer)
        link = &(*link)->next;
    if (!*link)
        return 0;
    *link = observer->next;
    hub->observed -= observer->see != NULL;
    observer->drop(observer);
    return 1;
}

void free_seams(Hub *hub);
Observer *guest(Hub *hub);
void tell_turn(Hub *hub, int ours);
PyObject *hub_set_turn(Hub *hub, PyObject *args);
PyObject *hub_tell_turn(Hub *hub, PyObject *ours);
PyObject *hub_set_chooser(Hub *hub, PyObject *func);

/* ends.c */
int own_hub(Hub *hub);
Hub *get_hub(PyGreenlet *current);
PyObject *core_on_missing_hub(PyObject *module, PyObject *func);
PyObject *core_hubs(PyObject *module, PyObject *ignored);
PyObject *core_exit(PyObject *module, PyObject *ignored);
PyObject *hub_close(Hub *hub, PyObject *ignored);
PyObject *hub_forget_in_child(Hub *hub, PyObject *ignored);
extern PyTypeObject ThreadType;

/* descriptors.c */
PyObject *core_wait_fd(PyObject *module, PyObject *const *args, Py_ssize_t n);
PyObject *hub_watch(Hub *hub, PyObject *const *args, Py_ssize_t n);
PyObject *hub_unwatch(Hub *hub, PyObject *file);
void poll_ready(Hub *hub);

/* dispatch.c */
int ready_dispatch(void);

/* unwind.c */
PyObject *core_runs_loop(PyObject *module, PyObject *ignored);

/* func.c */
int func_runs(PyObject *func);
PyObject *core_check_runs(PyObject *module, PyObject *func);
PyObject *func_name(PyObject *func);
int ready_func(void);

/* waiter.c */
void interrupt(Waiter *waiter, PyObject *exception);
Waiter *waiter_here(PyGreenlet **current, PyObject *on, PyObject *verb);
Waiter *timed_waiter(PyObject *timeout, PyGreenlet **current, PyObject *on, PyObject *verb);
PyObject *wait_for(Waiter *waiter, PyGreenlet *current, PyObject *late);
int wake(Waiter *waiter, PyObject *value, enum Outcome outcome);
PyObject *core_sleep(PyObject *module, PyObject *seconds);
PyObject *core_may_wait(PyObject *module, PyObject *ignored);
extern const char sleep_doc[];

/* ring.c */
int ring_push(Ring *ring, PyObject *item);
PyObject *ring_pop(Ring *ring);
PyObject *ring_pop_last(Ring *ring);
PyObject *ring_list(Ring *ring);
int ring_traverse(Ring *ring, visitproc visit, void *arg);
void ring_clear(Ring *ring);

/* line.c */
PyObject *wait_in_line(Line *line, PyObject *on, PyObject *verb, int (*pass_on)(PyObject *), PyObject *whose);
void pass_it_on(int (*pass_on)(PyObject *), PyObject *whose);
void stand_in(Line *line, Waiter *waiter);
void leave_line(Line *line, Waiter *waiter);
int wake_first(Line *line, PyObject *value, enum Outcome outcome);
int wake_next(Line *line);
Py_ssize_t line_length(const Line *line);
int claim_first(ThreadBound *self, PyObject *what);
PyObject *describe(PyObject *what, const char *state, Py_ssize_t waiters);
PyObject *core_describe(PyObject *module, PyObject *args);
int takes_nothing(PyObject *self, PyObject *args, PyObject *names);

static inline int claim(ThreadBound *self) { /* bind it to this thread; -1: it is another's */
    return self->thread == this_thread() ? 0 : claim_first(self, (PyObject *)self);
}

/* queue.c */
int add_queues(PyObject *module);

#endif
