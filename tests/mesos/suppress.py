"""After SUPPRESS no offers come; REVIVE brings them, whatever was declined before."""

import time

from framework import Framework, equal

# Ten steps of the allocator.
QUIET_S = 2

framework = Framework("suppress")
offer = framework.offer()
framework.driver.suppressOffers()
framework.decline(offer, 0)
time.sleep(QUIET_S)
equal(framework.offers, {})

framework.driver.reviveOffers()
framework.decline(framework.offer(), 3600)
time.sleep(QUIET_S)
equal(framework.offers, {})
framework.driver.reviveOffers()
framework.offer()
framework.stop()
