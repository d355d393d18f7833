"""Calendar facts that are known in advance.

The rule: series are modelled on the local clock, so that daily patterns survive daylight-saving time.

- `clock`: time zone, holidays, events, excluded periods; a series laid on the local clock.
- `effects`: the factor by which a holiday or an event moves demand, declared or learned.
"""
