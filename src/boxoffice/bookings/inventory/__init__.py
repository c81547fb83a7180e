"""What can be had: sales, the claims on their seats, and the soft holds before them.

A seat passes through here before anybody has bought it: read domain.py (a sale), seats.py (claims, the truth),
holds.py and holding.py (holds, the courtesy), live.py (what everybody sees). Bookings stand above, and are not known
here.
"""
