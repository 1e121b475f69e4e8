"""Runs a command on a terminal of its own: `terminal.py ANSWER COMMAND ARGUMENT…`.

Types ANSWER and a line feed at the first question, prints what the terminal showed, and ends with the command's status.
"""

import os
import pty
import sys


def main():
    answer, command = sys.argv[1], sys.argv[2:]
    child, terminal = pty.fork()
    if child == 0:
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
        if b"[y/N] " in shown and not asked:
            asked = True
            os.write(terminal, answer.encode() + b"\n")
    _, status = os.waitpid(child, 0)
    sys.stdout.buffer.write(shown)
    sys.stdout.flush()
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
