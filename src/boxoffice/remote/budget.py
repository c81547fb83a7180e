"""A retry budget: at most every tenth call is made again, so that retries never become the load that they answer to."""

SHARE = 0.1
MOST = 10.0


class Budget:
    """Every call earns a tenth of a retry; an idle service has ten to its credit."""

    def __init__(self) -> None:
        self._credit = MOST

    def earn(self) -> None:
        self._credit = min(MOST, self._credit + SHARE)

    def spend(self) -> bool:
        """Whether one more retry may be made; it is counted then."""
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        return True
