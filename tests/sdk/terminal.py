"""Runs a command on a new terminal: `terminal.py ANSWER COMMAND ARGUMENT…`.

Types ANSWER and a line feed at the first question, prints the output of the terminal, and exits with the status of the
command. A question contains `[y/N] `, or the text of the environment variable QUESTION. The answer `^C` is Ctrl-C. With
QUESTION, the output ends with `echo on` or `echo off`: the state of the terminal at the end. COLUMNS_OF_TERMINAL sets
the number of columns.
"""

import fcntl
import os
import pty
import struct
import sys
import termios
import time


def main():
    answer, command = sys.argv[1], sys.argv[2:]
    question = os.environ.pop("QUESTION", None)
    typed = b"\x03" if answer == "^C" else answer.encode() + b"\n"
    child, terminal = pty.fork()
    if child == 0:
        columns = int(os.environ.pop("COLUMNS_OF_TERMINAL", "0"))
        if columns:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        os.execv(command[0], command)
    shown = b""
    asked = False
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # the other side has closed the terminal
            break
        if not read:
            break
        shown += read
        if (question or "[y/N] ").encode() in shown and not asked:
            asked = True
            time.sleep(0.3)  # wait until the command reads its input
            os.write(terminal, typed)
    _, status = os.waitpid(child, 0)
    if question:
        echoes = termios.tcgetattr(terminal)[3] & termios.ECHO
        shown += b"echo on" if echoes else b"echo off"
    sys.stdout.buffer.write(shown)
    sys.stdout.flush()
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
