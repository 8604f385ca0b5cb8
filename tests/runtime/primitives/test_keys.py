"""Secret URIs: grammar, junctions, seeds; what subkey and polkadot.js take and what they refuse."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.primitives.hashing import blake2_256
from runtime.primitives.keys import (
    DEV_ACCOUNTS,
    DEV_PHRASE,
    MNEMONIC_LENGTHS,
    URI_LENGTH_MAX,
    Junction,
    UriError,
    generate_mnemonic,
    make_junction,
    parse_uri,
    seed_from_phrase,
)

DEV_SEED = "0xfac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e"
# BIP-39 English test vectors: the first phrase of 12, 18 and 24 words.
ABANDON = {
    12: " ".join(["abandon"] * 11 + ["about"]),
    18: " ".join(["abandon"] * 17 + ["agent"]),
    24: " ".join(["abandon"] * 23 + ["art"]),
}


def text_junction(text: str, *, is_hard: bool) -> Junction:
    encoded = bytes((len(text.encode()) << 2,)) + text.encode()
    return Junction(is_hard, encoded.ljust(32, b"\0"))


class TestGrammar:
    def test_dev_accounts_are_six_names_and_their_stashes(self) -> None:
        assert len(set(DEV_ACCOUNTS)) == 12
        assert DEV_ACCOUNTS[:2] == ("//Alice", "//Bob")
        assert DEV_ACCOUNTS[6] == "//Alice//stash"
        assert DEV_ACCOUNTS[-1] == "//Ferdie//stash"

    @pytest.mark.parametrize("uri", ["//Alice", "/soft", "///password"])
    def test_uri_that_begins_with_a_slash_stands_on_the_dev_phrase(self, uri: str) -> None:
        assert parse_uri(uri).phrase == DEV_PHRASE

    def test_parts_are_phrase_path_and_password(self) -> None:
        parsed = parse_uri("hello world/s//h///pass/word")
        assert parsed.phrase == "hello world"
        assert parsed.junctions == (text_junction("s", is_hard=False), text_junction("h", is_hard=True))
        assert parsed.password == "pass/word"

    def test_password_may_be_empty_and_hold_slashes(self) -> None:
        assert parse_uri("///").password == ""
        assert parse_uri("////////").password == "/////"
        assert parse_uri("//Alice///").password == ""
        assert parse_uri("//Alice").password == ""

    @pytest.mark.parametrize(
        "uri",
        [
            "",
            "sd.asd",
            "sd.asd//h",
            "sd_asd",
            "phrase//",
            "phrase/",
            "phrase/x//",
            "/",
            "//",
            "/x/",
            "พลังงาน",
            "-//Alice",
            "\uff15//Alice",
        ],
    )
    def test_text_outside_the_grammar_is_refused(self, uri: str) -> None:
        with pytest.raises(UriError):
            parse_uri(uri)

    @pytest.mark.parametrize(
        "uri", ["//Alice\n", "//Ali\tce", "\x00//Alice", "///pass\r\n", "//a\x7f", "//a\x85"]
    )
    def test_control_characters_are_refused(self, uri: str) -> None:
        with pytest.raises(UriError, match="control character"):
            parse_uri(uri)

    @pytest.mark.parametrize("uri", ["//\ud800", "///\udfff", "\ud800"])
    def test_lone_surrogates_are_refused(self, uri: str) -> None:
        with pytest.raises(UriError):
            parse_uri(uri)

    @pytest.mark.parametrize("form", ["//{}", "/{}", "///{}", "//x///{}"])
    def test_only_one_unicode_form_is_accepted(self, form: str) -> None:
        parse_uri(form.format("\u00e9"))
        with pytest.raises(UriError, match="NFC"):
            parse_uri(form.format("e\u0301"))

    def test_length_limit(self) -> None:
        assert URI_LENGTH_MAX == 4_096
        parse_uri("//" + "a" * (URI_LENGTH_MAX - 2))
        with pytest.raises(UriError, match="at most"):
            parse_uri("//" + "a" * (URI_LENGTH_MAX - 1))

    @given(st.text(max_size=40))
    def test_any_text_gives_a_uri_or_the_typed_error(self, text: str) -> None:
        for uri in (text, "//" + text, "//Alice///" + text):
            with suppress(UriError):
                parse_uri(uri)

    @pytest.mark.parametrize(
        "uri", ["hunter2!", "hunter2!//x", "hunter2//", "0xhunter2", "hunter2 " * 12, "//x///hunter2\n"]
    )
    def test_errors_do_not_repeat_the_secret(self, uri: str) -> None:
        with pytest.raises(UriError) as caught:
            seed_from_phrase(parse_uri(uri).phrase, "")
        assert "hunter" not in str(caught.value)

    def test_text_form_hides_phrase_and_password(self) -> None:
        shown = repr(parse_uri(f"{DEV_PHRASE}//Alice///secret"))
        assert "bottom" not in shown
        assert "secret" not in shown


class TestJunction:
    @pytest.mark.parametrize(
        ("code", "number"), [("0", 0), ("1", 1), ("007", 7), ("18446744073709551615", 2**64 - 1)]
    )
    def test_decimal_numbers_are_u64(self, code: str, number: int) -> None:
        assert make_junction(code, is_hard=True).chain_code == number.to_bytes(32, "little")

    @pytest.mark.parametrize("code", ["18446744073709551616", "9" * 30, "9" * 5_000, "+1", "+0"])
    def test_number_that_wallets_read_differently_is_refused(self, code: str) -> None:
        with pytest.raises(UriError, match="wallets disagree"):
            make_junction(code, is_hard=True)

    @pytest.mark.parametrize("code", ["0x", "0x1", "0x10", "0xAbcdef", "0x" + "00" * 40])
    def test_hex_that_wallets_read_differently_is_refused(self, code: str) -> None:
        with pytest.raises(UriError, match="hex in a derivation path"):
            make_junction(code, is_hard=True)

    def test_leading_zeros_do_not_make_a_number_too_long(self) -> None:
        assert make_junction("0" * 60 + "7", is_hard=False) == make_junction("7", is_hard=False)

    @pytest.mark.parametrize(
        "code", ["-1", "1.0", "1 ", "0xg", "0X10", "x0x1", "\u0663", "\uff11", "1_0", "+", "++1"]
    )
    def test_everything_else_is_text(self, code: str) -> None:
        assert make_junction(code, is_hard=False) == text_junction(code, is_hard=False)

    def test_text_of_31_bytes_is_padded_and_of_32_hashed(self) -> None:
        assert make_junction("a" * 31, is_hard=True).chain_code == b"\x7c" + b"a" * 31
        assert make_junction("a" * 32, is_hard=True).chain_code == blake2_256(b"\x80" + b"a" * 32)

    def test_long_text_has_a_two_byte_length(self) -> None:
        assert make_junction("a" * 64, is_hard=True).chain_code == blake2_256(b"\x01\x01" + b"a" * 64)

    def test_length_counts_utf8_bytes(self) -> None:
        assert make_junction("é", is_hard=True).chain_code == b"\x08\xc3\xa9".ljust(32, b"\0")

    def test_empty_element_is_refused(self) -> None:
        with pytest.raises(UriError, match="empty"):
            make_junction("", is_hard=True)


class TestSeed:
    def test_dev_phrase_has_the_published_seed(self) -> None:
        assert "0x" + seed_from_phrase(DEV_PHRASE, "").hex() == DEV_SEED

    def test_seed_kept_for_the_dev_phrase_is_what_pbkdf2_makes_of_it(self) -> None:
        spaced = DEV_PHRASE.replace(" ", "  ")
        assert seed_from_phrase(DEV_PHRASE, "") == seed_from_phrase(spaced, "")
        assert (
            seed_from_phrase(DEV_PHRASE, "x") == seed_from_phrase(spaced, "x") != seed_from_phrase(spaced, "")
        )

    # substrate-bip39's own vector: BIP-39 entropy with the password "Substrate".
    def test_password_salts_the_mnemonic(self) -> None:
        seed = seed_from_phrase(ABANDON[12], "Substrate")
        assert seed.hex() == "44e9d125f037ac1d51f0a7d3649689d422c2af8b1ec8e00d71db4d7bf6d127e3"

    @pytest.mark.parametrize("password", ["a\n", "e\u0301", "\ud800"])
    def test_password_is_plain_text(self, password: str) -> None:
        with pytest.raises(UriError, match="secret URI or password"):
            seed_from_phrase(DEV_PHRASE, password)

    @pytest.mark.parametrize("words", ABANDON)
    def test_published_phrases_are_accepted(self, words: int) -> None:
        assert len(seed_from_phrase(ABANDON[words], "")) == 32

    def test_hex_seed_is_taken_as_it_is_and_ignores_the_password(self) -> None:
        assert seed_from_phrase(DEV_SEED, "") == bytes.fromhex(DEV_SEED[2:])
        assert seed_from_phrase("0x" + DEV_SEED[2:].upper(), "ignored") == bytes.fromhex(DEV_SEED[2:])

    @pytest.mark.parametrize(
        "phrase",
        ["0x", DEV_SEED[:-1], DEV_SEED + "0", DEV_SEED[:-1] + "g", DEV_SEED[:-2] + "\n0", DEV_SEED + " "],
    )
    def test_malformed_hex_seed_is_refused(self, phrase: str) -> None:
        with pytest.raises(UriError, match="hex seed"):
            seed_from_phrase(phrase, "")

    def test_bare_hex_and_short_names_are_not_secrets(self) -> None:
        for phrase in (DEV_SEED[2:], "0X" + DEV_SEED[2:], "Alice", "a" * 32):
            with pytest.raises(UriError, match="12, 15, 18, 21 or 24"):
                seed_from_phrase(phrase, "")

    def test_spaces_around_words_do_not_matter(self) -> None:
        assert seed_from_phrase("  " + DEV_PHRASE.replace(" ", "  ") + " ", "") == seed_from_phrase(
            DEV_PHRASE, ""
        )

    @pytest.mark.parametrize(
        "phrase",
        [
            DEV_PHRASE.upper(),
            DEV_PHRASE.replace("walk", "walks"),
            DEV_PHRASE.replace("walk", "fit"),
            " ".join(["abandon"] * 12),
            " ".join(reversed(DEV_PHRASE.split())),
        ],
    )
    def test_unknown_word_or_wrong_checksum_is_refused(self, phrase: str) -> None:
        with pytest.raises(UriError, match="unknown word or a wrong checksum") as caught:
            seed_from_phrase(phrase, "")
        assert caught.value.__suppress_context__

    @pytest.mark.parametrize("count", [0, 1, 3, 11, 13, 23, 25])
    def test_other_word_counts_are_refused(self, count: int) -> None:
        with pytest.raises(UriError, match="12, 15, 18, 21 or 24"):
            seed_from_phrase(" ".join(["abandon"] * count), "")


class TestGenerate:
    @pytest.mark.parametrize("words", MNEMONIC_LENGTHS)
    def test_generated_mnemonic_is_accepted(self, words: int) -> None:
        phrase = generate_mnemonic(words)
        assert len(phrase.split()) == words
        assert len(seed_from_phrase(phrase, "")) == 32

    @pytest.mark.parametrize("words", [0, 11, 13, 27, -12])
    def test_other_counts_are_refused(self, words: int) -> None:
        with pytest.raises(UriError):
            generate_mnemonic(words)
