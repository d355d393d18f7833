"""From a snapshot to a plan file: the decisions of a run in their order, and what they render to.

The rule: pure; a snapshot in, a plan file and the text of a stack file out.

- `snapshot`: what a run knows before it decides
- `problem`: the sizing problem of a snapshot
- `decide`: sizes and guards, again until every VM finds room
- `placement`: which VM goes on which own host
- `draft`: the plan file of a sizing
- `noted`: the ledger's entries of a decision, a preview and an update
- `compose`: counts → the stack configuration
- `file`: the plan file
- `notes`: what a plan says beside its sizes
- `kept_inputs`: the inputs of a decision, kept, and the decision made again from them
- `recommend`: the sizing as a function of a forecast
- `carried`: what the fleet of a plan carries, kept for the next run
- `render`: our keys in the text of a stack file
- `kept_secrets`: encrypted values in a stack file outlive a plan
- `edited`: what a person changed in the stack file after the plan, and what it costs and risks
"""
