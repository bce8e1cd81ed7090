"""Payment providers: the protocols of Stripe, M-Pesa (Daraja) and Google Play, and nothing about credits.

A module of this room turns bytes of a provider into small typed facts, or makes one call. It decides nothing
about money: whether facts match an intent is decided above. What a provider pushes (an event, a callback, a
message) is a hint; the readers of pushed bytes never raise and answer None for what is not theirs. What is
read from a provider's API by our own credential is proof, except that Daraja pushes its proof, under a path
that cannot be guessed (`callback_paths`).

Calls raise `NotSent` and `Refused` (nothing was done) or `Unknown` (it may have been), all of `wire`. Secrets
are passed in as functions that return them.

- `money`: `Money(minor, currency)`; `of_stripe`, `to_stripe`, `of_google`, `of_shillings`, `whole_shillings`
- `wire`: the client of one provider's API, and how members of its messages are read
- `stripe_signature`: `is_signed(header, body, secrets, now) -> bool`
- `stripe_events`: `read(raw) -> Event | None`, snapshot and thin; `Event.reads` says which object to read
- `stripe_objects`: `Session`, `Payment`, `Charge`, `Dispute`, `Refund`
- `stripe`: `Stripe(base, secret_key)` with `create_session(SessionWanted)`, `session(id)`, `payment(id)`,
  `charge(id)`, `dispute(id)`, `refund(id)`, `disputes_of(payment)`, `refunds_of(payment)`,
  `create_refund(RefundWanted)`, and pages of `undelivered`, `sessions`, `charges`, `refunds`, `disputes`
- `pay_codes`: `new() -> str`, `typed(text) -> str | None`
- `callback_paths`: `path(kind, secret, subject)`, `subject_of(kind, secrets, segment)`, `is_known_address`
- `daraja_token`: `SharedToken`, the one access token of all instances; owner of its stored item
- `daraja_callbacks`: `stk(raw) -> StkResult | None`, `c2b(raw) -> C2bPayment | None`, the replies
- `daraja_results`: `result(raw) -> Result | None` of transaction status, reversal and B2C; rows of Pull
- `daraja`: `Daraja(base, token, business)` with `push`, `query`, `pull`, `register_urls`, `register_pull`,
  `ask_status`, `reverse`, `pay_out`
- `mpesa_messages`: `read(text) -> list[Message]`, `receipts(text)`, `redacted(text)`
- `play_messages`: `purchase`, `voided`, `order`, `notice(raw) -> Notice | None`, `is_admitted(event, ...)`
- `play`: `Play(base, package, access_token)` with `purchase(token)`, `consume`, `acknowledge`, `voided`,
  `order`, `review_refund`
- `google_identity`: `Identity`, an access token of Google for the function's own role, without a key
"""
