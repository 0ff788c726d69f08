"""An operator drains an agent: its tasks are ended in time and told why, nothing is offered until it is
reactivated, and then offers come again."""

import time

from executor_tasks import info, work
from framework import Framework, command, equal
from operators import call


def agent():
    return call("GET_AGENTS")[1]["agents"][0]


framework = Framework("drained")
offer = framework.offer()
agent_id = offer["agent_id"]
deaf = "trap '' TERM; while :; do sleep 0.1; done"
patient = {"grace_period": {"nanoseconds": 600 * 10**9}}
tasks = [command("sleeps", "sleep 1000"), command("deaf", deaf, kill_policy=patient)]
tasks.append(work("held", b"hold", info("worker")))
NAMES = ("sleeps", "deaf", "held")
framework.launch(offer, *tasks)
for name in NAMES:
    framework.until(name, "TASK_RUNNING")

equal(call("REACTIVATE_AGENT", agent_id=agent_id)[0], 400)
grace = {"seconds": 1}
equal(call("DRAIN_AGENT", agent_id=agent_id, max_grace_period=grace)[0], 200)
for name in NAMES:
    ended = framework.until(name, "TASK_KILLED")
    equal(ended["reason"], "REASON_AGENT_DRAINING")


def drained():
    told = agent()
    equal((told["active"], told["deactivated"]), (False, True))
    return told["drain_info"]["state"] == "DRAINED"


framework.wait("it is drained", drained)
# Its executor has ended after it.
equal([name for name, _ in framework.failures], ["worker"])
framework.driver.reviveOffers()
time.sleep(1)
equal(framework.offers, {})
equal(call("REACTIVATE_AGENT", agent_id=agent_id)[0], 200)
offer = framework.offer()
equal(offer["agent_id"], agent_id)
framework.launch(offer, command("again", "true"))
framework.until("again", "TASK_FINISHED")

equal(call("DEACTIVATE_AGENT", agent_id=agent_id)[0], 200)
equal(agent()["deactivated"], True)
equal(call("MARK_AGENT_GONE", agent_id={"value": "A1-999"})[0], 404)
equal(call("REACTIVATE_AGENT", agent_id=agent_id)[0], 200)
framework.driver.suppressOffers()

aware = Framework("aware", capabilities=[{"type": "PARTITION_AWARE"}])
aware.launch(aware.offer(), command("drained", "sleep 1000"), command("lost", deaf))
for name in ("drained", "lost"):
    aware.until(name, "TASK_RUNNING")
minute = {"seconds": 60}
drain = {"agent_id": agent_id, "max_grace_period": minute, "mark_gone": True}
equal(call("DRAIN_AGENT", **drain)[0], 200)
gone = aware.until("drained", "TASK_GONE_BY_OPERATOR")
equal(gone["reason"], "REASON_AGENT_DRAINING")
equal(call("MARK_AGENT_GONE", agent_id=agent_id)[0], 200)
lost = aware.until("lost", "TASK_GONE_BY_OPERATOR")
equal(lost["reason"], "REASON_AGENT_REMOVED_BY_OPERATOR")
aware.wait("it hears that the agent is gone", lambda: aware.failures)
equal(call("GET_AGENTS")[1].get("agents", []), [])
aware.stop()
framework.stop()
