#!/bin/sh
# Prints the requirement for the PyGObject that the GLib here can build: from 3.51 on it needs girepository 2.0.
if pkg-config --exists girepository-2.0; then
    echo 'PyGObject>=3.50'
else
    echo 'PyGObject>=3.50,<3.51'
fi
