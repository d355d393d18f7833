"""From a snapshot to a plan file: the decisions of a run in their order, and the configuration that they render to.

The rule: this package is pure. A snapshot goes in; a plan file and the text of a stack file come out.

- `snapshot`: what a run knows before it decides
- `problem`: the sizing problem of a snapshot
- `decide`: sizes and guards, repeated until every VM has a place
- `placement`: which VM runs on which own host
- `draft`: the plan file of a sizing
- `noted`: the ledger's entries of a decision, a preview and an update
- `compose`: counts → the stack configuration
- `scarce`: the fleet that a plan may use while the cloud is short of capacity
- `unlowered`: groups that a smaller plan does not shrink, because nothing lowers their desired size
- `file`: the plan file
- `inventory`: the VMs and groups that a configuration declares and a state records
- `phases`: the order in which a change is carried out
- `transition`: the stack configuration of a phase: what is new beside what is old
- `signature`: what the signature of an approved plan covers, and which key made it
- `notes`: the notes of a plan
- `outdated`: VMs that are made otherwise than the fleet file now wants them
- `readiness`: the notes about what serves, what does not and what could not be read
- `kept_inputs`: keep the inputs of a decision, and replay the decision from them
- `recommend`: the sizing as a function of a forecast
- `carried`: the load that the fleet of a plan carries, kept for the next run
- `render`: tiercast's keys in the text of a stack file
- `adopted`: what the stack adopted, in the text of a stack file
- `pins`: sizes that people set, in the text of a stack file
- `kept_secrets`: keep encrypted values of a stack file through a new plan
- `edited`: manual edits of the stack file after the plan, with their cost and risk
"""
