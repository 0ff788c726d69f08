"""Tasks that wait for a file, which the test makes after it has restarted the agent."""

import sys

from executor_tasks import info, work
from framework import Framework, command, equal
from pymesos import decode_data

go = sys.argv[2]
framework = Framework("agent restart", checkpoint=True)
worker = info("worker")
wait = "until [ -e %s ]; do sleep 0.1; done" % go
commands, works = ["c0", "c1"], ["e0", "e1", "e2"]
tasks = [command(name, wait, cpus=0.05) for name in commands]
tasks += [work(name, b"wait " + go.encode(), worker) for name in works]
framework.launch(framework.offer(), *tasks)
for name in commands + works:
    framework.until(name, "TASK_RUNNING")
print("all run", flush=True)
for name in commands + works:
    update = framework.until(name, "TASK_FINISHED")
    if name in works:
        equal(decode_data(update["data"]), (b"wait " + go.encode())[::-1])
equal(framework.failures, [])

# And the executor still takes work.
framework.launch(framework.offer(), work("later", b"ab", worker))
equal(decode_data(framework.until("later", "TASK_FINISHED")["data"]), b"ba")
framework.stop()
