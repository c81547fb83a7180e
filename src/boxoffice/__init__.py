"""boxoffice: a multitenant, event-driven ticket booking platform."""

__version__ = "0.1.0"
