"""Programs that tests start: no tests, and not to be imported."""

collect_ignore = ["stuck.py"]
