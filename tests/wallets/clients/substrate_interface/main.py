"""Runs the scenarios with substrate-interface: `python -m …main ENDPOINT ACCOUNT`, names on stdin."""

import functools
import sys
from collections.abc import Callable

from tests.wallets.clients.harness import serve
from tests.wallets.clients.substrate_interface import pallets, queries, transactions
from tests.wallets.clients.substrate_interface.session import Session


def main() -> None:
    """Bind every scenario to one connection, opened by the first of them."""
    endpoint, account = sys.argv[1:]

    @functools.cache
    def session() -> Session:
        return Session(endpoint, account)

    def bind(scenario: Callable[[Session], object]) -> Callable[[], object]:
        return lambda: scenario(session())

    every = queries.SCENARIOS | transactions.SCENARIOS | pallets.SCENARIOS
    serve({name: bind(scenario) for name, scenario in every.items()})


if __name__ == "__main__":
    main()
