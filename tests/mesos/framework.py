"""A pymesos scheduler that remembers what it is told, so that a check reads from top to bottom."""

import sys
import threading
import time

from pymesos import MesosSchedulerDriver, Scheduler

# Far beyond what anything here takes, also on a busy machine.
LONG_S = 50
ENDS = {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST"}


class Framework(Scheduler):
    def __init__(self, name, framework_id=None, **info):
        self.changed = threading.Condition()
        self.id = None
        self.master = None
        self.registrations = []
        self.offers = {}
        self.updates = []
        self.messages = []
        self.failures = []
        self.errors = []
        info = dict(dict(user="root", name=name, hostname="localhost"), **info)
        if framework_id:
            info["id"] = {"value": framework_id}
            self.id = framework_id
        self.driver = MesosSchedulerDriver(self, info, sys.argv[1])
        self.driver.start()
        self.wait("registered", lambda: self.registrations)

    # What the driver says, on its own thread.

    def _note(self, change):
        with self.changed:
            change()
            self.changed.notify_all()

    def registered(self, driver, framework_id, master):
        self.id, self.master = framework_id["value"], master
        self._note(lambda: self.registrations.append("registered"))

    def reregistered(self, driver, master):
        self.master = master

        def change():
            # Those of the session before do not stand any more.
            self.offers.clear()
            self.registrations.append("reregistered")

        self._note(change)

    def resourceOffers(self, driver, offers):
        self._note(lambda: self.offers.update((o["id"]["value"], o) for o in offers))

    def offerRescinded(self, driver, offer_id):
        self._note(lambda: self.offers.pop(offer_id["value"], None))

    def statusUpdate(self, driver, status):
        self._note(lambda: self.updates.append(status))

    def frameworkMessage(self, driver, executor_id, agent_id, message):
        self._note(lambda: self.messages.append(message))

    def executorLost(self, driver, executor_id, agent_id, status):
        self._note(lambda: self.failures.append((executor_id["value"], status)))

    def slaveLost(self, driver, agent_id):
        self._note(lambda: self.failures.append((agent_id["value"], None)))

    def error(self, driver, message):
        self._note(lambda: self.errors.append(message))
        # Else the driver subscribes again, and takes the framework back.
        driver.stop(failover=True)

    # What a check asks for.

    def wait(self, what, look):
        """What `look` finds, as soon as it finds something."""
        deadline = time.monotonic() + LONG_S
        with self.changed:
            while True:
                found = look()
                if found:
                    return found
                if time.monotonic() > deadline:
                    raise AssertionError("waited in vain: %s; %s" % (what, self.__dict__))
                self.changed.wait(0.2)

    def offer(self, fits=lambda offer: True):
        """The next offer that fits, no longer in `offers`."""

        def take():
            return next((self.offers.pop(i) for i, o in list(self.offers.items()) if fits(o)), None)

        return self.wait("an offer", take)

    def decline(self, offer, refuse_s):
        self.driver.declineOffer(offer["id"], {"refuse_seconds": refuse_s})

    def launch(self, offer, *tasks):
        """The rest of the offer comes back at once."""
        for task in tasks:
            task["agent_id"] = offer["agent_id"]
        self.driver.launchTasks(offer["id"], list(tasks), {"refuse_seconds": 0})

    def state(self, name):
        """The newest state of a task that the agent told; not what reconciliation repeats."""
        told = [u["state"] for u in self.updates if u["task_id"]["value"] == name and "uuid" in u]
        return told[-1] if told else None

    def until(self, name, state):
        """The update with which a task came into a state."""

        def told():
            updates = [u for u in self.updates if u["task_id"]["value"] == name]
            ended = [u for u in updates if u["state"] in ENDS and u["state"] != state]
            assert not ended, ended
            return next((u for u in updates if u["state"] == state), None)

        return self.wait("%s is %s" % (name, state), told)

    def place(self, name):
        """Where a running task is: its container, the one that is in, its executor, its addresses."""
        update = self.until(name, "TASK_RUNNING")
        status = update["container_status"]
        container, networks = status["container_id"], status["network_infos"]
        parent = container.get("parent", {}).get("value")
        addresses = [a["ip_address"] for n in networks for a in n["ip_addresses"]]
        return container["value"], parent, update["executor_id"]["value"], addresses

    def stop(self, failover=False):
        self.driver.stop(failover=failover)
        self.driver.join()


def scalar(resource, amount):
    return {"name": resource, "type": "SCALAR", "scalar": {"value": amount}}


def amount(offer, resource):
    return sum(r["scalar"]["value"] for r in offer["resources"] if r["name"] == resource)


def task(name, cpus=0.1, mem=32, **more):
    resources = [scalar("cpus", cpus), scalar("mem", mem)]
    return dict(dict(task_id={"value": name}, name=name, resources=resources), **more)


def command(name, line, env=None, **more):
    variables = [{"name": key, "value": value} for key, value in (env or {}).items()]
    info = {"value": line, "environment": {"variables": variables}}
    return task(name, command=info, **more)


def equal(is_so, should_be):
    assert is_so == should_be, "%r is not %r" % (is_so, should_be)
