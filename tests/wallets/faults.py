"""Ways in which a node can be broken, each with the scenarios that must notice and what they must say.

Faults are made anew for every run, since some count what passes.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.wallets.saboteur import DROP, Call, Fault, Spoil

Json = Any

HEADERS = ("chain_getHeader", "chain_newHead", "chain_allHead", "chain_finalizedHead")
STORAGE = ("state_getStorage", "state_getStorageAt")
METADATA = ("state_getMetadata", "Metadata_metadata_at_version")
EVENTS_KEY = "0x26aa394eea5630e07c48ae0c9558cef780d41e5e16056765bc8461851072c9d7"
EXTRINSIC_FAILED_BY_MODULE = re.compile("000103(..)(..)000000")
NO_ANSWER = "no answer within"
HANG_TIMEOUT_S = 10


class Sabotage(NamedTuple):
    """What is broken and, for each client that must notice, the scenario and a pattern of its complaint."""

    make: Callable[[], Fault]
    noticed: dict[str, tuple[str, str]]

    def hangs(self, client: str) -> bool:
        """Whether the client's only way to notice is to wait in vain."""
        return self.noticed.get(client, ("", ""))[1] == NO_ANSWER


def on(names: tuple[str, ...], change: Callable[[Json], Json]) -> Spoil:
    """Change the values of these methods (or runtime functions, or storage keys) where there is a value."""

    def spoil(call: Call, value: Json) -> Json:
        first = call.parameters[0] if call.parameters else None
        hit = call.method in names or (isinstance(first, str) and first in names)
        return change(value) if hit and value is not None else value

    return spoil


