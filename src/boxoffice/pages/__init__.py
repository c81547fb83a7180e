"""What every server-rendered page stands on: its visitor, its look, its files, and the forms for signing in."""
