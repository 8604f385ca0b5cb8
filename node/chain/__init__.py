"""The chain: blocks, forks, head and finality of one chain over its store; see chain.py first."""
