"""Task groups with Mesos' default executor: all of a group run, or none, and they end together."""

import http.client
import json
import os
import sys

import executor_tasks
from framework import Framework, amount, command, equal, scalar
from pymesos import decode_data


def executor(framework, name, **more):
    resources = [scalar("cpus", 0.1), scalar("mem", 32), scalar("disk", 8)]
    info = dict(type="DEFAULT", executor_id={"value": name}, resources=resources)
    return dict(info, framework_id={"value": framework.id}, **more)


def launch_group(framework, executor, *tasks):
    # Tasks leave what they had one by one, and so it is offered.
    offers = [framework.offer()]
    while sum(amount(offer, "cpus") for offer in offers) < 1:
        offers.append(framework.offer())
    for task in tasks:
        task.setdefault("agent_id", offers[0]["agent_id"])
    group = {"executor": executor, "task_group": {"tasks": list(tasks)}}
    operation = {"type": "LAUNCH_GROUP", "launch_group": group}
    framework.driver.acceptOffers(
        [offer["id"] for offer in offers], [operation], {"refuse_seconds": 0})


def failure(framework, name):
    """The wait status with which an executor ended."""
    found = framework.wait(
        "%s ends" % name, lambda: [f for f in framework.failures if f[0] == name])
    return found[0][1]


def small(name, line, **more):
    return command(name, line, **dict(dict(cpus=0.05), **more))


def operator(framework, kind):
    """What the operator API answers to a call."""
    connection = http.client.HTTPConnection(sys.argv[1], timeout=30)
    connection.request("POST", "/api/v1", json.dumps({"type": kind}),
                       {"Content-Type": "application/json", "Accept": "application/json"})
    return json.loads(connection.getresponse().read())[kind.lower()]


def old(framework, address, path):
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", path)
    return json.loads(connection.getresponse().read())


def is_shown(framework):
    """While the first group runs: the executor and its tasks, at the allocator and at the agent."""
    [shown] = operator(framework, "GET_EXECUTORS")["executors"]
    equal((shown["executor_info"]["type"], shown["executor_info"]["executor_id"]["value"]),
          ("DEFAULT", "three"))
    tasks = {t["task_id"]["value"]: t for t in operator(framework, "GET_TASKS")["tasks"]}
    equal(tasks["t1"]["executor_id"]["value"], "three")
    [own] = old(framework, sys.argv[1], "/state")["frameworks"]
    equal([(e["executor_id"], e["type"]) for e in own["executors"]], [("three", "DEFAULT")])
    [agent] = old(framework, sys.argv[1], "/slaves")["slaves"]
    host = agent["pid"].split("@")[1]
    [own] = old(framework, host, "/state")["frameworks"]
    [shown] = own["executors"]
    equal((shown["id"], shown["type"]), ("three", "DEFAULT"))
    assert {"t1", "t2"} <= {t["id"] for t in shown["tasks"]}, shown
    [counted] = old(framework, host, "/containers")
    equal(counted["container_id"], shown["container"])
    path = "/files/browse?path=/frameworks/%s/executors/three/runs/latest/tasks/t1" % framework.id
    assert any(f["path"].endswith("/here") for f in old(framework, host, path))
    # Each task says in which container it runs, and in which that is.
    ids = [framework.until(n, "TASK_RUNNING")["container_status"]["container_id"]
           for n in ["t1", "t2"]]
    equal([i["parent"]["value"] for i in ids], [shown["container"]] * 2)
    assert ids[0]["value"] != ids[1]["value"]
    equal(framework.until("t1", "TASK_RUNNING")["executor_id"], {"value": "three"})


