"""boxoffice: a multitenant, event-driven ticket booking platform."""
