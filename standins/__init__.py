"""Stand-ins for the services the gateway talks to, for the local run and the tests.

Each one speaks the wire format of the real service, listens on loopback, records
what it was asked and fails on request:

- ``tttranscribe``: the transcription service
- ``tiktok``: oEmbed, video pages and short links
- ``openrouter``: the management API for keys

``python -m standins <name> --port N`` starts one alone.
"""
