"""A study on a cluster of which this machine reaches the job server alone: handing it over, asking, bringing it home.

`client.py` talks to the job server, `code.py` says what travels there, `jobs.py` submits and asks, `pull.py` brings a
study home; `head.py` is what runs over there. `framing.py` and `archive.py` are spoken by both sides. Nothing below
`study/cli` imports from here.
"""
