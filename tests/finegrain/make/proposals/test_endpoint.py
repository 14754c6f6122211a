"""An endpoint that fails in every way a server can."""

import json
import time

import pytest
from endpoint_double import agreeing, chat_server

from finereel.errors import ConfigError, ProposalError
from finereel.finegrain.make.proposals.endpoint import (
    LARGEST_REPLY,
    Endpoint,
    Patience,
    QuestionRefusedError,
)

HASTE = Patience(timeout=5.0, attempts=3, first_wait=0.01, longest_wait=0.02)
QUESTION = [{"role": "user", "content": "hello"}]


def test_the_text_of_the_answer_comes_back() -> None:
    with chat_server(lambda _: "a wörd") as server:
        endpoint = Endpoint(server.url, "tiny", "secret", HASTE)
        assert endpoint.complete(QUESTION, {"temperature": 0.0}) == "a wörd"
    assert server.requests == [{"model": "tiny", "messages": QUESTION, "temperature": 0.0}]
    assert server.headers[0]["path"] == "/v1/chat/completions"
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert "secret" not in repr(endpoint)


def test_without_a_key_no_authorization_is_sent_and_the_full_address_is_understood() -> None:
    with chat_server(lambda _: "word") as server:
        assert (
            Endpoint(server.url + "/chat/completions", "tiny", None, HASTE).complete(QUESTION, {})
            == "word"
        )
    assert "Authorization" not in server.headers[0]
    assert server.headers[0]["path"] == "/v1/chat/completions"


@pytest.mark.parametrize(
    "failure", [(429, {"Retry-After": "0"}, "slow down"), (503, {}, "<html>busy</html>"), b"oops"]
)
def test_what_may_pass_is_tried_again(failure: tuple[int, dict[str, str], str] | bytes) -> None:
    answers = [failure, failure, "word"]
    with chat_server(lambda _: answers.pop(0)) as server:
        assert Endpoint(server.url, "tiny", None, HASTE).complete(QUESTION, {}) == "word"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ((500, {}, "broken"), "failed 3 times, last with: HTTP 500 broken"),
        (b"<html>a page</html>", "expected a chat completion.*a page"),
        (b'{"choices": []}', "expected a chat completion"),
        (b'{"choices": [{"message": {"content": null}}]}', "expected a chat completion"),
        (b"[" * 100_000, "expected a chat completion"),
        (b"x" * (LARGEST_REPLY + 1), "more than 1048576 bytes"),
    ],
)
def test_what_does_not_pass_is_an_error_that_says_what_to_do(failure: object, message: str) -> None:
    with (
        chat_server(lambda _: failure) as server,
        pytest.raises(ProposalError, match=message) as caught,
    ):  # type: ignore[arg-type,return-value]
        Endpoint(server.url, "tiny", None, HASTE).complete(QUESTION, {})
    assert len(server.requests) == 3
    assert "run the same command again" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "FINEREEL_LLM_KEY"),
        (404, "is 'tiny' served there"),
        (403, "may not use"),
        (418, "own log"),
    ],
)
def test_what_cannot_pass_is_not_tried_again(status: int, message: str) -> None:
    with (
        chat_server(lambda _: (status, {}, "no")) as server,
        pytest.raises(ProposalError, match=message),
    ):
        Endpoint(server.url, "tiny", None, HASTE).complete(QUESTION, {})
    assert len(server.requests) == 1


def test_a_refused_question_is_told_apart() -> None:
    with (
        chat_server(lambda _: (400, {}, "filtered")) as server,
        pytest.raises(QuestionRefusedError, match="filtered"),
    ):
        Endpoint(server.url, "tiny", None, HASTE).complete(QUESTION, {})


def test_a_redirect_is_not_followed() -> None:
    with chat_server(agreeing("word")) as other:
        moved = (307, {"Location": other.url + "/chat/completions"}, "")
        with chat_server(lambda _: moved) as server, pytest.raises(ProposalError, match="HTTP 307"):
            Endpoint(server.url, "tiny", "secret", HASTE).complete(QUESTION, {})
    assert other.requests == []


def test_a_server_that_hangs_is_given_up() -> None:
    def slow(_: object) -> str:
        time.sleep(0.6)
        return "late"

    patience = Patience(timeout=0.2, attempts=2, first_wait=0.01, longest_wait=0.02)
    with (
        chat_server(slow) as server,
        pytest.raises(ProposalError, match=r"failed 2 times.*timed out"),
    ):
        Endpoint(server.url, "tiny", None, patience).complete(QUESTION, {})


def test_nobody_listening() -> None:
    with chat_server(agreeing()) as server:
        url = server.url
    with pytest.raises(ProposalError, match=r"last with: .*Connection refused"):
        Endpoint(url, "tiny", None, HASTE).complete(QUESTION, {})


def test_what_the_error_quotes_is_short() -> None:
    with (
        chat_server(lambda _: (401, {}, "no " * 10_000)) as server,
        pytest.raises(ProposalError) as caught,
    ):
        Endpoint(server.url, "tiny", None, HASTE).complete(QUESTION, {})
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("localhost:8000/v1", None, "expected a base URL"),
        ("file:///etc/passwd", None, "expected a base URL"),
        ("ftp://host/v1", None, "expected a base URL"),
        ("https://user:pass@host/v1", None, "without user"),
        ("https://host/v1?key=1", None, "without user"),
        ("http://example.org/v1", "secret", "does not travel over plain http"),
        ("https://host/v1", "sec\nret", "no header can carry"),
    ],
)
def test_urls_and_keys_that_are_refused(url: str, key: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Endpoint(url, "tiny", key)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:1/v1", "http://127.0.0.1/v1", "http://[::1]:8/v1", "https://host/v1"]
)
def test_a_key_goes_to_this_machine_or_through_tls(url: str) -> None:
    assert Endpoint(url, "tiny", "secret").key == "secret"


def test_an_unnamed_model_and_impossible_patience() -> None:
    with pytest.raises(ConfigError, match="name of a model"):
        Endpoint("http://localhost/v1", " ")
    with pytest.raises(ConfigError, match="patience"):
        Patience(attempts=0)


@pytest.mark.parametrize(
    "header", ["soon", "-1", "1e9", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 400, "²"]
)
def test_a_strange_retry_after_waits_no_longer_than_patience(header: str) -> None:
    answers = [(429, {"Retry-After": header.encode("utf-8").decode("latin-1")}, ""), "word"]
    began = time.monotonic()
    with chat_server(lambda _: answers.pop(0)) as server:
        assert Endpoint(server.url, "tiny", None, HASTE).complete(QUESTION, {}) == "word"
    assert time.monotonic() - began < 2.0


def test_the_body_is_ascii_json() -> None:
    with chat_server(lambda _: "word") as server:
        Endpoint(server.url, "tiny", None, HASTE).complete(
            [{"role": "user", "content": "猫 \ud800"}], {}
        )
    assert json.loads(server.raw[0])["messages"][0]["content"] == "猫 \ud800"
    assert server.raw[0].isascii()
