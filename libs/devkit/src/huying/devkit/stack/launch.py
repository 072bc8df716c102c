"""Become another program that dies with its parent. Refuses to run when the parent is already gone.

Run by path with a bare interpreter: python -I -S launch.py PARENT_PID PROGRAM [ARGUMENT...]. It replaces itself by the
program, so process id and signals are the program's. A function between fork and exec would do the same, but Python
code there can deadlock in a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal the kernel sends when the parent (the thread that forked) is gone."""


def main(arguments: list[str]) -> None:
    """Set the death signal, check the parent, become the program."""
    parent, *program = arguments
    if sys.platform == "linux":
        # SIGKILL: a frozen program would not die of SIGTERM, and every program of the stack survives being killed.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != int(parent):
            sys.exit("the process that wanted this one is gone")
    os.execvp(program[0], program)  # noqa: S606 - that is what this module is for


if __name__ == "__main__":
    main(sys.argv[1:])
