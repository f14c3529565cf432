"""The course: labs, tasks, checks, hints and progress."""
