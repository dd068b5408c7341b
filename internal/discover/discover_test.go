package discover

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiscoverFindsTheApp(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"FastAPI":       {map[string]string{"main.py": "from fastapi import FastAPI\napp = FastAPI(title='x')\n"}, "main:app looks like FastAPI; start it with: gonicorn main:app"},
		"annotated":     {map[string]string{"api.py": "import fastapi\nserver: fastapi.FastAPI = fastapi.FastAPI()\n"}, "gonicorn api:server"},
		"Flask":         {map[string]string{"app.py": "from flask import Flask\napp = Flask(__name__)\n"}, "app:app looks like Flask"},
		"Django":        {map[string]string{"manage.py": "import os\n", "shop/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"}, "gonicorn shop.wsgi:application"},
		"in a package":  {map[string]string{"app/main.py": "app = FastAPI()\n"}, "gonicorn app.main:app"},
		"in src":        {map[string]string{"src/web.py": "app = Flask(__name__)\n"}, "gonicorn web:app --chdir src"},
		"a factory":     {map[string]string{"site.py": "def create_app():\n    return 1\n"}, "gonicorn site:create_app --factory"},
		"plain WSGI":    {map[string]string{"w.py": "def application(environ, start_response):\n    pass\n"}, "w:application looks like WSGI"},
		"plain ASGI":    {map[string]string{"a.py": "async def app(scope, receive, send):\n    pass\n"}, "a:app looks like ASGI"},
		"node's start":  {map[string]string{"package.json": `{"scripts": {"start": "node server.js"}}`}, "gonicorn -- node server.js"},
		"node's main":   {map[string]string{"package.json": `{"main": "index.js"}`, "index.js": ""}, "gonicorn -- node index.js"},
		"Go":            {map[string]string{"go.mod": "module x\n", "main.go": "package main\n\nimport \"net/http\"\n"}, "main.go is a Go program that serves HTTP; start it with: go build -o server . && gonicorn -- ./server"},
		"Go below cmd":  {map[string]string{"go.mod": "module x\n", "x.go": "package x\n", "cmd/x/main.go": "package main\n\nimport \"net/http\"\n"}, "go build -o server ./cmd/x && gonicorn -- ./server"},
		"Go with us":    {map[string]string{"go.mod": "module x\n", "main.go": "package main\n\nimport (\n\t\"net/http\"\n\t\"github.com/gonicorn/gonicorn\"\n)\n"}, "main.go has gonicorn in it; start it with: go run ."},
		"Go's tools":    {map[string]string{"go.mod": "module x\n", "main.go": "package main\n\nimport \"fmt\"\n"}, "type, for example: gonicorn main:app"},
		"two of them":   {map[string]string{"a.py": "app = Flask(__name__)\n", "b.py": "app = Flask(__name__)\n"}, "or: gonicorn b:app"},
		"nothing":       {map[string]string{"notes.py": "x = 1\n"}, "type, for example: gonicorn main:app"},
		"not in a text": {map[string]string{"notes.py": "    app = Flask(__name__)\n"}, "type, for example: gonicorn main:app"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := NoApp(dir).Error(); !strings.Contains(got, c.want) {
				t.Errorf("%s, want %q in it", got, c.want)
			}
		})
	}
}
