"""What is told of tasks beside how they are: where they run, what their framework says of them, and what
is remembered of them.

    facts.py HOST:PORT GO

Once all run, it waits for the file GO: the allocator is started again meanwhile."""

import os
import sys
import time

from framework import LONG_S, Framework, command, equal
from groups import executor, launch_group, old, small

LABELS = [{"key": "tier", "value": "web"}]
PORTS = {"ports": [{"number": 80, "name": "http", "protocol": "tcp"}]}
DISCOVERY = {"visibility": "CLUSTER", "name": "shop", "ports": PORTS}


def get(framework, path):
    return old(framework, sys.argv[1], path)


def described(task):
    equal((task["name"], task["labels"], task["discovery"]), ("the shop", LABELS, DISCOVERY))


def by_id(tasks):
    return {task["id"]: task for task in tasks}


def is_told_where(framework):
    [agent] = get(framework, "/slaves")["slaves"]
    host = agent["pid"].split("@")[1]
    [own] = old(framework, host, "/state")["frameworks"]
    containers = {shown["id"]: shown["container"] for shown in own["executors"]}
    address = [host.split(":")[0]]
    equal(framework.place("shop"), (containers["shop"], None, "shop", address))
    places = [framework.place(name) for name in ["g0", "g1"]]
    equal([place[1:] for place in places], [(containers["grouped"], "grouped", address)] * 2)
    assert places[0][0] != places[1][0], places
    # Operators are told the same.
    [own] = get(framework, "/state")["frameworks"]
    for name, task in by_id(own["tasks"]).items():
        [status] = task["statuses"]
        equal(status["container_status"],
              framework.until(name, "TASK_RUNNING")["container_status"])


def is_described(framework):
    [own] = get(framework, "/state")["frameworks"]
    described(by_id(own["tasks"])["shop"])
    [listed] = get(framework, "/tasks?task_id=shop")["tasks"]
    described(listed)


def changes_its_mind(framework):
    """A task of which one state is told again and again."""
    look = "if [ -e seen ]; then rm seen; exit 1; else touch seen; fi"
    check = {"type": "COMMAND", "command": {"command": {"value": look}},
             "delay_seconds": 0, "interval_seconds": 0.1}
    framework.launch(framework.offer(), command("steady", "sleep 1000", check=check))

    def runs():
        return [u for u in framework.updates
                if u["task_id"]["value"] == "steady" and u["state"] == "TASK_RUNNING"]

    framework.wait("news", lambda: len(runs()) > 3)
    for name in ["steady", "shop"]:
        framework.driver.killTask({"value": name})
        framework.until(name, "TASK_KILLED")


def is_remembered(framework):
    deadline = time.monotonic() + LONG_S
    over = []
    while not over and time.monotonic() < deadline:
        over = get(framework, "/state")["completed_frameworks"]
    [own] = over
    equal((own["id"], own["name"], own["active"]), (framework.id, "facts", False))
    tasks = by_id(own["completed_tasks"])
    described(tasks["shop"])
    equal(tasks["shop"]["state"], "TASK_KILLED")
    equal([s["state"] for s in tasks["steady"]["statuses"]], ["TASK_RUNNING", "TASK_KILLED"])


framework = Framework("facts", failover_timeout=600)
shop = command("shop", "sleep 1000", labels={"labels": LABELS}, discovery=DISCOVERY)
shop["name"] = "the shop"
framework.launch(framework.offer(), shop)
launch_group(framework, executor(framework, "grouped"),
             small("g0", "sleep 1000"), small("g1", "sleep 1000"))
for name in ["shop", "g0", "g1"]:
    framework.until(name, "TASK_RUNNING")
is_told_where(framework)
is_described(framework)
print("all run", flush=True)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
is_described(framework)
framework.wait("it is back", lambda: "reregistered" in framework.registrations)
changes_its_mind(framework)
framework.stop()
is_remembered(framework)
