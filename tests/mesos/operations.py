"""Operations with an id: how they ended is told until it is acknowledged, errors too; and reconciled."""

from framework import Framework, equal, scalar
from operators import call

ROLE = "web"


class Told(Framework):
    def __init__(self, *arguments, **more):
        self.operations = []
        super().__init__(*arguments, **more)

    def operationStatusUpdate(self, driver, status):
        self._note(lambda: self.operations.append(status))

    def told(self):
        return self.wait("an operation's update", lambda: self.operations and self.operations.pop(0))


def reserve(name, cpus):
    reservation = {"type": "DYNAMIC", "role": ROLE}
    part = dict(scalar("cpus", cpus), reservations=[reservation], allocation_info={"role": ROLE})
    return {"type": "RESERVE", "id": {"value": name}, "reserve": {"resources": [part]}}


def waiting():
    return [one["info"]["id"]["value"] for one in call("GET_OPERATIONS")[1].get("operations", [])]


kinds = [{"type": kind} for kind in ("MULTI_ROLE", "RESERVATION_REFINEMENT")]
framework = Told("operations", roles=[ROLE], capabilities=kinds)
# A driver that acknowledges by itself, later.
framework.driver.implicit_acknowledgements = False
offer = framework.offer()
framework.driver.acceptOffers(offer["id"], [reserve("one", 0.1)], {"refuse_seconds": 0})
done = framework.told()
equal((done["operation_id"]["value"], done["state"]), ("one", "OPERATION_FINISHED"))
equal(done["agent_id"], offer["agent_id"])
equal(waiting(), ["one"])
again = framework.told()
equal(again["uuid"], done["uuid"])
framework.driver.acknowledgeOperationStatusUpdate(done)
framework.wait("it is acknowledged", lambda: waiting() == [])

offer = framework.offer()
reserved = [r for r in offer["resources"] if r.get("reservations")]
equal([r["scalar"]["value"] for r in reserved], [0.1])
framework.driver.acceptOffers(offer["id"], [reserve("two", 1000)], {"refuse_seconds": 0})
failed = framework.told()
equal((failed["operation_id"]["value"], failed["state"]), ("two", "OPERATION_ERROR"))
assert "uuid" not in failed and failed["message"], failed
framework.driver.reconcileOperations([{"operation_id": {"value": "three"}}])
unknown = framework.told()
equal((unknown["operation_id"]["value"], unknown["state"]), ("three", "OPERATION_UNKNOWN"))
equal(framework.errors, [])
framework.stop()
