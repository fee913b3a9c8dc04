/* What is due, and what time it is. */
#include "core.h"

/* The heap holds the deadlines themselves: with a crowd asleep, a look at an item is a miss of the cache. */
static int earlier(const Timer *a, const Timer *b) {
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->item->order < b->item->order);
}

static void timer_place(Hub *hub, Timer timer, Py_ssize_t i) { /* sift up, then down */
    Timer *heap = hub->timers;
    for (Py_ssize_t up; i > 0 && earlier(&timer, &heap[up = (i - 1) / 2]); i = up)
        (heap[i] = heap[up]).item->timer = i;
    for (Py_ssize_t down; (down = 2 * i + 1) < hub->n_timers; i = down) {
        if (down + 1 < hub->n_timers && earlier(&heap[down + 1], &heap[down]))
            down++;
        if (!earlier(&heap[down], &timer))
            break;
        (heap[i] = heap[down]).item->timer = i;
    }
    (heap[i] = timer).item->timer = i;
}

int timer_add(Item *item) {
    Hub *hub = item->hub;
    if (hub->n_timers == hub->timers_size) {
        Py_ssize_t size = hub->timers_size ? 2 * hub->timers_size : 64;
        Timer *timers = PyMem_Realloc(hub->timers, size * sizeof *timers);
        if (!timers) {
            PyErr_NoMemory();
            return -1;
        }
        hub->timers = timers;
        hub->timers_size = size;
    }
    Py_INCREF(item);
    item->order = hub->orders++;
    timer_place(hub, (Timer){item->deadline, item}, hub->n_timers++);
    return 0;
}

void timer_remove(Item *item) { /* leaves the reference to the caller */
    Hub *hub = item->hub;
    Py_ssize_t i = item->timer;
    Timer last = hub->timers[--hub->n_timers];
    item->timer = -1;
    if (last.item != item)
        timer_place(hub, last, i);
}

void drop_timer(Item *item) {
    if (item->timer >= 0) {
        timer_remove(item);
        Py_DECREF(item);
    }
}

void expire(Hub *hub) { /* what is due */
    while (hub->n_timers && hub->timers[0].deadline <= hub->now) {
        Item *item = hub->timers[0].item;
        timer_remove(item);
        item->kind->expire(item);
    }
}

static inline uint64_t processor_ticks(void) {
#ifdef __x86_64__
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

void ask_clock(Hub *hub) {
    hub->ticks = processor_ticks();
    hub->now = hub_clock(hub);
}

/* The slice is checked at every step, and asking CLOCK_MONOTONIC takes a twelfth of one. So where the processor has a
 * counter of its own, the clock is asked only when that has gone on by TICKS, 20 to 100 us, or when a deadline is near. A
 * counter that jumps, because the thread has moved to another processor, only has the clock asked once more. */
void tell_time(Hub *hub) {
    uint64_t ticks = processor_ticks();
    if (!ticks || ticks - hub->ticks >= TICKS || (hub->n_timers && hub->timers[0].deadline - hub->now <= NEAR_NS))
        ask_clock(hub);
}
