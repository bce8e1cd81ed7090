"""The paid call: submission, jobs, the service behind, the sweeper."""
