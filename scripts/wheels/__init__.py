"""`make dist`: the source distribution, and wheels for each Python, machine and C library."""
