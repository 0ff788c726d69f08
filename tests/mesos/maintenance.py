"""Maintenance of an agent's machine: who holds something there is asked by an inverse offer, its answer
can be read, offers say when the machine is unavailable; and when all is called off, they do not."""

from framework import Framework, command, equal
from operators import call

START = {"nanoseconds": 2_000_000_000 * 10**9}
WHEN = {"start": START, "duration": {"nanoseconds": 3600 * 10**9}}


class Asked(Framework):
    def __init__(self, *arguments, **more):
        self.inverse = []
        self.taken_back = []
        super().__init__(*arguments, **more)

    def inverseOffers(self, driver, offers):
        self._note(lambda: self.inverse.extend(offers))

    def inverseOfferRescinded(self, driver, offer_id):
        self._note(lambda: self.taken_back.append(offer_id["value"]))

    def asked(self):
        return self.wait("an inverse offer", lambda: self.inverse and self.inverse.pop(0))


def schedule(windows):
    return call("UPDATE_MAINTENANCE_SCHEDULE", schedule={"windows": windows})[0]


def statuses():
    return call("GET_MAINTENANCE_STATUS")[1]["status"]["draining_machines"][0].get("statuses", [])


framework = Asked("asked")
offer = framework.offer()
hostname = offer["hostname"]
machine = {"hostname": hostname}
framework.launch(offer, command("stays", "sleep 1000"))
framework.until("stays", "TASK_RUNNING")

equal(schedule([{"machine_ids": [], "unavailability": WHEN}]), 400)
equal(call("START_MAINTENANCE", machines=[machine])[0], 400)
equal(schedule([{"machine_ids": [machine], "unavailability": WHEN}]), 200)
first = framework.asked()
equal((first["agent_id"], first["unavailability"]), (offer["agent_id"], WHEN))
equal(statuses(), [])
framework.driver.declineInverseOffer(first["id"], {"refuse_seconds": 0})
second = framework.asked()
equal([one["status"] for one in statuses()], ["DECLINE"])
framework.driver.acceptInverseOffers(second["id"], {"refuse_seconds": 3600})
framework.wait("it has accepted", lambda: [one["status"] for one in statuses()] == ["ACCEPT"])
there = framework.offer(lambda offer: "unavailability" in offer)
equal(there["unavailability"], WHEN)
framework.decline(there, 0)
code, told = call("GET_MAINTENANCE_SCHEDULE")
equal(told["schedule"]["windows"], [{"machine_ids": [machine], "unavailability": WHEN}])

equal(schedule([]), 200)
framework.offer(lambda offer: "unavailability" not in offer)
equal(framework.errors, [])
framework.driver.killTask({"value": "stays"})
framework.until("stays", "TASK_KILLED")
framework.stop()
