"""A RabbitMQ of one's own, by deploy/rabbitmq.conf.example, on free ports: its MQTT plugin, every login and topic asked of an otad."""

import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path

from .process import Process, free_port, listening, until

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = "/usr/lib/rabbitmq/bin"  # those in /usr/sbin are for the system's own instance


class Rabbit:
    def __init__(self, url, secret):
        self.dir = Path(tempfile.mkdtemp(prefix="otad-rabbit-", dir="/tmp"))  # readable for the user it runs as
        self.port, self.names_port = free_port(), free_port()
        self.names = Process("epmd", self.dir / "epmd.log")
        self.process = Process("rabbitmq", self.dir / "log")
        (self.dir / "enabled_plugins").write_text("[rabbitmq_auth_backend_http,rabbitmq_mqtt].\n")
        example = (ROOT / "deploy/rabbitmq.conf.example").read_text()
        assert "http://127.0.0.1:8080/broker/SECRET/" in example
        own = ["listeners.tcp = none", f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}", "log.console = true", "log.file = false"]
        config = example.replace("http://127.0.0.1:8080", url).replace("SECRET", secret) + "\n".join(own) + "\n"
        (self.dir / "rabbitmq.conf").write_text(config)
        self.env = {
            "PATH": f"{PROGRAMS}:/usr/bin:/bin",
            "HOME": str(self.dir),
            "RUNNING_UNDER_SYSTEMD": "true",  # the start script then becomes the server itself: one process, which takes our signals
            "ERL_EPMD_PORT": str(self.names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"otad{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.dir / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.dir),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.dir / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.dir / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.dir / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}",
        }
        self.as_user = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("rabbitmq")
            for path in (self.dir, *self.dir.iterdir()):
                os.chown(path, user.pw_uid, user.pw_gid)
            self.as_user = ["setpriv", "--reuid=rabbitmq", "--regid=rabbitmq", "--clear-groups", "--"]

    def start(self):
        """Its name server first: else it would start one that outlives it."""
        self.names.spawn([*self.as_user, "epmd", "-address", "127.0.0.1", "-port", str(self.names_port)], env=self.env)
        self.names.until_ready(lambda: listening(self.names_port), 20)
        self.process.spawn([*self.as_user, "rabbitmq-server"], env=self.env)
        self.process.until_ready(lambda: "Server startup complete" in self.process.text() and listening(self.port), 90)
        return self

    def stop(self):
        try:
            self.process.end(signal.SIGTERM, 40)
        finally:
            if self.names.child is not None:
                self.names.kill()
            until(lambda: not listening(self.port) and not listening(self.names_port), "RabbitMQ and its name server are gone")
            shutil.rmtree(self.dir)
