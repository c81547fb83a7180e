"""What operators see: logs, metrics, traces, health. It stands below everything else and knows nothing of it."""
