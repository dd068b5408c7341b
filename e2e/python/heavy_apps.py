"""Apps with 100 MB of imports and data, for make bench-fork."""

DATA = {n: "value number %d" % n for n in range(700_000)}


def make_django():
    from djangoproj.wsgi import application as app

    def touching(environ, start_response):
        environ["app.value"] = DATA[len(DATA) // 2]
        return app(environ, start_response)

    return touching


def make_fastapi():
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    async def index():
        return {"value": DATA[len(DATA) // 2]}

    return app