def runs_and_finishes(framework):
    # They see each other's files by the names that Mesos gives them, and the executor's ids.
    sees = " && ".join([
        '[ "$PWD" = "$MESOS_SANDBOX" ]',
        '[ "$MESOS_EXECUTOR_ID" = three ]',
        '[ -n "$MESOS_CONTAINER_IP" ]',
        '[ "$MESOS_ALLOCATION_ROLE" = "*" ]',
        "until [ -e ../../tasks/t1/here ]; do sleep 0.1; done",
    ])
    go = os.path.abspath("groups-go")
    wait = "until [ -e %s ]; do sleep 0.1; done" % go
    tasks = [small("t0", sees), small("t1", "touch here; " + wait), small("t2", wait)]
    launch_group(framework, executor(framework, "three"), *tasks)
    for name in ["t0", "t1", "t2"]:
        framework.until(name, "TASK_RUNNING")
    framework.until("t0", "TASK_FINISHED")
    is_shown(framework)
    open(go, "w").close()
    for name in ["t1", "t2"]:
        framework.until(name, "TASK_FINISHED")
    equal(failure(framework, "three"), 0)


def ends_together(framework):
    info = executor(framework, "pair")
    launch_group(framework, info, small("bad", "sleep 1; exit 3"), small("good", "sleep 1000"))
    # Another group on the executor that runs: it stays when the first ends.
    launch_group(framework, info, small("other", "sleep 1000"), small("other2", "sleep 1000"))
    for name in ["good", "other", "other2"]:
        framework.until(name, "TASK_RUNNING")
    framework.until("bad", "TASK_FAILED")
    framework.until("good", "TASK_KILLED")
    equal([framework.state(name) for name in ["other", "other2"]], ["TASK_RUNNING"] * 2)
    equal([f for f in framework.failures if f[0] == "pair"], [])
    framework.driver.killTask({"value": "other2"})
    framework.until("other2", "TASK_KILLED")
    framework.until("other", "TASK_KILLED")
    equal(failure(framework, "pair"), 0)


def shared(name, path):
    source = {"type": "SANDBOX_PATH", "sandbox_path": {"type": "PARENT", "path": name}}
    return {"mode": "RW", "container_path": path, "source": source}


def shares_a_directory(framework):
    """By other names, in the executor's sandbox."""
    writes = {"type": "MESOS", "volumes": [shared("common", "out/here")]}
    reads = {"type": "MESOS", "volumes": [shared("common", "in")]}
    info = executor(framework, "sharing")
    launch_group(framework, info,
                 small("writes", "echo shared > out/here/file; sleep 1", container=writes),
                 small("reads", "until grep shared in/file; do sleep 0.1; done", container=reads))
    framework.until("reads", "TASK_FINISHED")
    framework.until("writes", "TASK_FINISHED")


def of_its_own_executor(framework):
    """An executor of the framework's own is told of all of a group at once."""
    info = executor_tasks.info("custom")
    info.update(type="CUSTOM", framework_id={"value": framework.id})
    info["resources"].append(scalar("disk", 8))
    tasks = [executor_tasks.work("x%d" % n, b"ab", info) for n in range(3)]
    for given in tasks[:2]:
        given.pop("executor")
    launch_group(framework, info, *tasks)
    for n in range(3):
        equal(decode_data(framework.until("x%d" % n, "TASK_FINISHED")["data"]), b"ba")
    framework.wait("it says so", lambda: framework.messages)
    equal([decode_data(m) for m in framework.messages], [b"together: x0 x1 x2"])


def limits_of_their_own(framework):
    """Each is held to its own limits where they are not shared."""
    own = {"type": "MESOS", "linux_info": {"share_cgroups": False}}
    hog = "head -c 96M /dev/zero | tail -c 96M > /dev/null"
    limits = {"mem": {"value": 48}}
    launch_group(framework, executor(framework, "apart"),
                 small("hog", hog, container=own, limits=limits),
                 small("beside", "sleep 1000", mem=256, container=own))
    update = framework.until("hog", "TASK_FAILED")
    equal(update["reason"], "REASON_CONTAINER_LIMITATION_MEMORY")
    framework.until("beside", "TASK_KILLED")
    # Where they are, all may use what one of them leaves.
    hog += "; sleep 1"
    launch_group(framework, executor(framework, "together"),
                 small("hog2", hog), small("beside2", "sleep 1", mem=256))
    framework.until("hog2", "TASK_FINISHED")


