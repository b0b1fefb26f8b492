"""What Kafka wants from a client reaches the client; what Kafka would refuse is refused before."""

import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from pagecast.eventlog.admin import Admin
from pagecast.eventlog.bootstrap import Mechanism, Protocol, SecuredKafka
from pagecast.eventlog.clients import KafkaClient, open_consumer
from pagecast.eventlog.connection import client_settings
from pagecast.eventlog.errors import BrokerUnavailable, EventLogError
from pagecast.eventlog.topics import INTERACTIONS

LOGIN: dict[str, Any] = {
    "mechanism": Mechanism.SCRAM_SHA_512,
    "username": "ingest",
    "password": "hidden",
}


def test_a_login_is_among_what_every_client_is_given() -> None:
    kafka = SecuredKafka(servers="one:9093,two:9093", protocol=Protocol.SASL_PLAINTEXT, **LOGIN)
    settings = client_settings(kafka)
    assert settings["bootstrap_servers"] == ["one:9093", "two:9093"]
    assert (settings["security_protocol"], settings["sasl_mechanism"]) == (
        "SASL_PLAINTEXT",
        "SCRAM-SHA-512",
    )
    assert (settings["sasl_plain_username"], settings["sasl_plain_password"]) == (
        "ingest",
        "hidden",
    )
    assert "security_protocol" not in client_settings("one:9092")


def test_no_text_of_it_shows_the_password() -> None:
    kafka = SecuredKafka(servers="one:9093", protocol=Protocol.SASL_SSL, **LOGIN)
    assert str(kafka) == "one:9093"
    assert "hidden" not in repr(kafka)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"protocol": Protocol.SASL_SSL}, "sasl_mechanism: SASL_SSL needs one"),
        ({"protocol": Protocol.SASL_SSL, **LOGIN, "username": ""}, "username: SASL_SSL needs one"),
        ({"protocol": Protocol.SASL_SSL, **LOGIN, "password": None}, "password: SASL_SSL needs"),
        ({"protocol": Protocol.SSL, **LOGIN}, "sasl_mechanism: SSL has none"),
        ({"protocol": Protocol.SSL, "ca_file": "none.pem"}, "ca_file: there is no file"),
        (
            {"protocol": Protocol.SASL_PLAINTEXT, **LOGIN, "ca_file": "ca.pem"},
            "ca_file: SASL_PLAINTEXT is not encrypted",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        SecuredKafka(servers="one:9093", **given)
    assert "hidden" not in str(refused.value)


def test_a_client_that_cannot_log_in_is_refused() -> None:
    kafka = SecuredKafka(servers="one:9093", protocol=Protocol.SASL_SSL, **LOGIN)
    with pytest.raises(EventLogError, match="choose kafka-python"):
        open_consumer(kafka, None, [INTERACTIONS], client=KafkaClient.CONFLUENT)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_tls_is_spoken_with_the_certificates_of_the_file(tmp_path: Path) -> None:
    """No broker here speaks TLS: a socket that does, and is then gone."""
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    spoken: list[str | None] = []

    def answer(listener: socket.socket) -> None:
        while not spoken:
            plain, _ = listener.accept()
            with plain:
                try:
                    with context.wrap_socket(plain, server_side=True) as secured:
                        spoken.append(secured.version())
                        listener.close()
                except OSError:  # who only looks whether somebody listens
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,), daemon=True)
        thread.start()
        servers = f"127.0.0.1:{listener.getsockname()[1]}"
        kafka = SecuredKafka(servers=servers, protocol=Protocol.SSL, ca_file=str(certificate))
        with pytest.raises(BrokerUnavailable):
            Admin(kafka, timeout_s=2.0)
        thread.join(10)
    assert spoken == ["TLSv1.3"]
