# After projects that give Python's logging a config of their own.
# serves: app:app
# log: AS CONFIGURED the app logs
# log: on_reload says so
# signal: HUP
workers = 1

logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"own": {"format": "AS CONFIGURED %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "own"}},
    "loggers": {"gunicorn.error": {"handlers": ["console"], "level": "INFO", "propagate": False}},
}


def on_reload(server):
    server.log.info("on_reload says so")
