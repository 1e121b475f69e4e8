"""Runs a command on a new terminal: `terminal.py ANSWER COMMAND ARGUMENT…`.

Types ANSWER and a line feed at the first question, prints what the terminal showed, and ends with the command's status.
A question ends in `[y/N] `, or in what the variable QUESTION says. The answer `^C` is that key. With QUESTION the last
line says whether the terminal shows what is typed. The terminal has as many columns as COLUMNS_OF_TERMINAL says.
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
        except OSError:  # how Linux says that the other side has closed
            break
        if not read:
            break
        shown += read
        if (question or "[y/N] ").encode() in shown and not asked:
            asked = True
            time.sleep(0.3)  # whoever has asked begins to listen
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
