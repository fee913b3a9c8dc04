/* The strings that the core calls methods by, and says what is waited for; interned when the module is loaded. */
#ifndef GLEENLET_WORDS_H
#define GLEENLET_WORDS_H
#include <Python.h>

#define WORDS(X)                                                                                                      \
    X(str_block, "_block")                                                                                            \
    X(str_call, "__call__")                                                                                           \
    X(str_complain, "_complain")                                                                                      \
    X(str_ended, "_ended")                                                                                            \
    X(str_finished, "_finished")                                                                                      \
    X(str_func, "func")                                                                                               \
    X(str_hubs, "gleenlet.hubs")                                                                                      \
    X(str_name, "__name__")                                                                                           \
    X(str_report, "report_failure")                                                                                   \
    X(str_safe_point, "_safe_point")                                                                                  \
    X(str_stack_saved, "_stack_saved")                                                                                \
    X(verb_event, "Event.wait")                                                                                       \
    X(verb_get, "Queue.get")                                                                                          \
    X(verb_join, "Queue.join")                                                                                        \
    X(verb_lock, "Lock.acquire")                                                                                      \
    X(verb_put, "Queue.put")                                                                                          \
    X(verb_read, "readable")                                                                                          \
    X(verb_sleep, "timer")                                                                                            \
    X(verb_write, "writable")

#define WORD(name, text) extern PyObject *name;
WORDS(WORD)
#undef WORD

#endif
