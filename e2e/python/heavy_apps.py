"""Apps with 100 MB of imports and data, for make bench-fork."""

DATA = {n: "value number %d" % n for n in range(700_000)}


def plain():
    def app(environ, start_response):
        body = DATA[len(DATA) // 2].encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return app




def make_fastapi():
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    async def index():
        return {"value": DATA[len(DATA) // 2]}

    return app
