"""The fleet file: what a team declares, read and checked once.

The rule: pydantic models of `fleet.yaml` and nothing else; no decision is taken here.
"""
