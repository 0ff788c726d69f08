"""An operator drains an agent: its tasks are ended in time and told why, nothing is offered until it is
reactivated, and then offers come again."""

import time

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
framework.launch(offer, *tasks)
for name in ("sleeps", "deaf"):
    framework.until(name, "TASK_RUNNING")

equal(call("REACTIVATE_AGENT", agent_id=agent_id)[0], 400)
grace = {"seconds": 1}
equal(call("DRAIN_AGENT", agent_id=agent_id, max_grace_period=grace)[0], 200)
for name in ("sleeps", "deaf"):
    ended = framework.until(name, "TASK_KILLED")
    equal(ended["reason"], "REASON_AGENT_DRAINING")


def drained():
    told = agent()
    equal((told["active"], told["deactivated"]), (False, True))
    return told["drain_info"]["state"] == "DRAINED"


framework.wait("it is drained", drained)
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
equal(call("MARK_AGENT_GONE", agent_id=agent_id)[0], 200)
framework.stop()
