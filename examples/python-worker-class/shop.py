"""An ASGI app that asks its worker."""


class App:
    worker = None

    async def __call__(self, scope, receive, send):
        text = "%s: %d tea left, served by worker %d" % (scope["root_path"], self.worker.stock["tea"], self.worker.age)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": text.encode()})


app = App()
