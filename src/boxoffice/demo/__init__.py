"""The demo: two organizers, three venues and a programme to try everything on; pure, seeding happens elsewhere."""
