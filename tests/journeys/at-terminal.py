"""Runs a command at a terminal of its own and answers what it asks: `at-terminal.py ANSWERS COMMAND…`.

ANSWERS is a file with one line an answer, `prompt<TAB>answer`: the first line whose prompt is contained in what the
command asks is given and used up. The answer `END8 NAME` is the last eight characters of the word after NAME in what
was shown before. What the command showed is printed. Exits as the command does, or 99 where a prompt has no answer.
"""

import os
import pty
import re
import select
import sys

answers = [line.rstrip("\n").split("\t") for line in open(sys.argv[1], encoding="utf-8")]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])

shown, since, lost = "", "", False
while True:
    ready, _, _ = select.select([terminal], [], [], 60)
    try:
        data = os.read(terminal, 65536) if ready else b""
    except OSError:
        data = b""
    if not data:
        break
    text = data.decode("utf-8", "replace")
    shown, since = shown + text, since + text
    prompt = since.rsplit("\n", 1)[-1]
    if not prompt.endswith(": "):
        continue
    found = next((answer for answer in answers if answer[0] in prompt), None)
    if found is None:
        lost = True
        os.write(terminal, b"\x04")
        continue
    answers.remove(found)
    given = found[1]
    if given.startswith("END8 "):
        values = re.findall(re.escape(given[5:]) + r": +([0-9a-f ]{64,79})", shown)
        given = values[-1].replace(" ", "")[-8:]
    since = ""
    os.write(terminal, given.encode() + b"\n")

print(shown.replace("\r", ""))
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(99 if lost else status)
