"""A program of its own: test_no_memory.py runs it, with a module that it compiles."""

collect_ignore = ["no_memory.py"]
