"""Signals as a command finds them in a terminal, however the tests themselves were started."""

# What runs in the background of a shell, or under nohup, is born with some of them ignored.
FOREGROUND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("SIGHUP", "SIGTERM"):
    signal.signal(getattr(signal, name), signal.SIG_DFL)
"""
