"""200 command tasks: the environment reaches them, and their exit codes come back."""

from framework import ENDS, Framework, amount, command, equal

TASKS = 200
CPUS = 0.05


def line(number):
    """Ends with `number` modulo 4, or 9 if the environment is wrong."""
    return '[ "$NUMBER" = %d ] || exit 9; exit $((NUMBER %% 4))' % number


framework = Framework("commands")
waiting = [command("c%d" % n, line(n), {"NUMBER": str(n)}, cpus=CPUS, mem=16) for n in range(TASKS)]
while waiting:
    offer = framework.offer()
    room = int(min(amount(offer, "cpus") / CPUS + 1e-6, amount(offer, "mem") / 16))
    now, waiting = waiting[:room], waiting[room:]
    framework.launch(offer, *now)


def ended():
    ends = {u["task_id"]["value"]: u for u in framework.updates if u["state"] in ENDS}
    return ends if len(ends) == TASKS else None


for name, update in framework.wait("the ends of all", ended).items():
    code = int(name[1:]) % 4
    equal((name, update["state"]), (name, "TASK_FAILED" if code else "TASK_FINISHED"))
    assert not code or "status %d" % code in update["message"], update
equal(len([u for u in framework.updates if u["state"] == "TASK_RUNNING"]), TASKS)
framework.stop()
