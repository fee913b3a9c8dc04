/* Home and the hand-over: who runs next. */
#include "stack.h"

/* The hand-over (F7): from a Fiber straight to the next one that is ready, else home. Returns what switch() gave to
 * whoever comes back to us. */
PyObject *leave(Hub *hub, PyGreenlet *current) {
    Lane *lane = as_fiber(current) && !hub->choose ? next_step(hub) : NULL;
    const Kind *kind = lane ? lane->head->kind : NULL;
    PyGreenlet *target = kind && kind->hand_over ? kind->hand_over(lane, current) : NULL;
    if (target) {
        hub->home.running = as_fiber(target);
        hub->steps++;
    } else {
        hub->home.leaving = 1;
        /* With no home somebody switched to us by hand from outside any dispatch: back to him. */
        target = hub->home.greenlet ? (PyGreenlet *)Py_NewRef(hub->home.greenlet) : PyGreenlet_GET_PARENT(current);
    }
    /* The target is ours until we are back: it may die meanwhile, and greenlet looks at it once more after a switch. */
    PyObject *result = PyGreenlet_Switch(target, NULL, NULL);
    Py_XDECREF(target);
    return result;
}

/* A task that switched to the loop's greenlet with greenlet's own switch() has yielded: let it go on below redraws. */
static void requeue_by_hand(Hub *hub, PyGreenlet *current) {
    Fiber *fiber = hub->home.running;
    if (hub->home.leaving || !fiber || !fiber->job || fiber->greenlet == current || waiter_of(hub, fiber->greenlet))
        return;
    if (switch_later(hub, hub->idle, fiber->greenlet, NULL, NULL))
        PyErr_WriteUnraisable(NULL);
    else
        hub->home.slice_end = 0; /* he asked for the loop: let it turn */
}

static void run_step(Hub *hub, Item *item) { /* steals */
    PyGreenlet *home = hub->home.greenlet;
    hub->home.leaving = 0;
    hub->home.running = NULL;
    observe(hub, BEGINS, item);
    item->kind->run(hub, item);
    requeue_by_hand(hub, home);
    hub->home.running = NULL;
    observe(hub, RETURNS, NULL);
}

/* Be home for what `first` (steals) starts, or, where it is NULL, for everything that is ready up to `level`. */
void be_home(Hub *hub, int level, char *frame, Item *first) {
    Home outer = hub->home;
    PyGreenlet *current = PyGreenlet_GetCurrent();
    ask_clock(hub); /* here and at the end exactly: between two dispatches others run */
    int64_t start = hub->now;
    hub->home = (Home){current, frame, callback_count(PyThreadState_Get()), level, 0, NULL, 0};
    tell_turn(hub, 1);
    if (first)
        run_step(hub, first);
    else {
        /* The slice is a budget over all dispatches until the next idle one, which proves that everything more urgent
         * had its turn: short dispatches that follow each other without a pause starve redraws as a long one does. */
        if (level >= IDLE_PRIORITY || hub->budget <= 0)
            hub->budget = SLICE_NS;
        hub->home.slice_end = start + hub->budget;
        hub->choices = CHOICES;
        for (int i = 0; i < hub->n_lanes && hub->lanes[i]->priority <= level; i++)
            hub->lanes[i]->spent = 0;
        for (Lane *lane; (lane = next_step(hub));)
            run_step(hub, pop(lane));
        ask_clock(hub);
        hub->budget = level >= IDLE_PRIORITY ? SLICE_NS : hub->budget - (hub->now - start);
        for (int i = 0; i < hub->n_lanes && hub->lanes[i]->priority < IDLE_PRIORITY && hub->budget <= 0; i++)
            hub->lanes[i]->spent = hub->now;
    }
    tell_turn(hub, 0);
    hub->home = outer;
    Py_DECREF(current);
}
