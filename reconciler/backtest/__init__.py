"""The whole fleet replayed: every plan of a past stretch decided again from what was known then, and what it came to.

replay       decide, launch, lose, serve, one step after the other      stock      instances of one option through time
realised     what was asked for, and how the counts served it           foresight  the counts that knowing it would take
measures     cost, violations, regret, elasticity                       gate       whether they got worse
"""
