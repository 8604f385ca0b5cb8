"""Runs the scenarios with async-substrate-interface: `python -m …main ENDPOINT ACCOUNT`, names on stdin."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from tests.wallets.clients.async_substrate import pallets, queries, transactions
from tests.wallets.clients.async_substrate.session import Session
from tests.wallets.clients.harness import serve_async


async def main() -> None:
    """Bind every scenario to one connection, opened by the first of them."""
    endpoint, account = sys.argv[1:]
    session = Session(endpoint, account)

    def bind(scenario: Callable[[Session], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
        async def run() -> object:
            await session.connect()
            return await scenario(session)

        return run

    every = queries.SCENARIOS | transactions.SCENARIOS | pallets.SCENARIOS
    await serve_async({name: bind(scenario) for name, scenario in every.items()})


if __name__ == "__main__":
    asyncio.run(main())
