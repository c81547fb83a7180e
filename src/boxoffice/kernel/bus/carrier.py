"""Which bus carries the messages, and to which they are moving, in SQL: one row, which every relay obeys."""

# While it names a `next`, no relay acts. `moves` counts those that were begun: it tells one from an earlier one.
READ = "SELECT current, next, moves FROM bus.carrier"
BEGIN = "UPDATE bus.carrier SET next = $1, moves = moves + 1 WHERE current <> $1 AND next IS DISTINCT FROM $1"
FINISH = "UPDATE bus.carrier SET current = next, next = NULL WHERE next = $1 AND moves = $2"
GIVE_UP = "UPDATE bus.carrier SET next = NULL WHERE moves = $1"
