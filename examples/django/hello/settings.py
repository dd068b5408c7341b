import os

SECRET_KEY = os.environ.get("SECRET_KEY", "set SECRET_KEY in production")
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "hello.urls"
