"""Making blocks: the intake of transactions into the pool, and the author that executes them into blocks."""
