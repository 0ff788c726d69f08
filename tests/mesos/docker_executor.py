"""Five tasks of an executor in a Docker container: messages both ways, a kill, a restart of the agent.

    docker_executor.py HOST:PORT IMAGE GO NETWORK

The image has no Python: the node's is mounted. Once all run, it waits for the file GO."""

import os
import sys
import time

from executor_tasks import info, work
from framework import Framework, equal
from pymesos import decode_data, encode_data

IMAGE, GO, NETWORK = sys.argv[2:]
HERE = os.path.dirname(os.path.abspath(__file__))


def mounted(*places):
    """Read-only, where they are; what is below another is there with it."""
    lone = {p for p in places if not any(p.startswith(other + "/") for other in places)}
    return [{"host_path": p, "container_path": p, "mode": "RO"} for p in sorted(lone)]


worker = info("worker")
given = os.path.join(os.path.dirname(GO), "given")
with open(given, "w") as file:
    file.write("fetched\n")
line = worker["command"]["value"]
inside = '[ "$(cat /marker)" = "in the image" ] && [ "$(cat $MESOS_SANDBOX/given)" = fetched ] && '
worker["command"] = {"value": inside + line, "uris": [{"value": given}]}
worker["container"] = {
    "type": "DOCKER",
    "docker": {"image": IMAGE, "network": NETWORK},
    "volumes": mounted("/usr", "/lib", "/lib64", sys.base_prefix, sys.prefix, HERE)
    + [{"host_path": os.path.dirname(GO), "container_path": "/go", "mode": "RO"}],
}
framework = Framework("docker-executor", failover_timeout=600)
offer = framework.offer()
waits = ["w%d" % n for n in range(4)]
tasks = [work(name, b"wait /go/" + os.path.basename(GO).encode(), worker) for name in waits]
framework.launch(offer, *tasks, work("held", b"hold", worker))
for name in waits + ["held"]:
    framework.until(name, "TASK_RUNNING")
print("all run", flush=True)
while not os.path.exists(GO):
    time.sleep(0.05)
framework.driver.sendFrameworkMessage(worker["executor_id"], offer["agent_id"], encode_data(b"you"))
framework.wait("an answer", lambda: encode_data(b"heard you") in framework.messages)
for name in waits:
    update = framework.until(name, "TASK_FINISHED")
    equal(decode_data(update["data"])[::-1].startswith(b"wait "), True)
    equal(update["source"], "SOURCE_EXECUTOR")
framework.driver.killTask({"value": "held"})
framework.until("held", "TASK_KILLED")
equal(framework.failures, [])
framework.stop()
