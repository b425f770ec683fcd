"""A PostgreSQL cluster of one's own, on a socket of its own; one per test worker. Databases are copies of a migrated template."""

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg2

from .process import Failure, Process, give_away, unprivileged, until

BIN = Path("/usr/lib/postgresql/15/bin")
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0777",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "shared_preload_libraries": "pg_stat_statements",
    # The machine does not lose power between two tests; killing processes loses nothing without fsync.
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "log_min_messages": "warning",
}


@contextmanager
def frozen(cluster):
    """SIGSTOP for all of PostgreSQL: it hangs, and no connection says so."""
    pid = cluster.process.pid
    os.kill(pid, signal.SIGSTOP)
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    try:
        for child in pids[1:]:
            os.kill(child, signal.SIGSTOP)
        yield
    finally:
        for one in pids:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)


class Cluster:
    """Superuser: postgres. Roles as in deploy/up: otad_owner migrates, otad_service serves."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="otad-pg-", dir="/tmp"))  # short: a socket's path has at most 107 bytes
        self.dir.chmod(0o755)
        give_away(self.dir)
        self.process = Process("postgres", self.dir / "log")
        self.count = 0
        self.run(BIN / "initdb", "-D", self.dir / "data", "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        self.start()
        with self.connect("postgres") as link, link.cursor() as sql:
            for role in ("otad_owner", "otad_service"):
                sql.execute(f"CREATE ROLE {role} LOGIN")

    def run(self, *command):
        done = subprocess.run(unprivileged([str(word) for word in command]), cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"

    def start(self):
        options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = unprivileged([str(BIN / "postgres"), "-D", str(self.dir / "data"), "-k", str(self.dir), *options])

        def started():
            """After kill -9 the last of the old processes may still hold the shared memory: then it refuses to start."""
            (self.dir / "data/postmaster.pid").unlink(missing_ok=True)
            self.process.spawn(command)
            try:
                self.process.until_ready(self.answers, 30)
                return True
            except Failure:
                self.process.end()
                return False

        until(started, f"postgres starts:\n{self.process.tail()}", timeout=20, pause=0.2)

    def stop(self):
        self.process.end(signal.SIGINT)

    def kill(self):
        """kill -9 of all of it, as an out-of-memory killer or a power switch would."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.process.kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)

    def destroy(self):
        if self.process.running():
            self.process.end(signal.SIGQUIT)
        shutil.rmtree(self.dir, ignore_errors=True)

    def answers(self):
        try:
            self.connect("postgres").close()
            return True
        except psycopg2.OperationalError:
            return False

    def connect(self, database):
        link = psycopg2.connect(host=str(self.dir), dbname=database, user="postgres")
        link.autocommit = True
        return Link(link)

    def uri(self, database, role):
        return f"postgresql://{role}@/{database}?host={self.dir}"

    def admin(self, statement):
        with self.connect("postgres") as link, link.cursor() as sql:
            sql.execute(statement)

    def create(self, template="template0"):
        """A new database owned by otad_owner; its name.

        Copied as files: the other strategy logs the pages of sequences as they are and not, as nextval() does, 32 values ahead, so that a sequence goes
        backwards when the server is killed (PostgreSQL 15).
        """
        self.count += 1
        name = f"t{self.count}"
        self.admin(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy OWNER otad_owner")
        return name

    def drop(self, name):
        self.admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class Link:
    """psycopg2's connection, closed when its block ends."""

    def __init__(self, link):
        self.link = link

    def __enter__(self):
        return self.link

    def __exit__(self, *exc):
        self.link.close()

    def close(self):
        self.link.close()


class Database:
    """One test's database, as the superuser sees it."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name

    def rows(self, statement, *values):
        with self.cluster.connect(self.name) as link, link.cursor() as sql:
            sql.execute(statement, values or None)
            return sql.fetchall() if sql.description else []

    def value(self, statement, *values):
        return self.rows(statement, *values)[0][0]

    def statements(self):
        """How many statements the service has run in this database since the cluster started."""
        return sum(self.calls().values())

    def calls(self):
        """How often the service has run each statement in this database since the cluster started: text -> calls."""
        with self.cluster.connect("postgres") as link, link.cursor() as sql:
            sql.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            sql.execute(
                "SELECT s.query, sum(s.calls)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid"
                " JOIN pg_roles r ON r.oid = s.userid WHERE d.datname = %s AND r.rolname = 'otad_service' GROUP BY 1",
                (self.name,),
            )
            return dict(sql.fetchall())
