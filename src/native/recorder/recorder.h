/* gleenlet.debug._recorder: what the core's observer seam tells, kept in memory; and whether loops turn.
 *
 * It reads the core's structs (core.h) and calls none of its functions; it knows no file formats.
 *
 * Files, from below. tape.c: where events are kept, and for how long. see.c: what becomes of an observed event. read.c: a
 * Tape as Python sees it. pulse.c: for the watchdog. module.c: the rest of what Python sees.
 *
 * Invariants.
 *  R1  A Tape is written and read with the GIL held, by any thread, and nothing that it does with an event runs Python
 *      code or lets go of the GIL: what it owns are strings. So every look at it is consistent.
 *  R2  An event names nobody by his address, which the next one may get: a task has a number, in its Tally. It keeps
 *      no task, no exception and no object that somebody waits on alive.
 *  R3  A Watcher is linked to its hub and taken off it in the hub's thread only, and not while it is called. The hub
 *      frees it (Observer.drop) where it is still there at its end.
 */
#ifndef GLEENLET_RECORDER_H
#define GLEENLET_RECORDER_H
#include "../core/core.h"

#define BLOCK_EVENTS 2728                   /* of 24 bytes: 64 KiB with the head of the block */
#define BLOCK_NS (1LL << 44)                /* an event says how long after its block's beginning it was */
#define STRANGER 0x80000000u                /* a greenlet that is no task, with 31 bits of its address; 0: top level */

enum RecordKind { SPAWN, BEGIN, YIELD, WAIT, WAIT_TASK, WAIT_NUMBER, WAIT_CALL, WAKE, CANCEL, END, HOME, STALL, FRAME };

/* `by`: who spawned, woke or cancelled it (0: the loop). WAIT: the word of the type that it waits on, WAIT_TASK: the task,
 * WAIT_NUMBER: the int, WAIT_CALL: the word of the verb, END: the state, STALL and FRAME: microseconds. */
typedef struct {
    uint64_t after : 44, kind : 4, named : 1, loop : 15;
    uint32_t who, by;
    PyObject *text;                         /* a str or NULL: SPAWN and END: a name; WAIT...: the verb; WAIT_CALL: of what */
} Record;

typedef struct Block {
    struct Block *next;                     /* the one after it in time */
    int64_t begin, last;                    /* CLOCK_MONOTONIC, ns */
    uint64_t first;                         /* the number of its first event */
    int n;
    Record records[BLOCK_EVENTS];
} Block;

typedef struct {
    PyObject_HEAD
    Block *oldest, *newest;
    int64_t keep;                           /* ns */
    uint64_t count;                         /* of all events so far */
    int n_blocks, max_blocks;
    uint32_t serial;                        /* tells Tapes apart, in Tallies */
    uint8_t off;
} Tape;

typedef struct {
    Observer base;
    Tape *tape;                             /* owned */
    unsigned loop;
} Watcher;

/* What is counted of a task while a Tape is on. */
typedef struct {
    uint32_t number, serial;
    uint32_t switches;
    uint8_t doing;                          /* one of the times below */
    int64_t spawned, since;                 /* CLOCK_MONOTONIC, ns; spawned: 0 if that was not seen */
    int64_t spent[3];                       /* ns */
} Tally;

typedef struct {
    PyObject *name;                         /* owned, or NULL */
    uint32_t number;
    int named;
} Name;

enum { RUNNING_TIME, READY_TIME, WAITING_TIME };

/* tape.c */
void put(Tape *tape, int64_t now, unsigned loop, int kind, int named, uint32_t who, uint32_t by, PyObject *text);
void drop_blocks(Tape *tape);

/* see.c */
extern PyTypeObject *TheHub, *TheJob, *TheFiber;      /* the core's, for checks; its own names are not to be had here */
void see(Observer *observer, Hub *hub, int event, Item *item);
Tally *tally_of(Tape *tape, Job *job, int64_t now);
PyObject *name_of(Job *job);
uint32_t running(Tape *tape, Hub *hub, int64_t now);
PyObject *word(uint32_t number);
int ready_seeing(void);

/* pulse.c */
int ready_pulse(PyObject *module);

/* read.c */
extern PyTypeObject TapeType;
int ready_reading(PyObject *module);
PyObject *label_all(Name *all, Py_ssize_t n);
#endif
