/* What a Tape is: a queue of blocks of events. A new block is one that is too old to be kept, if there is one, else one more; where
 * that would be too much memory, the oldest. */
#include "recorder.h"

static void empty(Block *block) {
    for (int i = 0; i < block->n; i++)
        Py_XDECREF(block->records[i].text);
    block->n = 0;
}

static Block *take_oldest(Tape *tape) {
    Block *block = tape->oldest;
    tape->oldest = block->next;
    tape->n_blocks--;
    empty(block);
    return block;
}

__attribute__((noinline)) static Block *next_block(Tape *tape, int64_t now) {
    Block *block = NULL;
    while (tape->oldest != tape->newest && tape->oldest->last < now - tape->keep) { /* one to use, the others are given back */
        PyMem_RawFree(block);
        block = take_oldest(tape);
    }
    if (!block && tape->n_blocks >= tape->max_blocks && tape->oldest != tape->newest)
        block = take_oldest(tape);
    if (!block && !(block = PyMem_RawMalloc(sizeof *block))) {
        if (!tape->newest || tape->oldest == tape->newest)
            return NULL;
        block = take_oldest(tape);
    }
    block->next = NULL;
    block->begin = block->last = now;
    block->first = tape->count;
    block->n = 0;
    if (tape->newest)
        tape->newest->next = block;
    else
        tape->oldest = block;
    tape->n_blocks++;
    return tape->newest = block;
}

void put(Tape *tape, int64_t now, unsigned loop, int kind, int named, uint32_t who, uint32_t by, PyObject *text) {
    Block *block = tape->newest;
    if (!block || block->n == BLOCK_EVENTS || now - block->begin >= BLOCK_NS)
        block = next_block(tape, now);
    tape->count++; /* also if it is lost, which shows as a gap */
    if (!block)
        return;
    block->last = now;
    block->records[block->n++] = (Record){(uint64_t)(now - block->begin), kind, named, loop, who, by, Py_XNewRef(text)};
}

void drop_blocks(Tape *tape) {
    while (tape->oldest) {
        Block *block = tape->oldest;
        tape->oldest = block->next;
        empty(block);
        PyMem_RawFree(block);
    }
}
