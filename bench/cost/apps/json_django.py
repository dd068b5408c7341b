"""Django, with one object as JSON."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

settings.configure(
    SECRET_KEY="for measurements only",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
)


def root(request):
    return JsonResponse({"hello": "world", "numbers": [1, 2, 3]})


urlpatterns = [path("", root)]
app = get_wsgi_application()
