/* What is ready, by priority; and which of it is next. */
#include "core.h"

void push(Item *item) { /* steals; any thread that holds the GIL */
    Lane *lane = item->lane;
    item->next = NULL;
    item->queued = 1;
    if (lane->head)
        lane->tail->next = item;
    else {
        lane->since = 0;
        lane->head = item;
    }
    lane->tail = item;
}

Item *pop(Lane *lane) {
    Item *item = lane->head;
    lane->head = item->next;
    item->queued = 0;
    if (lane->hub)
        lane->since = lane->hub->now;
    return item;
}

static inline Lane *next_lane(Hub *hub) { /* the most urgent with work, unless a lesser one has waited too long */
    Lane *first = NULL;
    for (int i = 0; i < hub->n_lanes && hub->lanes[i]->priority <= hub->home.level; i++) {
        Lane *lane = hub->lanes[i];
        if (!lane->head)
            continue;
        if (!lane->since)
            lane->since = hub->now;
        if (!first)
            first = lane;
        else if (hub->now - lane->since > AGE_NS)
            return lane;
    }
    return first;
}

Lane *first_lane(Hub *hub) { return next_lane(hub); }

Lane *next_step(Hub *hub) { /* NULL: nothing is ready here, or the slice is over */
    tell_time(hub);
    if (hub->n_timers && hub->timers[0].deadline <= hub->now)
        expire(hub);
    if (hub->choose)
        return hub->choose(hub);
    return hub->now < hub->home.slice_end ? next_lane(hub) : NULL;
}
