"""Calls, storage keys, events and errors are found by name as the runtime has them."""

import pytest

from apps.chain.errors import UnknownName
from apps.chain.runtime import Runtime, Version
from apps.chain.values import Variant
from runtime.frame.call import Call
from runtime.frame.storage import Keyed
from runtime.primitives.extrinsic import AddressId
from runtime.primitives.scale import DecodeError, EncodeError
from tests.apps.chain.described import consortium, described
from tests.support.chain import ALICE, BOB

RUNTIME = Runtime(described(), Version(1, 1))


def test_a_call_has_the_bytes_that_the_runtime_gives_it() -> None:
    specs = consortium().runtime.calls.specs.values()
    spec = next(one for one in specs if one.name == "transfer_keep_alive" and one.prefix[0] == 10)
    made = RUNTIME.call("Balances", "transfer_keep_alive", dest=BOB, value=7)
    assert made.data == Call(spec, (AddressId(BOB), 7)).encoded()
    assert RUNTIME.decode_call(made.data) == (
        "Balances",
        "transfer_keep_alive",
        {"dest": Variant("Id", BOB), "value": 7},
    )


def test_calls_without_arguments_take_none() -> None:
    specs = consortium().runtime.specs
    pallet, name = next(
        (pallet.name, spec.name)
        for pallet in consortium().runtime.pallets
        for spec in specs[pallet.index]
        if not spec.parameters
    )
    assert len(RUNTIME.call(pallet, name).data) == 2
    with pytest.raises(EncodeError):
        RUNTIME.call(pallet, name, more=1)


def test_arguments_that_do_not_fit_are_refused_with_their_place() -> None:
    with pytest.raises(EncodeError, match=r"Balances\.transfer_keep_alive: value"):
        RUNTIME.call("Balances", "transfer_keep_alive", dest=BOB, value=-1)
    for arguments in ({"dest": BOB}, {"dest": BOB, "value": 1, "more": 2}, {}):
        with pytest.raises(EncodeError):
            RUNTIME.call("Balances", "transfer_keep_alive", **arguments)


def test_storage_keys_are_the_runtimes_own() -> None:
    for name, keys in (("System", (ALICE,)), ("Assets", (7, ALICE))):
        pallet = consortium().runtime.pallet(name)
        item = next(one.item for one in pallet.items.values() if one.item.name == "Account")
        made = RUNTIME.storage_key(name, "Account", *keys)
        assert isinstance(item, Keyed)
        assert made == item.raw_prefix(*keys)
        assert RUNTIME.decode_keys(name, "Account", made) == keys
        assert made.startswith(RUNTIME.storage_key(name, "Account", *keys[:-1]))
        with pytest.raises(EncodeError, match="keys"):
            RUNTIME.storage_key(name, "Account", *keys, 1)
        for wrong in (made[:-1], made + b"\0", made[:40]):
            with pytest.raises(DecodeError):
                RUNTIME.decode_keys(name, "Account", wrong)


def test_an_absent_entry_reads_as_its_default_or_none() -> None:
    assert RUNTIME.decode_value("System", "Account", None)["nonce"] == 0
    assert RUNTIME.decode_value("Assets", "Account", None) is None
    assert RUNTIME.decode_events(None) == ()


def test_constants_have_their_values() -> None:
    for pallet in consortium().runtime.pallets:
        for one in pallet.constants():
            if isinstance(one.value, int):
                assert RUNTIME.constant(pallet.name, one.name) == one.value


def test_every_error_of_every_pallet_has_its_name() -> None:
    for pallet in consortium().runtime.pallets:
        for cls in pallet.error_classes:
            value = Variant("Module", {"index": pallet.index, "error": bytes([cls.index, 0, 0, 0])})
            found = RUNTIME.describe_failure(value)
            assert (found.pallet, found.name) == (pallet.name, cls.__name__)
            assert str(found) == f"{pallet.name}.{cls.__name__}"


def test_other_errors_have_names_too() -> None:
    for value, name in (
        (Variant("BadOrigin"), "BadOrigin"),
        (Variant("Token", Variant("FundsUnavailable")), "Token.FundsUnavailable"),
        (Variant("Module", {"index": 255, "error": b"\1\0\0\0"}), "Module(255, 1)"),
        (Variant("Module", {"index": 10, "error": b"\xff\0\0\0"}), "Balances.Module(10, 255)"),
    ):
        assert str(RUNTIME.describe_failure(value)) == name


def test_arguments_of_a_function_are_counted() -> None:
    method = RUNTIME.api("AccountNonceApi", "account_nonce")
    assert RUNTIME.encode_arguments(method, (ALICE,)) == ALICE
    for wrong in ((), (ALICE, 1)):
        with pytest.raises(EncodeError, match="arguments"):
            RUNTIME.encode_arguments(method, wrong)


def test_unknown_names_are_told() -> None:
    for ask in (
        lambda: RUNTIME.pallet("Gone"),
        lambda: RUNTIME.constant("Balances", "Gone"),
        lambda: RUNTIME.call("Balances", "gone"),
        lambda: RUNTIME.call("Gone", "gone"),
        lambda: RUNTIME.storage_key("Balances", "Gone"),
        lambda: RUNTIME.api("Gone", "gone"),
        lambda: RUNTIME.api("Core", "gone"),
    ):
        with pytest.raises(UnknownName):
            ask()
