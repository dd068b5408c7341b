import os

from django.http import HttpResponse
from django.urls import path


def index(request):
    return HttpResponse("Hello from Django, pid %d\n" % os.getpid())


urlpatterns = [path("", index)]