def _flip_last_digit(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def _everywhere(names: tuple[str, ...], change: Callable[[Json], Json]) -> Fault:
    return Fault(result=on(names, change), notice=on(names, change))


def _number_up(header: Json) -> Json:
    return {**header, "number": hex(int(header["number"], 16) + 1)}


def _root_changed(header: Json) -> Json:
    return {**header, "stateRoot": _flip_last_digit(header["stateRoot"])}


def _call_renamed(metadata: str) -> str:
    return metadata.replace(b"transfer_keep_alive".hex(), b"transfer_keep_alibi".hex())


def _last_u128_up(info: str) -> str:
    number = int.from_bytes(bytes.fromhex(info[-32:]), "little") + 1
    return info[:-32] + number.to_bytes(16, "little").hex()


def _other_module_error(events: str) -> str:
    return EXTRINSIC_FAILED_BY_MODULE.sub(
        lambda found: f"000103{found[1]}{int(found[2], 16) ^ 1:02x}000000", events
    )


def _spec_version_up(version: Json) -> Json:
    return {**version, "specVersion": version["specVersion"] + 1}


def _genesis_changed(call: Call, value: Json) -> Json:
    asked = call.method == "chain_getBlockHash" and call.parameters and call.parameters[0] in (0, "0x0")
    return _flip_last_digit(value) if asked else value


def _without_block_hash(call: Call, parameters: Json) -> Json:
    return parameters[:1] if call.method in STORAGE and parameters[0] != EVENTS_KEY else parameters


def _drop_status(name: str) -> Callable[[Json], Json]:
    return lambda status: DROP if isinstance(status, dict) and name in status else status


def _wrong_block(status: Json) -> Json:
    wrong = isinstance(status, dict) and "inBlock" in status
    return {"inBlock": _flip_last_digit(status["inBlock"])} if wrong else status


def _only_initial() -> Callable[[Json], Json]:
    seen: list[Json] = []

    def change(notice: Json) -> Json:
        seen.append(notice)
        return notice if len(seen) == 1 else DROP

    return change


def _code_changed(call: Call, error: Json) -> Json:
    return {**error, "code": 1012} if call.method.startswith("author_submit") else error


def _results(names: tuple[str, ...], change: Callable[[Json], Json]) -> Callable[[], Fault]:
    return lambda: Fault(result=on(names, change))


def _statuses(change: Callable[[Json], Json]) -> Callable[[], Fault]:
    return lambda: Fault(notice=on(("author_extrinsicUpdate",), change))


SABOTAGE = {
    "nothing": Sabotage(Fault, {}),
    "number_of_headers": Sabotage(
        lambda: _everywhere(HEADERS, _number_up),
        {
            "polkadot_js": ("header_hash", "ERR_ASSERTION"),
            "papi": ("connect", NO_ANSWER),
            "substrate_interface": ("header_hash", "AssertionError"),
        },
    ),
    "state_root_of_headers": Sabotage(
        lambda: _everywhere(HEADERS, _root_changed),
        {"polkadot_js_10": ("header_hash", "block"), "async_substrate": ("header_hash", "AssertionError")},
    ),
    "name_of_a_call": Sabotage(
        _results(METADATA, _call_renamed),
        {
            "polkadot_js": ("metadata", "transferKeepAlive|reading 'meta'"),
            "papi": ("transfer_sr25519", "transfer_keep_alive"),
            "substrate_interface": ("metadata", "NoneType"),
        },
    ),
    "half_of_the_metadata": Sabotage(
        _results(METADATA, lambda text: text[: len(text) // 4 * 2]),
        {
            "polkadot_js_10": ("connect", "Error"),
            "async_substrate": ("connect", "RemainingScaleBytes|InvalidScaleTypeValue"),
        },
    ),
    "events_lost": Sabotage(
        _results((EVENTS_KEY,), lambda _: "0x00"),
        {"polkadot_js": ("events", "expected among"), "substrate_interface": ("events", "Error")},
    ),
    "another_module_error": Sabotage(
        _results((EVENTS_KEY,), _other_module_error),
        {"polkadot_js": ("module_error", "assets.Unknown"), "papi": ("module_error", "Assets.Unknown")},
    ),
    "fee_told": Sabotage(
        _results(("TransactionPaymentApi_query_info",), _last_u128_up),
        {
            "polkadot_js": ("fee", "fee told equals"),
            "polkadot_js_10": ("fee", "fee told equals"),
            "papi": ("fee", "fee told equals"),
            "substrate_interface": ("fee", "fee told equals"),
            "async_substrate": ("fee", "fee told equals"),
        },
    ),
    "spec_version": Sabotage(
        _results(("state_getRuntimeVersion",), _spec_version_up),
        {"polkadot_js_10": ("constants", "ERR_ASSERTION"), "papi": ("constants", "ERR_ASSERTION")},
    ),
    "genesis_hash": Sabotage(
        lambda: Fault(result=_genesis_changed),
        {"polkadot_js": ("transfer_sr25519", "bad signature"), "async_substrate": ("immortal", "Invalid")},
    ),
    "block_asked_for": Sabotage(
        lambda: Fault(parameters=_without_block_hash),
        {
            "polkadot_js": ("historical_query", "0n"),
            "async_substrate": ("historical_query", "AssertionError"),
        },
    ),
    "keys_of_a_page": Sabotage(
        _results(("state_getKeysPaged",), lambda keys: keys[1:]),
        {
            "polkadot_js": ("map_iteration", "ERR_ASSERTION"),
            "substrate_interface": ("map_iteration", "AssertionError"),
        },
    ),
    "storage_changes": Sabotage(
        lambda: Fault(notice=on(("state_storage",), _only_initial())),
        {
            "polkadot_js": ("storage_subscription", NO_ANSWER),
            "substrate_interface": ("storage_subscription", NO_ANSWER),
        },
    ),
    "finality": Sabotage(
        _statuses(_drop_status("finalized")),
        {
            "polkadot_js_10": ("transfer_ed25519", NO_ANSWER),
            "async_substrate": ("transfer_ed25519", NO_ANSWER),
        },
    ),
    "block_of_inclusion": Sabotage(
        _statuses(_wrong_block),
        {
            "polkadot_js": ("transfer_ed25519", "inBlock"),
            "substrate_interface": ("events", "Error"),
        },
    ),
    "code_of_errors": Sabotage(
        lambda: Fault(error=_code_changed),
        {
            "polkadot_js": ("stale_nonce", "1012"),
            "papi": ("bad_signature", "RpcError"),
            "substrate_interface": ("bad_signature", "AssertionError"),
            "async_substrate": ("stale_nonce", "AssertionError"),
        },
    ),
    "extrinsic_hash": Sabotage(
        _results(("author_submitExtrinsic",), _flip_last_digit),
        {"polkadot_js": ("extrinsic_hash", "ERR_ASSERTION"), "papi": ("extrinsic_hash", "ERR_ASSERTION")},
    ),
    "next_index": Sabotage(
        _results(("system_accountNextIndex",), lambda index: index + 1),
        {"polkadot_js_10": ("nonce_from_pool", NO_ANSWER)},
    ),
}
