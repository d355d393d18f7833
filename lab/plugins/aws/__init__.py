"""The lab's ``pulumi-resource-aws``: the resource types the stack uses, by boto3, at the configured endpoints
only."""
