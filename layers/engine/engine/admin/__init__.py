"""What operators and health checks see across the rooms."""
