"""An organizer's list of an event's bookings: everybody's, looked for by reference, buyer, state or seat."""
