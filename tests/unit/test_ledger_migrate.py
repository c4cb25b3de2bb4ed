"""The ledger's tables can be made before the processes begin, and its password need not stand in its address."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from shadow.cli import main
from shadow.config import ENV_CONFIG, ENV_LEDGER_URL
from shadow.ledger import Ledger
from shadow.ledger import engine as engines

CONFIG = "version: 1\nproduction: {owner: o, model: m}\n"


def migrate(url: str, config: Path) -> tuple[int, str]:
    config.write_text(CONFIG)
    done = CliRunner().invoke(main, ["ledger", "migrate"], env={ENV_CONFIG: str(config), ENV_LEDGER_URL: url})
    return done.exit_code, done.output


def test_the_tables_are_made_once_and_found_the_second_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/ledger.db"
    first, second = (migrate(url, tmp_path / "shadow.yaml") for _ in range(2))
    assert first == second
    assert (first[0], first[1].rpartition(" ")[0]) == (0, "the ledger has schema")
    with Ledger(url, create=False) as opened:
        assert opened.stats()["arms"] == {}


def test_a_database_that_is_no_ledger_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    file.write_text("not a database, and long enough to be looked at" * 50)
    code, said = migrate(f"sqlite:///{file}", tmp_path / "shadow.yaml")
    assert code == 1
    assert len(said.splitlines()) == 1


def test_postgresqls_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is handed over in its place: libpq then takes ``$PGPASSWORD``."""
    engine = engines.connect(engines.parse("postgresql://shadow@db.example/shadow"), busy_timeout_s=1, create=False)
    _, given = engine.dialect.create_connect_args(engine.url)
    assert "password" not in given
    monkeypatch.setenv("PGPASSWORD", "from-outside")
    defaults = {each.keyword: each.val for each in psycopg.pq.Conninfo.get_defaults()}
    assert defaults[b"password"] == b"from-outside"
