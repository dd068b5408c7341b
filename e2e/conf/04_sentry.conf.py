# After services that measure every request, as Sentry's and its kin do.
# serves: app:app
# log: GET /timed took \d+ ms: 200 OK for testclient, request 1
import time

workers = 1
threads = 4
worker_class = "gthread"
worker_tmp_dir = "/dev/shm"
limit_request_line = 0


def pre_request(worker, req):
    req.began = time.monotonic()
    req.agent = dict(req.headers).get("USER-AGENT", "")
    worker.log.debug("%s %s", req.method, req.path)


def post_request(worker, req, environ, resp):
    elapsed = (time.monotonic() - req.began) * 1000
    worker.log.info(
        "%s %s took %d ms: %s for %s, request %d", req.method, req.path, elapsed, resp.status, req.agent, worker.nr
    )
