"""The simulator of the agreement engine: many nodes, one seed, virtual time, and everything goes wrong.

`python -m tests.sim` runs seeds; `docs/consensus-testing.md` says how to read what it finds. First file to
read: `simulation.py`, which puts a run together. The engine, the checks and the guard are those of
`node/consensus`, byte for byte; what is made up here is time, network, disk, blocks and adversaries.
"""
