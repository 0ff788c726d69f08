"""A second scheduler takes the framework over by its id; the first is told so, and the task goes on."""

import os
import sys

from framework import Framework, command, equal

go = sys.argv[2]
first = Framework("failover", failover_timeout=3600.0)
first.launch(first.offer(), command("t", "until [ -e %s ]; do sleep 0.1; done; exit 3" % go))
first.until("t", "TASK_RUNNING")
# The driver acknowledges what it has told us of: an answer that comes after it says that it has.
first.driver.reconcileTasks([{"task_id": {"value": "t"}}])
first.wait("an answer", lambda: [u for u in first.updates if "uuid" not in u])

second = Framework("failover", first.id, failover_timeout=3600.0)
equal(second.registrations, ["reregistered"])
equal(second.id, first.id)
first.wait("an error", lambda: first.errors)
equal(first.errors, ["Framework failed over"])

open(go, "w").close()
second.until("t", "TASK_FAILED")
equal([u for u in first.updates if u["state"] == "TASK_FAILED"], [])
second.stop()
