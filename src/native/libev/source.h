/* The GSources that resume the hub: source.c makes them, dispatch.c is what GLib calls of them. */
#ifndef GLEENLET_GUEST_SOURCE_H
#define GLEENLET_GUEST_SOURCE_H
#include "guest.h"

#include "../glib.h"

struct Source {
    SOURCE_HEAD
    Guest *guest;
};

Source *add_source(const SourceFuncs *funcs, int priority, Guest *guest);

#endif
