"""A worker class of one's own: see README.md."""

import threading

from gonicorn.workers import UvicornWorker


class ShopWorker(UvicornWorker):
    """Serves on an event loop, keeps stock up to date in a thread, and says goodbye."""

    CONFIG_KWARGS = {"loop": "asyncio", "lifespan": "off", "root_path": "/shop"}

    def init_process(self):
        self.stock = {"tea": 3}
        self.ended = threading.Event()
        threading.Thread(target=self.refill, daemon=True).start()
        super().init_process()  # loads the app, and serves until the worker is to finish

    def refill(self):
        while not self.ended.wait(1.0):
            self.stock["tea"] = min(self.stock["tea"] + 1, 9)

    def load_wsgi(self):
        super().load_wsgi()
        self.wsgi.worker = self  # the app may ask its worker

    def notify(self):
        super().notify()  # once a second; a worker that does not come here for timeout is replaced
        if self.stock["tea"] < 0:
            self.alive = False  # asks for a successor

    def handle_exit(self, sig, frame):
        self.ended.set()
        self.log.info("worker %d finishes", self.pid)
        super().handle_exit(sig, frame)
