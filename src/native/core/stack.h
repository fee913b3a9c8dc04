/* The C stack: its floor, where greenlets are born, and the probe that says what lies on it (I1 to I3). */
#ifndef GLEENLET_STACK_H
#define GLEENLET_STACK_H
#include "core.h"

extern PyThreadState *collector;            /* who runs the cyclic garbage collector now, or NULL (stack.c) */

/* The probe (F5, F11, F12): what grows with each frame of C code that somebody points to. CPython counts callbacks into
 * Python: PyGILState_Ensure in gilstate_counter, and from 3.15 on PEP 788's PyThreadState_Ensure in ensure.counter. The
 * cyclic collector, which keeps the heads of its lists on the C stack, is told by gc.callbacks. */
static inline int callback_count(PyThreadState *state) {
#if PY_VERSION_HEX >= 0x030F0000
    int ensured = (int)state->ensure.counter;
#else
    int ensured = 0;
#endif
    return state->gilstate_counter + ensured + (collector == state);
}

/* F4. greenlet copies to the heap the part of the C stack that two greenlets share. A greenlet's stack begins where
 * it is first switched to, so a greenlet born here, deeper than any frame of the loop, shares none with the loop: no
 * switch ever moves a frame that GLib or GObject points to. Padding is one subtraction from the stack pointer and
 * touches no page (all is compiled without stack-clash probing). */
__attribute__((noinline, unused)) static PyObject *switch_at_floor(char *floor, PyGreenlet *greenlet, PyObject *args,
                                                           PyObject *kwargs) {
    char *frame = __builtin_frame_address(0);
    char *padding = __builtin_alloca(frame > floor ? frame - floor : 16);
    __asm__ volatile("" ::"r"(padding) : "memory");
    PyObject *result = PyGreenlet_Switch(greenlet, args, kwargs);
    __asm__ volatile("" ::"r"(padding) : "memory");
    return result;
}

char *find_floor(size_t reserve);
int fits(Hub *hub, PyGreenlet *greenlet, char *stack);
void hold(Hub *hub, Item *item);
int may_switch(Hub *hub, PyGreenlet *current);
int watch_collector(void);

#endif
