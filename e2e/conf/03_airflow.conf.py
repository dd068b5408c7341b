# After Airflow's gunicorn_config: the title of a process says that it is ready.
# serves: app:app
# log: \[ready\] gunicorn: worker 1
from types import SimpleNamespace

try:
    import setproctitle
except ImportError:  # it is installed with Airflow, not here
    setproctitle = SimpleNamespace(setproctitle=lambda title: print(title))

workers = 2
reuse_port = False


def post_worker_init(worker):
    old_title = "gunicorn: worker %s" % worker.age
    setproctitle.setproctitle("[ready] " + old_title)
