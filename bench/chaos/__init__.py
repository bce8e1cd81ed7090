"""An hour of a deployment whose transcription service, network and processes fail at random.

Time is virtual: every actor is a thread, exactly one of them runs at a time, and waiting moves the clock.
The handlers, the ledger and the store are real. All choices come from one seed.
"""
