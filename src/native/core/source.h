/* The GSource of a lane: source.c makes it, dispatch.c is what GLib calls of it. */
#ifndef GLEENLET_SOURCE_H
#define GLEENLET_SOURCE_H
#include "core.h"

#include "../glib.h"

struct Source {
    SOURCE_HEAD
    Lane lane;
};

int load_glib(const SourceFuncs *funcs);

#endif
