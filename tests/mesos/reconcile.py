"""Reconciliation: of one task, of all, and of one that nobody knows."""

from framework import Framework, command, equal

framework = Framework("reconcile")
framework.launch(framework.offer(), command("here", "sleep 1000"))
framework.until("here", "TASK_RUNNING")


def answers(tasks, count):
    framework.updates.clear()
    framework.driver.reconcileTasks([{"task_id": {"value": name}} for name in tasks])

    def told():
        reason = "REASON_RECONCILIATION"
        found = [u for u in framework.updates if u.get("reason") == reason]
        return found if len(found) >= count else None

    found = framework.wait("answers", told)
    for update in found:
        equal((update["source"], "uuid" in update), ("SOURCE_MASTER", False))
    return {update["task_id"]["value"]: update["state"] for update in found}


equal(answers(["here"], 1), {"here": "TASK_RUNNING"})
equal(answers([], 1), {"here": "TASK_RUNNING"})
equal(answers(["here", "never"], 2), {"here": "TASK_RUNNING", "never": "TASK_LOST"})
framework.stop()
