from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute


async def index(request):
    return PlainTextResponse("hello from %s" % request.url.path)


async def echo(request):
    body = await request.body()
    return JSONResponse({"size": len(body), "client": request.client.host})


async def file(request):
    return FileResponse(__file__)


async def ws(socket):
    await socket.accept(subprotocol="chat")
    data = await socket.receive_bytes()
    await socket.send_bytes(data * 2)
    await socket.close(4000, "enough")


async def denied(socket):
    await socket.close()


app = Starlette(
    routes=[
        Route("/", index),
        Route("/echo", echo, methods=["POST"]),
        Route("/file", file),
        WebSocketRoute("/ws", ws),
        WebSocketRoute("/denied", denied),
    ]
)
