"""Stand-ins for the external services of the gateway, for the local run and the tests.

Each one has the wire format of the real service, listens on loopback, records
its requests and fails on demand:

- ``tttranscribe``: the transcription service
- ``tiktok``: oEmbed, video pages and short links
- ``openrouter``: the management API for keys
- ``stripe``: Checkout, refunds, disputes, events and webhooks
- ``daraja``: M-Pesa in Kenya: STK push, C2B, Pull, reversals
- ``play``: Google Play purchases, Google's token services and pushes

``python -m standins <name> --port N`` starts a single one.
"""
