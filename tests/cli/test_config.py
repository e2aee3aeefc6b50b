from __future__ import annotations

import tomli

from scrapekit.config import Settings

FILE = """\
[identity]
name = "examplebot"
[crawl]
max_failures = 0.5
[limits]
delay = "2 s"
headers = {X-One = "1", Authorization = "Bearer abc", "a.b" = 'say "no"'}
[hosts."*.example.com"]
delay = 0.25
headers = {X-One = ""}
[spiders.quotes.limits]
timeout = 5
[spiders.quotes.hosts."quotes.test"]
concurrency = 2
robots = "ignore"
robots_reason = "they are ours"
auth = {scheme = "basic", username = "me", password = {file = "secret.txt"}}
[hosts."api.test"]
auth = {scheme = "bearer", token = {env = "API_TOKEN"}, insecure = true}
[resolve]
"books.test" = "127.0.0.1:8900"
"""


def test_the_settings_are_printed_as_a_file_that_means_the_same(scrapekit, folder):
    (folder / "scrapekit.toml").write_text(FILE)
    said = scrapekit("config")
    assert (said.code, said.err) == (0, "")
    read = Settings.make(tomli.loads(said.out.replace("(not shown)", "Bearer abc")))
    assert read.model_dump() == Settings.make(tomli.loads(FILE)).model_dump()
    for host in ("a.example.com", "quotes.test"):
        assert read.limits_for(host, "quotes") == Settings.make(tomli.loads(FILE)).limits_for(host, "quotes")


def test_each_value_has_its_origin(scrapekit, folder):
    (folder / "scrapekit.toml").write_text(FILE)
    lines = scrapekit("config", "--set", "limits.timeout=7").out.splitlines()
    origins = {tuple(line.split("  # ")[0].split(" = ")): line.split("  # ")[-1] for line in lines if "  # " in line}
    origins = {tuple(part.strip() for part in key): value for key, value in origins.items()}
    assert origins["delay", "2.0"] == "scrapekit.toml:6"
    assert origins["delay", "0.25"] == "scrapekit.toml:9"
    assert origins["timeout", "7.0"] == "--set"
    assert origins["concurrency", "64"] == "default"
    assert origins["# max_pages is not set",] == "default"


def test_without_a_project_the_defaults_are_printed(scrapekit):
    said = scrapekit("config")
    assert said.code == 0
    assert Settings.make(tomli.loads(said.out)).model_dump() == Settings().model_dump()
    assert said.out.startswith("# no scrapekit.toml here or above")


def test_a_secret_is_not_printed(scrapekit, folder):
    (folder / "scrapekit.toml").write_text(FILE)
    assert "abc" not in scrapekit("config").out + scrapekit("config", "--host", "a.example.com").out


def test_for_a_host_the_rule_that_gave_each_value_is_printed(scrapekit, folder):
    (folder / "scrapekit.toml").write_text(FILE)
    said = scrapekit("config", "--host", "Quotes.TEST", "--spider", "quotes", "--set", "limits.max_size=1 KiB")
    rows = dict(line.split("  # ") for line in said.out.splitlines() if "  # " in line)
    rows = {key.rstrip(): rule for key, rule in rows.items()}
    assert rows["concurrency = 2"] == '[spiders.quotes.hosts."quotes.test"], scrapekit.toml:14'
    assert rows["timeout = 5.0"] == "[spiders.quotes.limits], scrapekit.toml:12"
    assert rows["delay = 2.0"] == "[limits], scrapekit.toml:6"
    assert rows['max_size = "1 KiB"'] == "--set"
    assert rows["connect_timeout = 10.0"] == "default"
    assert rows['headers.X-One = "1"'] == "[limits], scrapekit.toml:7"
    assert said.out.startswith("# quotes.test, spider quotes\n# User-Agent: examplebot scrapekit/")


def test_for_a_host_that_would_be_refused_it_is_said_why(scrapekit, folder):
    assert "would be refused: identity.contact" in scrapekit("config", "--host", "example.com").out
    assert "would be refused" not in scrapekit("config", "--host", "127.0.0.1:8080").out


def test_what_is_no_host_is_refused(scrapekit):
    assert "is not a host" in scrapekit("config", "--host", "http://example.com/").refusal
    assert "--spider needs --host" in scrapekit("config", "--spider", "x").refusal


def test_a_spider_without_a_table_of_its_own_is_said_to_have_none(scrapekit, folder):
    (folder / "scrapekit.toml").write_text(FILE)
    assert "# no table [spiders.qoutes]" in scrapekit("config", "--host", "a.test", "--spider", "qoutes").out
    assert "# no table" not in scrapekit("config", "--host", "a.test", "--spider", "quotes").out


PROXIES = """\
[limits]
proxy = "http://user1:s3cret@p.example:3128"
[hosts."a.test"]
proxy = ["http://${USER}:${PASS}@p.example", "socks5h://user1:s3cret@q.example"]
[hosts."b.test"]
proxy = "none"
"""


def test_of_proxies_only_the_names_of_variables_are_printed(scrapekit, folder):
    (folder / "scrapekit.toml").write_text(PROXIES)
    said = "".join(scrapekit("config", *more).out for more in ((), ("--host", "a.test"), ("--host", "c.test")))
    assert 'proxy = "http://***:***@p.example:3128"' in said
    assert 'proxy = ["http://${USER}:${PASS}@p.example", "socks5h://***:***@q.example"]' in said
    assert 'proxy = "none"' in said
    assert "s3cret" not in said
    assert "user1" not in said
    Settings.make(tomli.loads(scrapekit("config").out))


def test_a_proxy_that_cannot_be_is_refused_and_its_credentials_are_not_printed(scrapekit, folder):
    for value in (
        '"http://user1:s3cret@"',
        '["http://p", "ftp://user1:s3cret@p"]',
        '{ url = "http://user1:s3cret@p" }',
    ):
        (folder / "scrapekit.toml").write_text(f"[limits]\nproxy = {value}\n")
        said = scrapekit("config")
        assert "scrapekit.toml:2: limits.proxy: must " in said.err
        assert "s3cret" not in said.err + said.out
