"""A Pulumi language host for Python, for machines where Pulumi's own can't be downloaded.

It speaks `pulumi.runtime.proto`'s LanguageRuntime to the engine: it starts the program and the policy packs in the
virtualenv that Pulumi.yaml names, passes their output on, and ends them when the engine says so.
"""
