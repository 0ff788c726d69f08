"""What is declined for two seconds is not offered before they are over, and then it is."""

import time

from framework import Framework, amount, equal

REFUSE_S = 2

framework = Framework("decline")
offer = framework.offer()
declined = time.monotonic()
framework.decline(offer, REFUSE_S)
again = framework.offer()
assert time.monotonic() - declined >= REFUSE_S, "offered too early"
equal(amount(again, "cpus"), amount(offer, "cpus"))
assert again["id"] != offer["id"]
framework.stop()
