"""Decides capacity from demand, and applies the decision as a reviewed Pulumi change.

The rule: each room calls only rooms below it, in the order of this list; the contracts in `pyproject.toml` check it. From
`report` down everything is pure: no clock, file, network or process.

- `cli`: the command line
- `loop`: the pipeline on a page: history → forecast → sizes → guards → stack file → preview → up
- `apply`: preview a plan and apply it
- `adapters`: everything that touches the world
- `report`: what people read
- `explain`: why the sizes are what they are, and what would change them
- `backtest`: replays of a whole fleet
- `onepool`: replays of one pool of equal instances
- `approval`: what an approval is bound to
- `plan`: from a snapshot to a plan file
- `guards`: bounds on change
- `sizing`: counts at least cost within every promise
- `trust`: how far a forecast is trusted
- `demand`: history grouped and forecast per QoS class
- `prices`: the catalogue and the bill
- `fleet`: the fleet file
- `slo`: what load an instance carries within a latency target
- `observe`: what the engine says, as plain data
- `record`: what the ledger keeps of a decision and an update
- `errors`: all errors, by the reaction they call for
"""