def unwell_and_overdue(framework):
    """Checks and time limits are of each task; what comes of them is of all."""
    check = {"type": "COMMAND", "command": {"value": "false"}, "delay_seconds": 0,
             "interval_seconds": 0.1, "grace_period_seconds": 0, "consecutive_failures": 2}
    launch_group(framework, executor(framework, "checked"),
                 small("unwell", "sleep 1000", health_check=check), small("well", "sleep 1000"))
    equal(framework.until("unwell", "TASK_KILLED")["healthy"], False)
    framework.until("well", "TASK_KILLED")
    longest = {"nanoseconds": 200 * 1000 * 1000}
    launch_group(framework, executor(framework, "timed"),
                 small("slow", "sleep 1000", max_completion_time=longest),
                 small("quick", "sleep 1000"))
    update = framework.until("slow", "TASK_FAILED")
    equal(update["reason"], "REASON_MAX_COMPLETION_TIME_REACHED")
    framework.until("quick", "TASK_KILLED")


def is_shut_down(framework):
    """With its executor, each task within its own grace."""
    stubborn = "trap '' TERM; echo ready > ready; while true; do sleep 0.1; done"
    policy = {"grace_period": {"nanoseconds": 300 * 1000 * 1000}}
    launch_group(framework, executor(framework, "ended"),
                 small("stubborn", stubborn, kill_policy=policy),
                 small("watch", "until [ -e ../../tasks/stubborn/ready ]; do sleep 0.1; done"))
    launch_group(framework, executor(framework, "ended"), small("mild", "sleep 1000"))
    framework.until("watch", "TASK_FINISHED")
    agent = framework.until("mild", "TASK_RUNNING")["agent_id"]
    shutdown = {"executor_id": {"value": "ended"}, "agent_id": agent}
    framework.driver._send(
        {"type": "SHUTDOWN", "framework_id": {"value": framework.id}, "shutdown": shutdown})
    framework.until("mild", "TASK_KILLED")
    assert "forced" in framework.until("stubborn", "TASK_KILLED")["message"]
    equal(failure(framework, "ended"), 0)


def refused(framework):
    """One task that is wrong, and none is launched."""
    info = executor(framework, "wrong")
    twice = [small("w", "true"), small("w", "true")]
    limits = {"mem": {"value": 64}}
    for tasks, words, info in [
        ([small("w0", "true"), small("w1", "")], "nothing to run", info),
        (twice, "two of this id", info),
        ([small("w0", "true"), small("w1", "true", cpus=4000)], "the offers have", info),
        ([small("w0", "true"), small("w1", "true", agent_id={"value": "A9-9"})], "agent", info),
        ([small("w0", "true", limits=limits)], "share_cgroups", info),
        ([small("w0", "true", container={"type": "DOCKER", "docker": {"image": "i"}})],
         "Docker", info),
        ([small("w0", "true")], "framework_id", dict(info, framework_id=None)),
        ([small("w0", "true")], "FrameworkID", dict(info, framework_id={"value": "F9-9"})),
        ([small("w0", "true")], "type", dict(info, type=None)),
        ([small("w0", "true")], "command", dict(info, command={"value": "true"})),
        ([small("w0", "true")], "32 MB", dict(info, resources=info["resources"][:1])),
    ]:
        framework.updates.clear()
        launch_group(framework, info, *tasks)
        told = framework.wait(
            "all are refused", lambda: len(framework.updates) == len(tasks) and framework.updates)
        for update in told:
            equal(update["state"], "TASK_ERROR")
            equal(update["reason"], "REASON_TASK_GROUP_INVALID")
            equal(update["source"], "SOURCE_MASTER")
            assert words in update["message"], update
    framework.updates.clear()


def main():
    framework = Framework("groups")
    refused(framework)
    runs_and_finishes(framework)
    ends_together(framework)
    shares_a_directory(framework)
    limits_of_their_own(framework)
    of_its_own_executor(framework)
    unwell_and_overdue(framework)
    is_shut_down(framework)
    framework.stop()


if __name__ == "__main__":
    main()
