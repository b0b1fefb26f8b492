import pytest

from pagecast.featurestore.online.store_url import PORT, StoreUrl, StoreUrlError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("redis://store", StoreUrl(hosts=(("store", PORT),))),
        ("redis://store:7000/3", StoreUrl(hosts=(("store", 7000),), database=3)),
        ("redis://[::1]:7000", StoreUrl(hosts=(("::1", 7000),))),
        ("redis://:p%40ss@store", StoreUrl(hosts=(("store", PORT),), password="p@ss")),
        (
            "rediss://ingest:pw@store?ssl_ca_certs=/etc/ca.pem",
            StoreUrl(
                hosts=(("store", PORT),),
                tls=True,
                username="ingest",
                password="pw",
                authority_file="/etc/ca.pem",
            ),
        ),
        (
            "redis+cluster://:a:b@one:1,two",
            StoreUrl(hosts=(("one", 1), ("two", PORT)), cluster=True, password="a:b"),
        ),
        ("rediss+cluster://one", StoreUrl(hosts=(("one", PORT),), cluster=True, tls=True)),
    ],
)
def test_every_form_is_read(text: str, url: StoreUrl) -> None:
    assert StoreUrl.parse(text) == url


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no scheme"),
        ("store:6379", "'store'"),
        ("http://store", "'http'"),
        ("redis://", "a host is missing"),
        ("redis://:secret@", "a host is missing"),
        ("redis://secret@a b", "a host is missing"),
        ("redis://store:port", "host:port"),
        ("redis://store:0", "port 0"),
        ("redis://store:99999", "port 99999"),
        ("redis://store/secret", "database's number"),
        ("redis://one,two", "a cluster"),
        ("redis+cluster://one,two/1", "none for a cluster"),
        ("rediss://store?timeout=secret", "ssl_ca_certs"),
        ("redis://store?ssl_ca_certs=secret", "needs TLS"),
        ("redis://[secret", "cannot be read"),
    ],
)
def test_a_bad_one_is_refused_by_the_name_of_the_setting(text: str, problem: str) -> None:
    with pytest.raises(StoreUrlError, match="online_store_url") as refused:
        StoreUrl.parse(text)
    assert problem in str(refused.value)
    assert "redis://[[user]:password@]host" in str(refused.value), "what it should be"
    assert "secret" not in str(refused.value)


def test_it_can_be_shown_without_its_password() -> None:
    for text in ("redis://me:secret@store/2", "rediss+cluster://:secret@one:1,two:2"):
        url = StoreUrl.parse(text)
        assert "secret" not in repr(url)
        assert "secret" not in str(url)
    assert str(StoreUrl.parse("redis://me:secret@store/2")) == "redis://store:6379/2"
    assert str(StoreUrl.parse("rediss+cluster://one:1,two")) == "rediss+cluster://one:1,two:6379"
