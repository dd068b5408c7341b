# An app under gonicorn as a Nomad job: nomad job run shop.nomad.hcl
job "shop" {
  type = "service"

  update {
    max_parallel     = 1
    canary           = 1
    auto_promote     = true
    auto_revert      = true
    health_check     = "checks"
    min_healthy_time = "5s"
    healthy_deadline = "2m"
  }

  group "web" {
    count = 2

    network {
      port "http" {}
      port "admin" {}
    }

    service {
      name     = "shop"
      port     = "http"
      provider = "nomad"

      check {
        name     = "ready"
        type     = "http"
        port     = "admin"
        path     = "/readyz"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "gonicorn" {
      driver = "exec"

      config {
        command = "/usr/local/bin/gonicorn"
        args = [
          "main:app", "-w", "2", "--chdir", "/srv/shop",
          "-b", "${NOMAD_ADDR_http}", "--admin-bind", "${NOMAD_ADDR_admin}",
        ]
      }

      # TERM; above graceful_timeout.
      kill_signal  = "SIGTERM"
      kill_timeout = "40s"

      resources {
        cpu    = 1000
        memory = 512
      }
    }
  }
}
