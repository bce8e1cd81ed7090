"""What operators and health checks read across all rooms."""
