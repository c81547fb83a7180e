"""What operators see: logs, metrics, traces. It stands below everything else and knows nothing of it."""
