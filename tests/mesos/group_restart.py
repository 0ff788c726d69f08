"""Groups over a restart of the agent: one runs on and is added to, of another a task fails meanwhile."""

import sys

from framework import Framework, equal
from groups import executor, failure, launch_group, small

go = sys.argv[2]
framework = Framework("group restart")
wait = "until [ -e %s ]; do sleep 0.1; done"
stays, breaks = executor(framework, "stays"), executor(framework, "breaks")
launch_group(framework, stays, *[small(name, "echo in $MESOS_EXECUTOR_ID; " + wait % go) for name in ["s0", "s1", "s2"]])
launch_group(framework, breaks,
             small("bad", wait % (go + ".down") + "; exit 1"), small("good", "sleep 1000"))
for name in ["s0", "s1", "s2", "bad", "good"]:
    framework.until(name, "TASK_RUNNING")
print("all run", flush=True)

framework.until("bad", "TASK_FAILED")
framework.until("good", "TASK_KILLED")
equal(failure(framework, "breaks"), 0)
launch_group(framework, stays, small("later", "true"))
framework.until("later", "TASK_FINISHED")
equal([framework.state(name) for name in ["s0", "s1", "s2"]], ["TASK_RUNNING"] * 3)
print("done with one", flush=True)
for name in ["s0", "s1", "s2"]:
    framework.until(name, "TASK_FINISHED")
equal(failure(framework, "stays"), 0)
framework.stop()
