"""Tasks in Docker containers, one with a file to fetch and a health check; the image is the test's own."""

import os
import sys

from framework import Framework, command, equal

framework = Framework("docker")
container = {"type": "DOCKER", "docker": {"image": sys.argv[2], "network": "NONE"}}


def health(line):
    return {
        "type": "COMMAND",
        "command": {"value": line},
        "delay_seconds": 0,
        "interval_seconds": 0.1,
        "grace_period_seconds": 0,
        "consecutive_failures": 2,
    }


line = '[ "$(cat /marker)" = "in the image" ] && [ "$FOO" = bar ]'
framework.launch(
    framework.offer(),
    command("inside", line, {"FOO": "bar"}, container=container),
    command("outside", "[ ! -e /marker ]"),
)
framework.until("inside", "TASK_FINISHED")
framework.until("outside", "TASK_FINISHED")

with open("given", "w") as file:
    file.write("fetched\n")
# The second look begins after the first was told.
look = "cd $MESOS_SANDBOX; if [ -e first ]; then touch second; else touch first; fi"
line = 'cd $MESOS_SANDBOX; while [ ! -e second ]; do sleep 0.1; done; [ "$(cat given)" = fetched ]'
checked = command("checked", line, container=container, health_check=health(look))
checked["command"]["uris"] = [{"value": os.path.abspath("given")}]
framework.launch(
    framework.offer(),
    checked,
    command("unwell", "exec sleep 1000", container=container, health_check=health("exit 1")),
)
# It ends while it is looked at: that look finds nothing.
line = "cd $MESOS_SANDBOX; until [ -e looks ]; do sleep 0.1; done"
look = dict(health("cd $MESOS_SANDBOX; touch looks; exec sleep 1000"), consecutive_failures=1)
framework.launch(
    framework.offer(), command("looked-at", line, container=container, health_check=look)
)
equal(framework.until("checked", "TASK_FINISHED")["healthy"], True)
assert "healthy" not in framework.until("looked-at", "TASK_FINISHED")
update = framework.until("unwell", "TASK_KILLED")
equal((update["healthy"], update["reason"]), (False, "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"))

lost = command("lost", "true", container=container)
lost["command"]["uris"] = [{"value": "/no/such/file"}]
framework.launch(framework.offer(), lost)
update = framework.until("lost", "TASK_FAILED")
equal(update["reason"], "REASON_CONTAINER_LAUNCH_FAILED")
assert "/no/such/file" in update["message"], update
framework.stop()
