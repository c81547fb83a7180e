"""How the simulator misbehaves when it is told to: each a number of times, or always, until it is told otherwise."""

from typing import Annotated

import msgspec

Times = Annotated[int, msgspec.Meta(ge=-1, le=1_000_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
ALWAYS = -1


class Chaos(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong: how many more times (-1: always), or for how long."""

    lose_replies: Times = 0  # a write is done, and its answer is cut off
    lose_replies_to: str = ""  # only of writes whose path ends so: /confirm
    refuse_requests: Times = 0  # 500, and nothing is done
    duplicate_webhooks: Times = 0
    reorder_webhooks: Times = 0  # an event waits until the next one has been sent
    delay_webhooks_seconds: Seconds = 0.0
    delay_replies_seconds: Seconds = 0.0
    capture_declined: Times = 0  # a declined charge is captured a moment later all the same
    fail_refunds: Times = 0
    slow_seconds: Seconds = 30.0  # how long pm_sim_slow takes, and the moment of a late capture


class Demon:
    """The chaos that is left."""

    def __init__(self, chaos: Chaos) -> None:
        self.chaos = chaos

    def strikes(self, what: str) -> bool:
        """Whether `what` goes wrong this time; counts down."""
        left: int = getattr(self.chaos, what)
        if left > 0:
            self.chaos = msgspec.structs.replace(self.chaos, **{what: left - 1})
        return left != 0
