"""Everything that touches the world, one file or folder per world.

The rule: an adapter reads or writes and decides nothing; nothing pure imports one.

- `history`: reading request history
- `sources`: the sources of demand: one file each, and their list
- `prices`: reading prices and commitments
- `world`: what runs on the hypervisors and in the cloud
- `adopted`: what the stack adopted, and finding what is to be adopted
- `cluster`: a Dask cluster as a runner of the forecaster's tasks
- `engine`: the Pulumi engine: preview, up, destroy, state
- `engine_process`: the engine's CLI as a child process that is never cut off
- `exporter`: metrics and health of a service over HTTP
- `files`: reading with a clear error, writing all or nothing
- `identity`: what an approval is bound to: the program, and where and with what it runs
- `git`: commits on a branch, without the work tree
- `hypervisors`: whether hypervisors answer
- `kept_forecaster`: the forecaster between runs
- `known_secrets`: the secrets of this process's environment
- `ledger`: the append-only record of decisions
- `lock`: one lock per stack, from plan to apply
- `memory`: what a run leaves for the next, as a file
- `model_store`: versions of kept models, checked by digest
- `pack_digest`: the digest of a policy pack
- `pins`: sizes that people set in the stack file, and who sets them
- `private_copy`: the files that decide an update, copied so that nobody else can change them
- `settle`: what killed updates left, settled before the next update
- `project`: where the project's files are
- `new_stack`: creating a stack, with its stack file as it was
- `rollout`: instances that go: drained, ended, rolled
- `refreshed`: what a refresh found otherwise than the state
- `runs`: the inputs of past decisions
- `ssh_keys`: signatures by SSH keys
- `stopping`: signals that end a run or a service, and the time limit of a run
"""
