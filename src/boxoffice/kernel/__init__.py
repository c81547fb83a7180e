"""What every service stands on; it knows nothing about tickets."""
