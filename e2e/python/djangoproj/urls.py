from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt


def index(request):
    return HttpResponse("django says hello to %s" % request.META["REMOTE_ADDR"])


@csrf_exempt
def upload(request):
    f = request.FILES["file"]
    return JsonResponse({"size": sum(len(c) for c in f.chunks()), "name": f.name})


def stream(request):
    return StreamingHttpResponse("part %d\n" % i for i in range(100))


def static_file(request):
    return FileResponse(open(__file__, "rb"))


def fail(request):
    raise RuntimeError("this view fails")


urlpatterns = [
    path("", index),
    path("upload", upload),
    path("stream", stream),
    path("file", static_file),
    path("fail", fail),
]
